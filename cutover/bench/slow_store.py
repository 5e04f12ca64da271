"""The write pause of a run whose journal is far away, beside one whose journal is on this machine."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cutover.bench.figures import Limit, Line, Reference, Spread
from cutover.bench.pause import Load, missing_and_doubled
from cutover.bench.rig import Rig, caught_up, rig
from cutover.bench.switching import get_ready
from cutover.bench.writers import Notes, writing
from cutover.core.journal import Entry, Journal
from cutover.core.lease import Lease
from cutover.core.plan import Phase, Plan
from cutover.core.run import Run
from cutover.postgres.switchover import Switchover
from cutover.postgres.validation import validate
from cutover.state.sqlite import SqliteState

FAR = 50.0  # milliseconds for each call of the store
ONE = "one append"


class FarAway(SqliteState):
    """A store of which every call takes `seconds` longer."""

    seconds = 0.0

    def append(self, run: str, kind: str, data: Mapping[str, Any], lease: Lease) -> Entry:
        time.sleep(self.seconds)
        return super().append(run, kind, data, lease)

    def wishes(self, run: str) -> Sequence[tuple[str, Mapping[str, Any]]]:
        time.sleep(self.seconds)
        return super().wishes(run)

    def check(self, lease: Lease) -> None:
        time.sleep(self.seconds)
        super().check(lease)


def far_away(load: Load, say: Callable[[str], None]) -> Iterator[Line]:
    """Each round goes to green and back with either journal, by the engine, with clients who write all the time."""
    pauses: dict[float, list[float]] = {0.0: [], FAR: []}
    with rig(load.rows, load.tables) as made, tempfile.TemporaryDirectory() as folder:
        notes_file, store = Path(folder) / "writes", FarAway(Path(folder) / "journal.sqlite")
        made.count_for(load.clients)
        spans: list[tuple[float, float, float]] = []
        with writing(made.application, notes_file, rate=load.rate, clients=load.clients):
            for number in range(load.rounds):
                for far in (0.0, FAR) if number % 2 == 0 else (FAR, 0.0):
                    spans += [
                        (far, *span) for span in _there_and_back(made, store, far, f"{number}-{far:g}", load.calm)
                    ]
                say(f"round {number + 1} is over")
            time.sleep(load.calm)
        store.close()
        notes = Notes.read(notes_file)
        caught_up(made)
        for far, began, ended in spans:
            pauses[far].append(notes.longest_gap(began, ended) * 1000)
        lost, doubled = missing_and_doubled(made, notes)
        report = validate(made.blue, made.green)
    added = Spread.of(far - near for near, far in zip(pauses[0.0], pauses[FAR], strict=True))
    told = (
        f"pause {Spread.of(pauses[FAR]).short()} instead of {Spread.of(pauses[0.0]).short()}; "
        f"{len(notes.acknowledged)} acknowledged: {lost} lost, {doubled} doubled, the sides are {report.status}"
    )
    wrong = bool(lost or doubled or report.status != "equal")
    one = Reference(ONE, Spread.of([FAR]))
    yield Line(f"added write pause, journal {FAR:g} ms away", added, (one,), (Limit(ONE, 1.0),), told, wrong)


def _there_and_back(made: Rig, store: FarAway, far: float, name: str, calm: float) -> Iterator[tuple[float, float]]:
    """When each of the two runs began and ended."""
    store.seconds = far / 1000
    step = Switchover.of(*made.pairs, name="switchover", settle=60.0)
    phase = Phase(name="window", owner="database", items=(step,), supervised=True, budget=60.0)
    plan = Plan(name="cutover", environment="bench", phases=(phase,))
    lease = store.acquire(who="bench", operation=name)
    run = Run(plan, Journal(store, lease, name))
    get_ready(made, "forward")
    walks: list[Callable[[], str]] = [run.forward, lambda: run.back(reason="bench")]
    for walk in walks:
        time.sleep(calm)
        began = time.monotonic()
        walk()
        yield began, time.monotonic()
    store.release(lease)
