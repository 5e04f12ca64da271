"""Several databases: each with a name of its own, and never mixed with the only one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cutover.app import open_environment
from cutover.environment import Environment
from cutover.postgres.switchover import Switchover

ONE = "database:\n  name: shop\n  blue: env:BLUE\n  green: env:GREEN\n"
TWO = """databases:
  shop: {name: shop, blue: env:BLUE, green: env:GREEN}
  mail-box: {name: mail, blue: env:MAIL_BLUE, green: "secretsmanager:mail/green"}
"""
Told = Callable[..., list[str]]


def test_the_only_one_has_no_name(loaded: Callable[..., Environment]) -> None:
    assert list(loaded("").every_database) == [""]


def test_several_have_names(loaded: Callable[..., Environment]) -> None:
    found = loaded(ONE, TWO)
    assert list(found.every_database) == ["shop", "mail-box"] and found.database is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((ONE, ""), "database: is missing; several databases stand under `databases`"),
        ((ONE, ONE + TWO.replace("BLUE", "B2").replace("GREEN", "G2")), "databases: there is `database` as well"),
        ((ONE, TWO.replace("env:MAIL_BLUE", "env:BLUE")), "databases.mail-box.blue: is another entry's database, too"),
        ((ONE, TWO.replace("env:MAIL_BLUE", "env:GREEN")), "databases.mail-box.blue: is another entry's database, too"),
        ((ONE, TWO.replace("blue: env:MAIL_BLUE, ", "")), "databases.mail-box.blue: is missing"),
        (
            (ONE, TWO + "ledger_keys: SELECT 1\n"),
            "ledger_keys: needs `ledger_database`, the one to ask: shop, mail-box",
        ),
        ((ONE, TWO + "ledger_database: post\n"), "ledger_database: is none of the databases: shop, mail-box"),
        ((ONE, TWO + "window: {budget: 5s}\n"), "databases.shop.fence.dead_man: must be shorter than window.budget"),
    ],
)
def test_what_does_not_fit_together_is_told_with_its_place(told: Told, change: tuple[str, str], words: str) -> None:
    assert any(words in problem for problem in told(*change)), told(*change)


def test_the_plan_has_each_of_them_and_one_switchover(small_text: str, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(small_text.replace(ONE, TWO), encoding="utf-8")
    app = open_environment("small", directory=tmp_path)
    names = [step.name for _, step in app.plan.steps()]
    for database in ("shop", "mail-box"):
        assert {f"fence-kit-blue-{database}", f"rows-validated-{database}", f"way-back-follows-{database}"} <= {*names}
    (switchover,) = (step for _, step in app.plan.steps() if isinstance(step, Switchover))
    assert [pair.name for pair in switchover.pairs] == ["shop", "mail-box"]
    assert switchover.pairs[1].green.variable == "MAIL_BOX_GREEN_DSN"
    assert switchover.pairs[1].green.label == "mail-box green"
    back = [step.name for _, step in app.plan.inverse({*names, "green-caught-up-shop"}).steps()]
    assert back.count("switchover-undo") == 1
