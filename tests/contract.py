"""What every step must keep, whoever wrote it: `holds` runs it through a real run over a real journal, and kills it."""

import json
import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cutover.core import killpoint
from cutover.core.errors import Unexpected
from cutover.core.journal import Journal
from cutover.core.plain import plain, text
from cutover.core.plan import Phase, Plan
from cutover.core.run import Run
from cutover.core.step import Step
from cutover.state.sqlite import SqliteState

StepOf = Callable[[], Step[Any]]
RUN = "contract"
EVERY_KILL = os.environ.get("CUTOVER_KILL_PLACES")
SEED = int(os.environ.get("CUTOVER_SEED") or "1")


class Killed(BaseException):
    """The process died at a kill point; nothing of the engine may catch it."""


def holds(
    make: StepOf,
    *,
    state_dir: Path,
    reset: Callable[[], None] | None = None,
    strays: Sequence[Callable[[], None]] = (),
    patience: float = 5.0,
    kills: int | None = None,
) -> None:
    """Checks the whole contract of the step that `make` gives, which stands at `before`; raises AssertionError.

    `make` stands for a new process and is called for each; `reset` brings the world to `before` (without it the step's own
    way back does); each of `strays` puts the resource into a state that is not the step's, and is followed by `reset`.
    `patience` is how many seconds a failing way back is retried. It is killed at each place where its own work stands
    differently; `kills` is how many of these deaths are tried of a step for which that would take minutes, a sample by
    CUTOVER_SEED. Where CUTOVER_KILL_PLACES is `all`, as `invoke faults --kills` sets it, it is killed everywhere.
    """
    trial = _Trial(make, state_dir, reset, patience)
    _describes(trial)
    _looks_without_touching(trial)
    _goes_there_and_back(trial)
    points = _traced(trial)
    ways = ("forward", "back")
    places = {way: list(_places(points[way])) for way in ways}
    deaths = [(way, number, end) for way in ways for number in places[way] for end in ways]
    if kills is not None and EVERY_KILL != "all":
        deaths = random.Random(SEED).sample(deaths, min(kills, len(deaths)))
    for direction, number, end in deaths:
        _killed(trial, direction, number, end)
    for stray in strays:
        _leaves_a_stray_alone(trial, stray)


class _Trial:
    """One step's trial: fresh journals for it, and fresh processes over each."""

    def __init__(self, make: StepOf, state_dir: Path, reset: Callable[[], None] | None, patience: float) -> None:
        self._patience = patience
        self.make, self._state_dir, self.reset, self._number = make, state_dir, reset, 0

    def plan(self) -> Plan:
        step = self.make()
        phase = Phase(name="only", owner="contract", items=(step,))
        return Plan(name="cutover", environment="contract", phases=(phase,))

    @contextmanager
    def journal(self) -> Iterator[Path]:
        """A new journal file, verified and removed at the end."""
        self._number += 1
        path = self._state_dir / f"contract-{self._number}.sqlite"
        yield path
        state = SqliteState(path)
        state.entries()  # raises when the chain does not hold
        state.close()
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)

    @contextmanager
    def process(self, path: Path) -> Iterator[Run]:
        """A fresh run over the journal, which takes the lease over from its dead predecessor."""
        state = SqliteState(path)
        holder = state.holder()
        lease = state.acquire(who="contract", operation="holds", take_over=holder.id if holder else None)
        try:
            yield Run(self.plan(), Journal(state, lease, RUN), patience=self._patience)
            state.release(lease)
        finally:
            state.close()

    def take(self, path: Path, direction: str) -> list[str]:
        """Walks in a fresh process; returns the kinds of the entries it added, and checks where the resource stands."""
        with self.process(path) as run:
            old = len(run.journal.entries())
            run.forward() if direction == "forward" else run.back(reason="contract", everything=True)
            step = self.make()
            seen, wanted = step.observe(), step.after if direction == "forward" else step.before
            assert seen == wanted, f"{step.name} {direction}: seen {text(seen)}, wanted {text(wanted)}"
            position = run.journal.position()
            assert position.intent is None, f"{step.name} {direction}: its intent is still open"
            assert (step.name in position.done) is (direction == "forward"), f"{step.name}: position is wrong"
            return [entry.kind for entry in run.journal.entries()[old:]]

    def to_before(self) -> None:
        if self.reset is not None:
            self.reset()
        else:
            step = self.make()
            if step.observe() != step.before:
                with self.journal() as path:
                    self.take(path, "forward")
                    self.take(path, "back")
        step = self.make()
        assert step.observe() == step.before, f"{step.name}: the world is not at {text(step.before)} before a trial"


