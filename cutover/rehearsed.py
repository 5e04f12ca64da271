"""How long steps and phases took when they were last taken: here, or where the plan is rehearsed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover.app import App, open_environment
from cutover.core.errors import CutoverError
from cutover.core.journal import Entry
from cutover.plans.took import whole


@dataclass(frozen=True)
class Took:
    """One measured time: `seconds`, the time `at` which it ended (since the epoch), and where."""

    seconds: float
    at: float
    environment: str
    run: str


@dataclass(frozen=True)
class Rehearsed:
    """The newest times on the way forward, by step and by phase; `unread` is each record that could not be read, and why."""

    steps: Mapping[str, Took]
    phases: Mapping[str, Took]
    unread: tuple[str, ...] = ()


UNTIMED = Rehearsed({}, {})


def rehearsed(app: App) -> Rehearsed:
    """What the environment's own record tells, and where that is silent the record of the one on which it is rehearsed.

    Reads only; a record that cannot be read is no error here.
    """
    steps: dict[str, Took] = {}
    phases: dict[str, Took] = {}
    unread: list[str] = []
    own = app.environment.name
    for name in dict.fromkeys((app.environment.rehearsed_on, own)):
        if name is None:
            continue
        try:
            entries = _entries(app if name == own else open_environment(name, read_only=True))
        except CutoverError as error:
            unread.append(f"the record of {name}: {error.message}")
            continue
        for kind, about, took in times(name, entries):
            (steps if kind == "converged" else phases)[about] = took
    return Rehearsed(steps, phases, tuple(unread))


def times(environment: str, entries: Sequence[Entry]) -> Iterator[tuple[str, str, Took]]:
    """(`converged` or `phase-left`, step or phase, its time) of every way forward, oldest first."""
    for entry, is_back in whole(entries):
        if not is_back:
            data: Mapping[str, Any] = entry.data
            about = str(data["step"] if entry.kind == "converged" else data["phase"])
            yield entry.kind, about, Took(float(data["seconds"]), entry.at, environment, entry.run)


def _entries(app: App) -> Sequence[Entry]:
    state = app.recorded()
    if state is None:
        return ()
    try:
        return state.entries()
    finally:
        state.close()
