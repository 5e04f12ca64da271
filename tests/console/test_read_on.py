"""A run that is read on is the one that is read at once, wherever the reading was cut."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "core"))

from toy_plan import plan, world
from toy_world import World, killed_at

from cutover.run_views import view_of


def there() -> World:
    w = world()
    w.run(plan(w)).run.forward()
    return w


def there_and_back() -> World:
    w = there()
    w.run(plan(w)).run.back(reason="slow pages")
    return w


def killed_and_resumed() -> World:
    w = world()
    assert killed_at(20, lambda: w.run(plan(w)).run.forward())
    w.run(plan(w)).run.resume()
    return w


@pytest.mark.parametrize("walked", [there, there_and_back, killed_and_resumed])
def test_it_is_the_same_run(walked: Callable[[], World]) -> None:
    entries = walked().store.kept
    whole = view_of("r1", entries)
    assert len(entries) > 20
    for cut in range(len(entries) + 1):
        assert view_of("r1", entries[cut:], view_of("r1", entries[:cut])) == whole
    step_by_step = view_of("r1", ())
    for entry in entries:
        step_by_step = view_of("r1", [entry], step_by_step)
    assert step_by_step == whole
