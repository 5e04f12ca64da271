"""What a comparison of two databases costs, beside counting the rows, turning them into text once, and reladiff, in the same run."""

import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cutover.bench.cost import Cost, run_outside
from cutover.bench.figures import BenchFailed, Limit, Line, NotMeasured, Reference, Spread
from cutover.bench.measured_table import NAME, NARROW, PATIENCE, WIDE, MeasuredTable, Shape, measured_table

COUNT, TEXT, RELADIFF = "count(*)", "text cast", "reladiff"
FLOORS = {COUNT: f"SELECT count(*) FROM {NAME}", TEXT: f"SELECT sum(length(ROW(t.*)::text)) FROM {NAME} t"}
EQUAL, ONE, TOGETHER, SCATTERED = "equal", "1 row", "0.1 % together", "0.1 % scattered"
CLIENT = """import json, sys
from cutover.postgres.session import Database
from cutover.postgres.validation import validate
report = validate(Database("blue", "B", lambda: sys.argv[1]), Database("green", "G", lambda: sys.argv[2]))
print(json.dumps([report.status, len(report.differences), report.rows]))
"""
LARGE = 5_000_000  # rows from which the targets of a large table hold


@dataclass
class Costs:
    """What the rounds of one size have cost: the floors, and by case ours and reladiff's."""

    rows: int
    shape: Shape = WIDE
    floors: dict[str, Cost] = field(default_factory=lambda: {name: Cost() for name in FLOORS})
    ours: dict[str, Cost] = field(default_factory=lambda: {name: Cost() for name in damages(1)})
    reladiff: dict[str, Cost] = field(default_factory=lambda: {name: Cost() for name in damages(1)})
    reladiff_found: dict[str, str] = field(default_factory=dict)
    planted: dict[str, int] = field(default_factory=dict)
    without: str = ""
    """Why reladiff was not measured."""


def damages(rows: int) -> dict[str, str]:
    """Which of green's rows are wrong, by case."""
    return {EQUAL: "id < 0", ONE: "id = 77", TOGETHER: f"id <= {rows // 1000}", SCATTERED: "id % 1000 = 501"}


def compared(rows: int, rounds: int, say: Callable[[str], None], shape: Shape = WIDE) -> Iterator[Line]:
    """Measures on two servers of its own, and tells what it cost."""
    yield from told(measure(rows=rows, rounds=rounds, say=say, shape=shape))


def told(costs: Costs) -> Iterator[Line]:
    """Of each case wall time, server CPU and the client's memory."""
    for case, ours in costs.ours.items():
        if not ours.wall:
            continue
        seen = f"{costs.planted[case]} planted and found"
        theirs = costs.reladiff[case]
        if case in costs.reladiff_found:
            seen += f"; {RELADIFF}: {costs.reladiff_found[case]}"

        def beside(what: str, theirs: Cost = theirs) -> list[Reference]:
            floors = [Reference(name, Spread.of(getattr(cost, what), "s")) for name, cost in costs.floors.items()]
            return [*floors, _reladiff(costs, getattr(theirs, what), "s")]

        wall, cpu, memory = _limits(costs, case, measured=not costs.without)
        name = f"comparing {costs.rows:,} rows{'' if costs.shape is WIDE else ' of ' + costs.shape.words}, {case}"
        yield Line(f"{name}: wall", Spread.of(ours.wall, "s"), beside("wall"), wall, seen)
        yield Line(f"{name}: server CPU", Spread.of(ours.cpu, "s"), beside("cpu"), cpu)
        client = [_reladiff(costs, theirs.client_mb, "MB")]
        yield Line(f"{name}: client memory", Spread.of(ours.client_mb, "MB"), client, memory)


def measure(*, rows: int, rounds: int, say: Callable[[str], None], shape: Shape = WIDE) -> Costs:
    """Measures on two servers of its own, `rounds` times in turn; raises BenchFailed when an answer of ours is wrong."""
    costs = Costs(rows, shape)
    cases = damages(rows) if shape is WIDE else {EQUAL: damages(rows)[EQUAL]}
    try:
        theirs = reladiff_command()
    except NotMeasured as missing:
        theirs, costs.without = [], missing.message
    with measured_table(rows, say, shape) as made:
        for number in range(1, rounds + 1):
            for name, sql in FLOORS.items():
                with costs.floors[name].measured(made.running):
                    made.on_both(sql)
            for case, where in cases.items():
                with made.damaged(where) as planted:
                    costs.planted[case] = planted
                    _ours(made, costs.ours[case], planted, rows)
                    if theirs:
                        costs.reladiff_found[case] = _theirs(theirs, made, costs.reladiff[case])
            say(f"round {number} is over")
    return costs


def _ours(made: MeasuredTable, cost: Cost, planted: int, rows: int) -> None:
    with cost.measured(made.running):
        done = run_outside([sys.executable, "-c", CLIENT, *made.dsns.values()], patience=PATIENCE)
    if done.code:
        raise BenchFailed(f"the comparison failed: {done.errors.strip()[-400:]}")
    cost.client_mb.append(done.memory_mb)
    answer: list[Any] = json.loads(done.out)
    if answer != ["differs" if planted else "equal", planted, rows]:
        raise BenchFailed(f"{planted} of {rows} rows differ, the comparison said {answer}")


def reladiff_command() -> list[str]:
    """How reladiff is called in a process of its own; raises NotMeasured when it is not installed."""
    if importlib.util.find_spec("reladiff") is None:
        raise NotMeasured("pip install -e '.[bench]'")
    return [sys.executable, "-m", "reladiff"]


def _theirs(command: list[str], made: MeasuredTable, cost: Cost) -> str:
    """Every column compared, as ours are; returns what it found in a word, because its exit code says nothing of it."""
    sides = [part for dsn in made.dsns.values() for part in (dsn, NAME)]
    with cost.measured(made.running):
        done = run_outside(
            [*command, *sides, "-k", "id", "-c", "%", "--json"],
            patience=PATIENCE,
            env={**os.environ, "COLUMNS": "100000"},
        )
    cost.client_mb.append(done.memory_mb)
    if done.code:
        return f"exit {done.code}: {' '.join(done.errors.split())[-120:]}"
    return f"{len({json.loads(line)[1][0] for line in done.out.splitlines() if line.startswith('[')})} found"


def _reladiff(costs: Costs, samples: list[float], unit: str) -> Reference:
    if costs.without:
        return Reference(f"{RELADIFF} not measured: {costs.without}")
    return Reference(RELADIFF, Spread.of(samples, unit))


def _limits(costs: Costs, case: str, *, measured: bool) -> tuple[list[Limit], list[Limit], list[Limit]]:
    """The targets of wall, CPU and memory; where reladiff is not installed its own are no target."""
    if costs.shape is NARROW:  # there is little to hash in a row, and reading it is most of the work for either
        return [Limit(TEXT, 0.95)], [], [Limit("worst", 128)]
    rows = costs.rows
    wall = [Limit(TEXT, 0.62 if rows >= LARGE else 0.70)]
    if measured:
        wall.append(Limit(RELADIFF, 0.15 if case == SCATTERED else 0.40))
    return wall, [Limit(TEXT, 0.65)], [Limit("worst", 128 if case in (EQUAL, ONE) else 256)]
