"""The write pause of the switchover as clients see it, there and back, beside the bare SQL minimum in the same run."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from cutover.bench.bare import bare_switch
from cutover.bench.figures import Limit, Line, Reference, Spread
from cutover.bench.rig import Rig, caught_up, rig
from cutover.bench.switching import SIDES, get_ready, phases, switch
from cutover.bench.writers import Notes, writing
from cutover.postgres.validation import validate

PHASES = ("clients_paused", "lock", "catch_up", "validate", "sequences", "commit", "open")
BARE = "bare SQL"


@dataclass(frozen=True)
class Load:
    """What is written while the writes change sides, and on how much; times in seconds."""

    rounds: int
    rate: int = 1000
    clients: int = 4
    rows: int = 20_000
    tables: int = 0
    """So many tables more than the shop's, each with a sequence."""
    pooled: bool = False
    databases: int = 1
    calm: float = 2.0
    """Between two switches; before and after one, half of it is searched for the longest gap."""


@dataclass
class Series:
    """The switches of one kind: pauses and slowest statements in milliseconds."""

    pauses: list[float] = field(default_factory=list)
    slowest: list[float] = field(default_factory=list)
    failed_statements: int = 0


@dataclass
class PauseFigures:
    """What one run measured: by who (ours, bare) and way (forward, back)."""

    load: Load
    rows: int
    tables: int
    versions: str
    series: dict[str, Series]
    phases: dict[str, list[dict[str, float]]]
    """Of each way the phases of our switches, in milliseconds."""
    acknowledged: int
    per_second: float
    lost: int
    doubled: int
    diverged: bool

    @property
    def wrong(self) -> bool:
        return bool(self.lost or self.doubled or self.diverged)

    @property
    def told(self) -> str:
        """The verdict on the rows, which every line of this run carries."""
        return (
            f"{self.rows} rows in {self.tables} tables, {self.per_second:.0f} writes/s; {self.acknowledged} acknowledged: "
            f"{self.lost} lost, {self.doubled} doubled, the sides {'differ' if self.diverged else 'are equal'}"
        )

    def pauses(self, who: str, *ways: str) -> Spread:
        return Spread.of(ms for way in ways for ms in self.series[f"{who} {way}"].pauses)

    def line(self, figure: str, *ways: str, limits: tuple[Limit, ...] = (), seen: str = "") -> Line:
        """The pauses of these ways, beside the bare ones."""
        beside = (Reference(BARE, self.pauses("bare", *ways)),)
        return Line(figure, self.pauses("ours", *ways), beside, limits, seen or self.told, self.wrong)

    def shown_phases(self, way: str) -> str:
        """The median of each phase, and the phases of the slowest switch."""
        found = self.phases[way]
        names = [name for name in PHASES if any(name in one for one in found)]
        medians = [f"{name} {statistics.median(one.get(name, 0.0) for one in found):.0f}" for name in names]
        slowest = max(found, key=lambda one: one["pause"])
        return f"{', '.join(medians)} (slowest: {', '.join(f'{slowest.get(name, 0.0):.0f}' for name in names)})"


def direct(load: Load, limits: tuple[Limit, ...], say: Callable[[str], None]) -> Iterator[Line]:
    """Clients that find the writable side by themselves: each way, and both together, of which the targets speak."""
    seen = measure(load, say)
    for way in SIDES:
        yield seen.line(
            f"write pause {way}, direct clients", way, limits=limits, seen=f"phases: {seen.shown_phases(way)}"
        )
    yield seen.line("write pause both ways, direct clients", *SIDES, limits=limits)


def pooled(load: Load, say: Callable[[str], None]) -> Iterator[Line]:
    """Clients behind PgBouncer, which wait: their pause, their slowest statement, and how many statements failed."""
    seen = measure(load, say)
    ours, bare = ([one for name, one in seen.series.items() if name.startswith(who)] for who in ("ours", "bare"))
    ways = [f"{way}: {seen.shown_phases(way)}" for way in SIDES]
    yield seen.line("write pause behind PgBouncer", *SIDES, seen=f"phases {'; '.join(ways)}")
    slowest = [Spread.of(ms for series in who for ms in series.slowest) for who in (ours, bare)]
    yield Line(
        "slowest statement behind PgBouncer", slowest[0], (Reference(BARE, slowest[1]),), (), seen.told, seen.wrong
    )
    failed = [Spread.of([sum(series.failed_statements for series in who)], "") for who in (ours, bare)]
    yield Line(
        "failed statements behind PgBouncer", failed[0], (Reference(BARE, failed[1]),), (Limit("worst", 0),),
        f"of {seen.acknowledged} statements", failed[0].worst > 0,
    )  # fmt: skip


def measure(load: Load, say: Callable[[str], None]) -> PauseFigures:
    """Runs our switch and the bare one, alternating, there and back; raises what either of them raises."""
    say(f"two servers, {load.rows} rows, {load.tables} further tables, {load.rate} writes/s")
    with ExitStack() as stack:
        made = stack.enter_context(rig(load.rows, load.tables, pooled=load.pooled, databases=load.databases))
        notes_file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "writes"
        made.count_for(load.clients)
        spans: list[tuple[str, float, float]] = []
        with writing(made.application, notes_file, rate=load.rate, clients=load.clients):
            for number in range(load.rounds):
                spans += _round(made, number, load.calm)
                say(f"round {number + 1} is over")
            time.sleep(load.calm)
        notes = Notes.read(notes_file)
        caught_up(made)
        around = load.calm / 2
        series = {f"{who} {way}": Series() for who in ("ours", "bare") for way in SIDES}
        for name, began, ended in spans:
            since, until = began - around, ended + around
            series[name].pauses.append(round(notes.longest_gap(since, until) * 1000, 1))
            series[name].slowest.append(round(notes.slowest(since, until) * 1000, 1))
            series[name].failed_statements += notes.failures(since, until)
        lost, doubled = missing_and_doubled(made, notes)
        report = validate(made.blue, made.green)
        return PauseFigures(
            load, report.rows, report.tables, made.versions, series, phases(made), len(notes.acknowledged),
            notes.per_second, lost, doubled, report.status != "equal",
        )  # fmt: skip


def _round(made: Rig, number: int, calm: float) -> list[tuple[str, float, float]]:
    spans = []
    for who in ("ours", "bare") if number % 2 == 0 else ("bare", "ours"):
        for way, (source, target) in SIDES.items():
            if who == "ours":
                get_ready(made, way)
            time.sleep(calm)
            began = time.monotonic()
            if who == "ours":
                switch(made, way)
            else:
                bare_switch(made, source, target)
            spans.append((f"{who} {way}", began, time.monotonic()))
    return spans


def missing_and_doubled(made: Rig, notes: Notes) -> tuple[int, int]:
    """How many acknowledged writes blue does not have, and how many rows it has twice."""
    with made.blue.open("bench") as session:
        there = [str(key) for (key,) in session.rows("SELECT key FROM public.loose", timeout=60.0)]
    once = set(there)
    return sum(key not in once for _, key in notes.acknowledged), len(there) - len(once)
