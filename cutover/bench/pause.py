"""The write pause of the switchover as clients see it, there and back, beside the bare SQL minimum in the same run."""

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cutover.bench.bare import bare_switch
from cutover.bench.rig import Rig, rig
from cutover.bench.writers import Notes, writing
from cutover.core.clock import Deadline
from cutover.postgres.baseline import RecordBaseline
from cutover.postgres.marker import await_marker, write_marker
from cutover.postgres.moving import Fence
from cutover.postgres.switch import Switch
from cutover.postgres.validation import validate

AROUND = 1.0  # seconds before and after a switch in which the longest gap is looked for
CALM = 2.0  # seconds between two switches


@dataclass
class Series:
    """The pauses of one kind of switch, in milliseconds."""

    name: str
    pauses: list[float] = field(default_factory=list)
    failed_statements: int = 0

    @property
    def median(self) -> float:
        return statistics.median(self.pauses)

    def __str__(self) -> str:
        worst, fastest = max(self.pauses), min(self.pauses)
        return f"{self.name:<16}{self.median:>9.0f}{worst:>9.0f}{fastest:>9.0f}{self.failed_statements:>9}"


@dataclass
class PauseFigures:
    """What one run measured, and on what."""

    rounds: int
    rate: int
    clients: int
    rows: int
    tables: int
    versions: str
    machine: str
    series: dict[str, Series]
    acknowledged: int
    lost: int
    doubled: int
    diverged: bool
    phases: dict[str, float]
    """The median of each phase of our switch, in milliseconds."""

    def document(self) -> dict[str, Any]:
        series = {name: {**asdict(s), "median": s.median} for name, s in self.series.items()}
        return {**asdict(self), "series": series, "ratio": self.ratio}

    @property
    def ratio(self) -> float:
        """Our median pause to the bare minimum's, both directions together."""
        ours = self.series["ours forward"].pauses + self.series["ours back"].pauses
        bare = self.series["bare forward"].pauses + self.series["bare back"].pauses
        return statistics.median(ours) / statistics.median(bare)

    def __str__(self) -> str:
        return "\n".join(
            [
                f"write pause, milliseconds between two acknowledged writes; {self.rounds} rounds of each",
                (
                    f"{self.rate} writes/s by {self.clients} direct clients; {self.rows} rows, {self.tables} tables; "
                    f"PostgreSQL {self.versions}"
                ),
                self.machine,
                f"{'':<16}{'median':>9}{'worst':>9}{'fastest':>9}{'failed':>9}",
                *(str(series) for series in self.series.values()),
                f"ours to bare: {self.ratio:.2f}",
                "phases of ours, median: " + ", ".join(f"{name} {ms:.0f}" for name, ms in self.phases.items()),
                (
                    f"{self.acknowledged} acknowledged, {self.lost} lost, {self.doubled} doubled, "
                    f"{'the sides differ' if self.diverged else 'the sides are equal'}"
                ),
            ]
        )


def measure(
    *, rounds: int, rate: int, clients: int, rows: int, extra_tables: int, say: Callable[[str], None]
) -> PauseFigures:
    """Runs `rounds` of our switch and of the bare one, alternating, there and back; raises what either of them raises."""
    say(f"two servers, {rows} rows, {extra_tables} further tables")
    with rig(rows, extra_tables) as made, tempfile.TemporaryDirectory() as folder:
        with made.blue.open("bench") as blue:
            blue.run("INSERT INTO public.counted SELECT generate_series(0, %s), 0", [clients])
        notes_file = Path(folder) / "writes"
        spans: list[tuple[str, float, float]] = []
        with writing(made.application, notes_file, rate=rate, clients=clients):
            for number in range(rounds):
                spans += _round(made, number, say)
            time.sleep(CALM)
        notes = Notes.read(notes_file)
        _caught_up(made)
        series = {f"{who} {way}": Series(f"{who} {way}") for who in ("ours", "bare") for way in ("forward", "back")}
        for name, began, ended in spans:
            gap = notes.longest_gap(began - AROUND, ended + AROUND)
            series[name].pauses.append(round(gap * 1000, 1))
            series[name].failed_statements += notes.failures(began - AROUND, ended + AROUND)
        lost, doubled = _missing_and_doubled(made, notes)
        report = validate(made.blue, made.green)
        return PauseFigures(
            rounds=rounds, rate=rate, clients=clients, rows=report.rows, tables=report.tables, versions=made.versions,
            machine=machine(), series=series, acknowledged=len(notes.acknowledged), lost=lost, doubled=doubled,
            diverged=report.status != "equal", phases=_phases(made),
        )  # fmt: skip


def _round(made: Rig, number: int, say: Callable[[str], None]) -> list[tuple[str, float, float]]:
    spans = []
    for who in ("ours", "bare") if number % 2 == 0 else ("bare", "ours"):
        for way, source, target in (("forward", made.blue, made.green), ("back", made.green, made.blue)):
            if who == "ours" and way == "forward":
                # As the plan does: what changed since then is compared inside the pause.
                RecordBaseline(source, target).run(Deadline.after(300.0))
            time.sleep(CALM)
            began = time.monotonic()
            if who == "ours":
                Switch.one(source, target, Fence()).run(Deadline.after(60.0))
            else:
                bare_switch(made, source.side, target.side)
            spans.append((f"{who} {way}", began, time.monotonic()))
    say(f"round {number + 1} is over")
    return spans


def _phases(made: Rig) -> dict[str, float]:
    timings: list[dict[str, float]] = []
    for side in (made.blue, made.green):
        with side.open("bench") as session:
            timings += [
                row[0] for row in session.rows("SELECT timings FROM cutover.switches WHERE source <> %s", [side.side])
            ]
    return {name: statistics.median(each.get(name, 0.0) for each in timings) for name in timings[0]}


def _caught_up(made: Rig) -> None:
    for source, target in ((made.blue, made.green), (made.green, made.blue)):
        with source.open("bench") as s, target.open("bench") as t:
            await_marker(t, write_marker(s), Deadline.after(30.0))


def _missing_and_doubled(made: Rig, notes: Notes) -> tuple[int, int]:
    with made.blue.open("bench") as session:
        there = [str(key) for (key,) in session.rows("SELECT key FROM public.loose", timeout=60.0)]
    once = set(there)
    return sum(key not in once for _, key in notes.acknowledged), len(there) - len(once)


def machine() -> str:
    """The machine in a line."""
    return f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
