"""What the preflight says of the lesser objects where a planted difference is not enough to see it."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from asked import asked_sides, run, speaking
from pairs import Pair

from cutover.postgres.preflight import DatabaseCheck, preflight
from cutover.postgres.preflight.compare import SameOnBoth


@pytest.fixture(scope="module")
def sides(pair: Pair) -> Iterator[Pair]:
    with asked_sides(pair) as made:
        yield made


@pytest.fixture(scope="module")
def checks(sides: Pair) -> dict[str, DatabaseCheck]:
    return dict(preflight(sides.blue, sides.green))


def test_options_of_foreign_servers_are_named_and_their_values_are_not(
    sides: Pair, checks: dict[str, DatabaseCheck]
) -> None:
    run(sides, "blue", "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far TYPE 'db' FOREIGN DATA WRAPPER w OPTIONS (host 'hidden.example'); "
        "CREATE USER MAPPING FOR shop SERVER far OPTIONS (user 'u', password 'hidden')")  # fmt: skip
    try:
        found = checks["foreign-servers"].look()
        assert (
            "CREATE SERVER far TYPE 'db' FOREIGN DATA WRAPPER w OPTIONS (host);"
            in speaking(found, "SERVER far is")["mend"]
        )
        mapping = speaking(found, "USER MAPPING FOR shop SERVER far is missing")
        assert "OPTIONS (password, user)" in mapping["mend"] and "hidden" not in str(found)
    finally:
        run(sides, "blue", "DROP FOREIGN DATA WRAPPER w CASCADE")


def test_a_library_that_sorts_otherwise_is_told(checks: dict[str, DatabaseCheck]) -> None:
    """Both servers of these tests use one library, so green's answer is planted."""
    check = checks["collation-versions"]
    assert isinstance(check, SameOnBoth)
    answers = ("SELECT 'pg_catalog.\"de_DE\"', '2.36'", "SELECT 'pg_catalog.\"de_DE\"', '2.41'")
    found = replace(check, sql=answers[0], theirs=answers[1]).look()
    remark = speaking(found, 'pg_catalog."de_DE" is 2.36 on blue, 2.41 on green')
    assert remark["severity"] == "informs" and "warning" not in found.data
