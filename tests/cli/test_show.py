"""The lines of a run: an item has the same number wherever it is shown, and what a run stands still for is said once."""

import io
import re
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

sys.path.append(str(Path(__file__).parents[1] / "core"))

from toy_plan import plan, world
from toy_world import Killed, World

from cutover.cli.ends import HEARTBEAT
from cutover.cli.show import Shower
from cutover.core import killpoint
from cutover.core.errors import RolledBack
from cutover.core.journal import Journal
from cutover.core.plan import Plan
from cutover.core.run import Run
from cutover.core.watch import Event

ITEM = re.compile(r"^  [✓=✗] +([0-9]+)/([0-9]+) (\S+)", re.MULTILINE)


def shown(w: World, the_plan: Plan, *, killed: str = "", back: bool = False) -> str:
    """What a fresh process shows; dead at `killed`."""
    run: Run = w.run(the_plan).run
    out = io.StringIO()
    run.walker.listen = Shower(the_plan, Console(file=out, width=300), position=run.journal.position)

    def hook(name: str) -> None:
        if name == killed:
            raise Killed(name)

    killpoint.install(hook)
    try:
        if back:
            run.back(reason="why")
        elif run.resume() == "nothing":
            run.forward()
    except Killed:
        assert killed
    finally:
        killpoint.install(None)
    return out.getvalue()


def numbers(text: str) -> dict[str, tuple[int, int]]:
    return {name: (int(number), int(total)) for number, total, name in ITEM.findall(text)}


def test_a_number_is_the_items_place_in_the_plan_before_and_after_a_death() -> None:
    w = world()
    the_plan = plan(w)
    places = {item.name: number for number, (_, item) in enumerate(the_plan.walk(), 1)}
    total = len(places)
    first = numbers(shown(w, the_plan, killed="before intent:share-50"))
    second = numbers(shown(w, the_plan))
    assert {**first, **second} == {name: (number, total) for name, number in places.items()}
    assert min(number for number, _ in second.values()) > 5 and not {"preflight", "ttl-down"} & second.keys()


def test_the_way_back_counts_by_its_own_plan_over_a_death_too() -> None:
    w = world()
    the_plan = plan(w)
    shown(w, the_plan)
    way_back = the_plan.inverse(w.run(the_plan).run.journal.position().taken)
    places = {item.name: number for number, (_, item) in enumerate(way_back.walk(), 1)}
    steps = [step.name for _, step in way_back.steps()]
    first = numbers(shown(w, the_plan, killed=f"before intent:{steps[3]}", back=True))
    second = numbers(shown(w, the_plan))
    assert {**first, **second} == {name: (number, len(places)) for name, number in places.items()}
    assert steps[0] in first and steps[0] not in second and steps[3] in second


def test_the_condition_is_shown_once_and_then_the_time_that_is_left() -> None:
    out = io.StringIO()
    w = world()
    show = Shower(plan(w), Console(file=out, width=300))

    def look(left: float, item: str = "trigger-errors") -> str:
        show._last_line = time.monotonic() - HEARTBEAT
        out.truncate(0)
        out.seek(0)
        seen = "investigate, then rollback: not well yet"
        show(Event("looking", {"item": item, "seen": seen, "about": "error_rate 7.1% > 5%", "left": left}))
        return out.getvalue()

    assert "error_rate 7.1% > 5%" in look(880.0)
    later = look(878.0)
    assert "error_rate" not in later and "not well yet" in later and "at most 878 s more" in later
    standing = {"guard": "trigger-slow", "seen": "p95 3s > 2s", "seconds": 900.0, "then": "rollback"}
    show(Event("standing", standing))
    assert "p95 3s > 2s" in out.getvalue() and "error_rate" not in look(870.0, "trigger-slow")


def test_what_is_waited_for_says_what_comes_and_whether_it_is_well() -> None:
    from test_standing import MINUTES, at_50, trigger

    w = world()
    started = w.run(plan(w, guards=(trigger(at_50(w), investigate=15 * MINUTES),)))
    with pytest.raises(RolledBack):
        started.run.forward()
    looks = [one.data for one in started.events if one.kind == "looking" and one.data["item"] == "errors"]
    assert {one["seen"] for one in looks} == {"investigate, then rollback: not well yet"}
    assert all("7 %" in one["about"] for one in looks) and looks[0]["left"] > looks[-1]["left"]
    assert isinstance(started.run.journal, Journal)