def _describes(trial: _Trial) -> None:
    step = trial.make()
    name = step.name
    assert trial.plan().digest() == trial.plan().digest(), f"{name}: two descriptions differ"
    # A dataclass without a docstring is given its own signature as one.
    told = step.why().strip() and not step.why().startswith(f"{type(step).__name__}(")
    assert told, f"{name}: the class docstring says why, and there is none"
    assert step.check_shell().strip(), f"{name}: check_shell() is empty"
    assert step.before != step.after, f"{name}: before and after are the same"
    assert not {step.before, step.after} & step.between, f"{name}: between holds an end state"
    json.dumps([plain(step.before), plain(step.after), plain(step.between)], allow_nan=False)
    for target in (step.after, *(() if step.one_way else (step.before,))):
        commands = step.commands(target)
        assert commands, f"{name}: no commands to {text(target)}"
        for command in commands:
            assert command.shell().strip(), f"{name}: {type(command).__name__}.shell() is empty"
    if not step.one_way:
        inverse = step.inverse()
        assert inverse.inverse() == step, f"{name}: inverse().inverse() is another step"
        assert (inverse.before, inverse.after) == (step.after, step.before), f"{name}: inverse() does not swap"
        assert step.name in inverse.undoes, f"{name}: inverse() does not say what it undoes"


def _looks_without_touching(trial: _Trial) -> None:
    trial.to_before()
    for _ in range(3):
        trial.plan().digest()
        step = trial.make()
        assert step.observe() == step.before, f"{step.name}: looking changed it"


def _goes_there_and_back(trial: _Trial) -> None:
    trial.to_before()
    one_way = trial.make().one_way
    digest = trial.plan().digest()
    with trial.journal() as path:
        assert "converged" in trial.take(path, "forward")
        assert trial.plan().digest() == digest, "the description depends on what is observed"
        assert trial.take(path, "forward") == [], "a second walk is not nothing"
        with trial.journal() as other:  # a new run finds it done, and runs no command
            assert trial.take(other, "forward") == [
                "leg-started",
                "phase-entered",
                "skipped",
                "phase-left",
                "leg-ended",
            ]
        if one_way:
            return
        assert "converged" in trial.take(path, "back")
        assert "intent" not in trial.take(path, "back"), "a second way back runs commands"
        assert "converged" in trial.take(path, "forward"), "a second try does not work"
        trial.take(path, "back")


def _traced(trial: _Trial) -> dict[str, list[str]]:
    """The kill points in the order in which a walk there and a walk back reach them."""
    points: dict[str, list[str]] = {}
    trial.to_before()
    with trial.journal() as path:
        for direction in ("forward", "back"):
            points[direction] = []
            if direction == "back" and trial.make().one_way:
                break
            with _hooked(points[direction].append):
                trial.take(path, direction)
    step = trial.make()
    for direction, target in (("forward", step.after), ("back", step.before)):
        if not points[direction]:
            continue
        for command in step.commands(target):
            missing = set(command.kill_points) - set(points[direction])
            assert not missing, f"{step.name} {direction}: kill points never reached: {sorted(missing)}"
    return points


def _places(points: Sequence[str]) -> Iterator[int]:
    """The points at which a death leaves something else behind than one at the point before, as far as the step is concerned.

    Nothing happens between an entry that was written and the command after it, nor from one command to the next; what is
    left of a leg and of a phase is the same for every step, and is the engine's own tests' to show.
    """
    seen = set()
    for number, point in enumerate(points):
        own = not point.startswith(("before ", "after ")) or point.startswith(("after intent", "after command"))
        if EVERY_KILL == "all" or ((own or point.startswith("after converged")) and point not in seen):
            yield number
        seen.add(point)


def _killed(trial: _Trial, direction: str, number: int, end: str) -> None:
    if trial.make().one_way and end == "back":
        return
    trial.to_before()
    with trial.journal() as path:
        if direction == "back":
            trial.take(path, "forward")
        died = _die(trial, path, direction, number)
        try:
            trial.take(path, end)
        except BaseException as error:
            error.add_note(f"killed {direction} at {died!r}, then {end}")
            raise
    if end == "forward" and trial.reset is None:
        with trial.journal() as path:
            trial.take(path, "forward")
            with trial.process(path) as run:
                run.back(reason="contract", everything=True)


def _die(trial: _Trial, path: Path, direction: str, number: int) -> str:
    left = number

    def hook(name: str) -> None:
        nonlocal left
        if left == 0:
            raise Killed(name)
        left -= 1

    try:
        with _hooked(hook), trial.process(path) as run:
            run.forward() if direction == "forward" else run.back(reason="contract", everything=True)
    except Killed as death:
        return str(death)
    return "no point reached"


def _leaves_a_stray_alone(trial: _Trial, stray: Callable[[], None]) -> None:
    trial.to_before()
    stray()
    step = trial.make()
    seen = step.observe()
    assert seen not in (step.before, step.after), f"{step.name}: a stray state looks like ours: {text(seen)}"
    with trial.journal() as path:
        try:
            with trial.process(path) as run:
                run.forward()
        except Unexpected:
            assert trial.make().observe() == seen, f"{step.name}: it touched a state that is not its own"
        else:
            raise AssertionError(f"{step.name}: went on from {text(seen)}, which is not its own")
    if trial.reset is not None:
        trial.reset()


@contextmanager
def _hooked(hook: Callable[[str], None]) -> Iterator[None]:
    killpoint.install(hook)
    try:
        yield
    finally:
        killpoint.install(None)
