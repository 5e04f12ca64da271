"""Our switch as the bench calls it: the one place here that knows how its steps are made."""

from typing import Any

from cutover.bench.rig import Rig, take
from cutover.core.clock import Deadline
from cutover.core.step import Step
from cutover.postgres.baseline import RecordBaseline
from cutover.postgres.switch import Switch
from cutover.postgres.switchover import Switchover

SIDES = {"forward": ("blue", "green"), "back": ("green", "blue")}
SWITCH, VALIDATE = 60.0, 300.0  # seconds


def get_ready(made: Rig, way: str) -> None:
    """What the plan does before the window: after it only what has changed since is compared inside the pause."""
    if way == "forward":
        RecordBaseline(made.blue, made.green).run(Deadline.after(VALIDATE))


def switch(made: Rig, way: str) -> None:
    """Moves the writes, `forward` to green or `back` to blue."""
    moves = [pair.towards_green() if way == "forward" else pair.towards_blue() for pair in made.pairs]
    Switch(tuple(moves)).run(Deadline.after(SWITCH))


def whole_way_back(made: Rig) -> None:
    """The switchover's inverse as a rollback takes it: proven ready, switched, and seen to be where it began."""
    step: Step[Any] = Switchover.of(*made.pairs, name="switchover", settle=SWITCH)
    take(step.inverse())


def phases(made: Rig) -> dict[str, list[dict[str, float]]]:
    """What our switches noted of their phases, in milliseconds, by way."""
    found = {}
    for way, (source, target) in SIDES.items():
        with made.side(target).open("bench") as session:
            asked = "SELECT timings FROM cutover.switches WHERE source = %s ORDER BY at"
            found[way] = [row[0] for row in session.rows(asked, [source])]
    return found
