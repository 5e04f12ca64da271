"""How long steps and phases took when they were last taken: here, or where the plan is rehearsed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover.app import App, open_environment
from cutover.core.errors import CutoverError
from cutover.core.journal import Entry
from cutover.plans.took import whole
from cutover.rehearsal_record import read

IN_A_TWIN = "rehearsal"


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
    """What the environment's own record tells; where that is silent its rehearsal's, then those of the one on which it is rehearsed.

    Of a rehearsal only steps tell how long they take: its phases have shorter waits. Reads only; a record that cannot be read is
    no error here.
    """
    steps: dict[str, Took] = {}
    phases: dict[str, Took] = {}
    unread: list[str] = []
    own = app.environment.name
    for name in dict.fromkeys((app.environment.rehearsed_on, own)):
        if name is None:
            continue
        try:
            steps |= in_a_twin(name)
        except CutoverError as error:
            unread.append(f"the rehearsal of {name}: {error.message}")
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


def in_a_twin(environment: str) -> dict[str, Took]:
    """The time of each step on the way forward, as the environment's rehearsal measured it; raises Damaged."""
    record = read(environment)
    if record is None or not record.succeeded:
        return {}
    steps = record.document["steps"]
    took = {str(name): one["forward"] for name, one in steps.items() if one.get("forward") is not None}
    return {name: Took(float(seconds), record.ended, environment, IN_A_TWIN) for name, seconds in took.items()}


def _entries(app: App) -> Sequence[Entry]:
    state = app.recorded()
    if state is None:
        return ()
    try:
        return state.entries()
    finally:
        state.close()
