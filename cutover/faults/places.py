"""The places at which a fault comes: boundaries of the journal and points inside the switch, by phase."""

from dataclasses import dataclass

from cutover.core.errors import ConfigurationRefused

FORWARD, RESUME, BACK = "forward", "resume", "back"
BEFORE_TRAFFIC = {"prepare", "validate", "before-window", "locked", "commit", "committed", "opened"} | {
    "back-locked", "back-commit", "back-committed"
}  # fmt: skip
"""A run whose faults come at these places only may stop before traffic moves: it saves that time."""
STOPS_AFTER = "window"
KILLED_BEFORE_RESUME = "after passed:soak-50"


@dataclass(frozen=True)
class Place:
    """`at` is what CUTOVER_KILL_PAUSE wants; empty means before the program starts."""

    name: str
    leg: str
    at: str
    why: str


PLACES = (
    Place("prepare", FORWARD, "after passed:green-caught-up", "replication stands, nothing is validated"),
    Place("validate", FORWARD, "before command rows-validated:0", "right before rows are compared"),
    Place("before-window", FORWARD, "after phase-entered:window", "the window begins"),
    Place("locked", FORWARD, "switch: locked", "in the window: blue's tables are locked"),
    Place("commit", FORWARD, "switch: fenced, not committed", "in the window: right before the commit point"),
    Place("committed", FORWARD, "switch: committed", "in the window: nobody may write, green is not open yet"),
    Place("opened", FORWARD, "after converged:switchover", "green has just been opened"),
    Place("shift-50", FORWARD, "before command traffic-shop-50:0", "the first share"),
    Place("shift-100", FORWARD, "before command traffic-api-100:0", "all of the traffic, half-way"),
    Place("bake", FORWARD, "after hold-begun:bake", "green serves all"),
    Place("resume", RESUME, "", "a run that died between two shares is taken up again"),
    Place("back-shift", BACK, "before command traffic-api-50-undo:0", "the way back: traffic"),
    Place("back-locked", BACK, "switch: locked", "the way back: green's tables are locked"),
    Place("back-commit", BACK, "switch: fenced, not committed", "the way back: right before its commit point"),
    Place("back-committed", BACK, "switch: committed", "the way back: nobody may write, blue is not open yet"),
)
BY_NAME = {place.name: place for place in PLACES}


def place_named(name: str) -> Place:
    """The place of that name; raises ConfigurationRefused with the known ones."""
    if name not in BY_NAME:
        raise ConfigurationRefused([f"no place is called {name!r}; known: {', '.join(BY_NAME)}"])
    return BY_NAME[name]
