"""A report can be made of a run wherever it died, and its times are in order."""

from collections.abc import Callable
from typing import Any

import pytest
from report.walked import Policy, Walked, errors, killed_at

from cutover.report.pages import rendered

pytestmark = pytest.mark.slow  # long hunts; `invoke test --quick` leaves them out


def forward() -> Walked:
    return Walked()


def back() -> Walked:
    return Walked(guards=lambda w: (errors(w, at=50, policy=Policy.ROLLBACK),))


def asking() -> Walked:
    return Walked(asks=True)


def in_order(document: dict[str, Any]) -> None:
    """Everything begins and ends within what it is part of; only what goes on has no end."""
    now = document["written"]
    for leg in document["legs"]:
        end = now if leg["ended"] is None else leg["ended"]
        assert leg["began"] <= end <= now
        for one in (*leg["phases"], *leg["items"]):
            assert leg["began"] <= one["began"] <= (end if one["ended"] is None else one["ended"]) <= end
            assert one["ended"] is not None or leg["ended"] is None
        for item in leg["items"]:
            for wait in item["waits"]:
                assert item["began"] <= wait["began"] and (wait["ended"] or end) <= (item["ended"] or end)
    ends = [leg["ended"] for leg in document["legs"][:-1]]
    assert None not in ends  # before a leg that follows each one has come to its end, or was cut off
    assert len(document["commands"]) == sum(1 for one in document["commands"] if one["commands"])


@pytest.mark.parametrize("begin", [forward, back, asking])
def test_wherever_it_died_and_after_it_was_gone_on_with(begin: Callable[[], Walked]) -> None:
    place, titles = 0, set()
    while True:
        run = begin()
        if killed_at(place, lambda run=run: run.go(detached=True)) is None:  # type: ignore[misc]
            break
        if run.world.store.kept:  # before the first entry there is no run
            run.world.clock.sleep(7.0)
            document = run.report()
            in_order(document)
            titles.add(document["outcome"]["title"])
            run.go(lambda one: one.resume(), detached=True)
            document = run.report()
            in_order(document)
            titles.add(document["outcome"]["title"])
            if place % 12 == 0:
                assert len(rendered(document)) == 3
        place += 1
    assert place > 50
    wanted = {
        forward: {"under way", "done"},
        back: {"under way", "rolled back", "on its way back"},
        asking: {"waiting"},
    }
    assert titles >= wanted[begin], titles
