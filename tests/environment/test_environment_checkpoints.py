"""Checkpoints: what is meant where nothing is written, and what is refused with its place."""

from collections.abc import Callable

import pytest

from cutover.environment import Environment

Told = Callable[..., list[str]]
Loaded = Callable[..., Environment]

WORDS = """\
metrics:
  sources: {own: {kind: command}}
  figures:
    orders: {source: own, query: "echo 1", unit: /min, side: green}
checkpoints:
  at: [1h]
  every: [{from: 2h, until: 9h, every: 45m}]
  figures: {orders: 5%}
"""


def test_what_it_becomes(loaded: Loaded) -> None:
    found = loaded(WORDS).checkpoints
    assert found is not None and found.at == (3600.0,) and found.figures == {"orders": 5.0}
    assert [(one.since, one.until, one.every) for one in found.every] == [(7200.0, 32400.0, 2700.0)]
    assert (found.warning, found.failure, found.unproven, found.within) == ("notify", "hold", "notify", 300.0)
    assert Environment.model_validate(loaded(WORDS).model_dump(mode="json")).checkpoints == found
    usual = loaded("checkpoints: {}\n").checkpoints
    assert usual is not None and usual.at == (3600.0, 28_800.0, 86_400.0)
    assert [one.every for one in usual.every] == [2700.0, 10_800.0]
    assert loaded("").checkpoints is None


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("{orders: 5%}", "{order: 5%}", "checkpoints.figures.order: is none of the figures: orders (did you mean orders?)"),
        ("until: 9h", "until: 1h", "checkpoints.every[0].until: must be later than its begin (checkpoints.every[0].from, line"),
        ("every: 45m", "every: 5s", "checkpoints.every[0].every: must be a minute at least"),
        ("at: [1h]\n  every: [{from: 2h, until: 9h, every: 45m}]", "at: []\n  every: []", "checkpoints: has no moment"),
        ("figures:", "failure: undo\n  figures:", "checkpoints.failure: must be one of notify, hold, rollback, freeze"),
    ],
)  # fmt: skip
def test_what_is_refused(told: Told, old: str, new: str, problem: str) -> None:
    head, _, tail = WORDS.partition("checkpoints:")
    assert old in tail
    found = told(head + "checkpoints:" + tail.replace(old, new, 1))
    assert any(problem in line for line in found), found


@pytest.mark.parametrize("source", ["postgres", "command"])
def test_a_figure_of_greens_empty_database_has_no_baseline(told: Told, source: str) -> None:
    text = WORDS.replace("kind: command", f"kind: {source}").replace("echo 1", "SELECT 1")
    trigger = "triggers:\n  orders: {wanted: orders within 5% of baseline, then: notify}\n"
    found = [line for line in told(text + trigger) if "has no baseline" in line]
    assert [line.split(": ")[1] for line in found] == (
        ["checkpoints.figures.orders", "triggers.orders.wanted"] if source == "postgres" else []
    )
    assert all("leave out `side: green`" in line and "metrics.figures.orders, line" in line for line in found)
    assert source == "command" or not told(text.replace(", side: green", "") + trigger)
