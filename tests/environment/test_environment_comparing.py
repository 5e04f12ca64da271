"""`database.validation`: figures of the business, tolerances, and what may be shown."""

import pydantic
import pytest

from cutover.environment.comparing import BusinessCheck, Validation


def check(**fields: object) -> BusinessCheck:
    return BusinessCheck.model_validate({"name": "revenue", "sql": "SELECT 1", **fields})


def test_values_are_hidden_unless_the_file_says_otherwise() -> None:
    assert Validation().show_values is False and Validation().checks == ()


@pytest.mark.parametrize("written, percent", [("5%", 5.0), ("0.5 %", 0.5), (5, 5.0), ("0", 0.0), ("100%", 100.0)])
def test_a_tolerance_is_a_percentage(written: object, percent: float) -> None:
    assert check(within=written).within == percent


@pytest.mark.parametrize("written", ["101%", "-1%", "five", None, True, "5%%", [5]])
def test_what_is_no_percentage_is_refused(written: object) -> None:
    with pytest.raises(pydantic.ValidationError, match="percentage"):
        check(within=written)


@pytest.mark.parametrize("sql", ["select 1", "WITH a AS (SELECT 1) SELECT * FROM a;", "  SELECT\n 1 ;\n"])
def test_a_figure_is_one_question(sql: str) -> None:
    assert not check(sql=sql).sql.endswith(";")


@pytest.mark.parametrize("sql", ["DELETE FROM orders", "", "selection", "SELECT " + "1" * 10_000, 7])
def test_what_asks_nothing_is_refused(sql: object) -> None:
    with pytest.raises(pydantic.ValidationError):
        check(sql=sql)
