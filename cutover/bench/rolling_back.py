"""How long the way back takes at the database when green has taken many rows, beside the bare SQL minimum in the same run."""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from cutover.bench.bare import bare_switch
from cutover.bench.figures import BenchFailed, Limit, Line, Reference, Spread
from cutover.bench.pause import BARE, Load, missing_and_doubled
from cutover.bench.rig import Rig, caught_up, rig
from cutover.bench.switching import switch, whole_way_back
from cutover.bench.writers import Notes, writing
from cutover.postgres.validation import validate

WRITTEN = "INSERT INTO public.written (key) SELECT gen_random_uuid() FROM generate_series(1, %s)"
HOW_MANY = "SELECT count(*) FROM public.written"
LONGEST = 5.0  # seconds for the whole way back
WHO = ("ours", "bare")


@dataclass
class Took:
    """The ways back of one kind: the whole in seconds, the clients' pause in milliseconds."""

    whole: list[float] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)


def rolled_back(load: Load, written: int, say: Callable[[str], None]) -> Iterator[Line]:
    """Each round goes to green, writes `written` rows there beside the clients' own, and goes back at once."""
    took = {who: Took() for who in WHO}
    with rig(load.rows, load.tables) as made, tempfile.TemporaryDirectory() as folder:
        notes_file = Path(folder) / "writes"
        made.count_for(load.clients)
        spans: list[tuple[str, float, float]] = []
        with writing(made.application, notes_file, rate=load.rate, clients=load.clients):
            for number in range(load.rounds):
                for who in WHO if number % 2 == 0 else reversed(WHO):
                    spans.append(_round(made, who, written, load.calm))
                say(f"round {number + 1} is over")
            time.sleep(load.calm)
        notes = Notes.read(notes_file)
        caught_up(made)
        for who, began, ended in spans:
            took[who].whole.append(ended - began)
            took[who].pauses.append(notes.longest_gap(began - load.calm / 2, ended + load.calm / 2) * 1000)
        lost, doubled = missing_and_doubled(made, notes)
        report = validate(made.blue, made.green)
    wrong = bool(lost or doubled or report.status != "equal")
    told = f"{len(notes.acknowledged)} acknowledged: {lost} lost, {doubled} doubled, the sides are {report.status}"
    bare = took["bare"]
    figure = f"way back with {written:,} rows written on green"
    yield Line(f"{figure}: all of it", Spread.of(took["ours"].whole, "s"), (Reference(BARE, Spread.of(bare.whole, "s")),),
               (Limit("worst", LONGEST),), told, wrong)  # fmt: skip
    yield Line(f"{figure}: write pause", Spread.of(took["ours"].pauses), (Reference(BARE, Spread.of(bare.pauses)),))


def _round(made: Rig, who: str, written: int, calm: float) -> tuple[str, float, float]:
    time.sleep(calm)
    switch(made, "forward")
    time.sleep(calm)
    with psycopg.connect(made.application) as application:
        application.execute(WRITTEN, [written])
    with made.green.open("bench") as green:
        there = green.value(HOW_MANY)
    began = time.monotonic()
    if who == "ours":
        whole_way_back(made)
    else:
        bare_switch(made, "green", "blue")
    ended = time.monotonic()
    with made.blue.open("bench") as blue:
        arrived = blue.value(HOW_MANY)
    if arrived < there:
        raise BenchFailed(f"{there - arrived} rows written on green were not on blue when it opened")
    return who, began, ended
