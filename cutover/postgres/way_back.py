"""The steps that keep the way back lossless: prepared beside the way there, and turned with the switch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cutover.core.step import Command, Step
from cutover.postgres.direction import direction
from cutover.postgres.replication import Unsubscribe, filters_origins
from cutover.postgres.session import Database
from cutover.postgres.turning import MakeReady, ReadyToSwitch, Turn


@dataclass(frozen=True, kw_only=True)
class WayBack(Step[str]):
    """Prepares that one side follows the other after the switch, so that the way back loses nothing.

    With 16 or newer on both sides it follows at once, and `origin = none` keeps changes from being sent back to where they
    came from. With 15 on either side that would run in a circle: there it is a slot that keeps what the other side will
    write, and a disabled subscription, and it begins to follow when the switch has been made.
    """

    source: Database
    target: Database
    address: Database | None = None
    """The source as the target's server reaches it, where that is another address than ours."""
    before: str = "absent"
    after: str = "ready"
    between: frozenset[str] = frozenset({"disabled", "broken"})
    standing: bool = True
    settle: float = 120.0
    overtaken: ClassVar[bool] = True  # the directions go on from here

    @property
    def resource(self) -> str:
        return f"subscription:{self.source.side}-{self.target.side}"

    def observe(self) -> str:
        with self.source.open("state") as source, self.target.open("state") as target:
            seen, at_once = direction(source, target), filters_origins(source, target)
        if at_once and seen in ("ready", "broken"):
            return "disabled"
        return "ready" if seen == "following" else seen

    def commands(self, target: str) -> Sequence[Command]:
        if target == "absent":
            return (Unsubscribe(self.source, self.target),)
        return (MakeReady(self.source, self.target, self.address or self.source),)

    def check_shell(self) -> str:
        return _directions_shell(self.source, self.target)


TOWARDS_GREEN, BOTH, TOWARDS_BLUE = "green follows", "both prepared", "blue follows"
_SEEN = {
    ("following", "absent"): TOWARDS_GREEN,
    ("following", "ready"): BOTH,
    ("ready", "following"): BOTH,
    ("absent", "following"): TOWARDS_BLUE,
    ("ready", "ready"): "turning",
    ("ready", "absent"): "turning",
    ("absent", "ready"): "turning",
}


@dataclass(frozen=True, kw_only=True)
class Directions(Step[str]):
    """Keeps the direction ready that the next switch needs, and takes away the one that it has made useless.

    With 16 or newer on both sides both directions follow all the time, which is each of these states at once: there is
    nothing to do. With 15 on either side one follows and the other waits; after a switch the old one is dropped before the
    new one is enabled, because together they would send every change in a circle.
    """

    blue: Database
    green: Database
    blue_for_green: Database | None = None
    green_for_blue: Database | None = None
    between: frozenset[str] = frozenset({"turning"})
    settle: float = 60.0
    overtaken: ClassVar[bool] = True  # whether blue follows in the end is asked by its gates

    @property
    def resource(self) -> str:
        return "directions"

    def observe(self) -> str:
        with self.blue.open("state") as blue, self.green.open("state") as green:
            if filters_origins(blue, green):
                return self.after
            seen = direction(blue, green), direction(green, blue)
        return _SEEN.get(seen, f"blue to green {seen[0]}, green to blue {seen[1]}")

    def commands(self, target: str) -> Sequence[Command]:
        blue, green = self.blue, self.green
        if target == TOWARDS_GREEN:
            return (Turn(blue, green),)
        if target == TOWARDS_BLUE:
            return (Turn(green, blue),)
        blue_for_green, green_for_blue = self.blue_for_green or blue, self.green_for_blue or green
        if TOWARDS_GREEN in (self.before, self.after):
            return (ReadyToSwitch(blue, green, blue_for_green, green_for_blue),)
        return (ReadyToSwitch(green, blue, green_for_blue, blue_for_green),)

    def check_shell(self) -> str:
        return _directions_shell(self.blue, self.green)


def _directions_shell(*sides: Database) -> str:
    """The command with which a person sees the subscriptions and the slots of both sides."""
    subscriptions = "SELECT subname, CASE WHEN subenabled THEN 'enabled' ELSE 'disabled' END FROM pg_subscription WHERE subname ~ '^cut_' ORDER BY 1"
    slots = "SELECT slot_name, wal_status, active FROM pg_replication_slots WHERE slot_name ~ '^cut_' ORDER BY 1"
    asked = [
        f"echo '{side.side}: subscriptions, then slots'\n{side.ask(question)}"
        if question is subscriptions
        else side.ask(question)
        for side in sides
        for question in (subscriptions, slots)
    ]
    return "\n".join(["(set -euo pipefail", *asked]) + ")"
