"""The steps that keep the way back lossless: prepared beside the way there, and turned with the switch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cutover.core.step import Command, Step
from cutover.postgres.baseline import ForgetBaseline
from cutover.postgres.change_feed import feed_slot
from cutover.postgres.direction import SLOT, direction
from cutover.postgres.replication import (
    FILTERS_ORIGINS,
    SUBSCRIBED,
    Unsubscribe,
    filters_origins,
    mended,
    subscription_name,
)
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
        return f"subscription:{self.source.label}-{self.target.label}"

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

    def mend(self, seen: str) -> str:
        """Only where it follows at once it is seen as disabled: elsewhere that is how it waits."""
        return mended(self.source, self.target, seen)

    def check_shell(self) -> str:
        return f"""(set -euo pipefail
{_direction_shell(self.source, self.target, "seen")}
if {_at_once_shell(self.source, self.target)}; then
  case $seen in ready|broken) seen=disabled ;; esac
fi
if [ "$seen" = following ]; then seen=ready; fi
echo "$seen")"""


# Even one that has lost its WAL: it takes a place that the way back may need.
KEPT = "SELECT 1 FROM pg_replication_slots WHERE slot_name = '{name}'"
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

    With 16 or newer on both sides both directions follow all the time, which is each of these states at once. With 15 on
    either side one follows and the other waits; after a switch the old one is dropped before the new one is enabled, because
    together they would send every change in a circle. After the switch nobody needs to know any longer what blue changed
    since the validation, so that is not kept any more.
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
        return f"directions:{self.blue.name}" if self.blue.name else "directions"

    def observe(self) -> str:
        with self.blue.open("state") as blue, self.green.open("state") as green:
            kept = self.after == TOWARDS_BLUE and bool(blue.value(KEPT.format(name=feed_slot(blue))))
            if filters_origins(blue, green):
                return self.before if kept else self.after
            seen = direction(blue, green), direction(green, blue)
        if kept and _SEEN.get(seen) == TOWARDS_BLUE:
            return "turning"
        return _SEEN.get(seen, f"blue to green {seen[0]}, green to blue {seen[1]}")

    def commands(self, target: str) -> Sequence[Command]:
        blue, green = self.blue, self.green
        if target == TOWARDS_GREEN:
            return (Turn(blue, green),)
        if target == TOWARDS_BLUE:
            return (Turn(green, blue), ForgetBaseline(blue))
        blue_for_green, green_for_blue = self.blue_for_green or blue, self.green_for_blue or green
        if TOWARDS_GREEN in (self.before, self.after):
            return (ReadyToSwitch(blue, green, blue_for_green, green_for_blue),)
        return (ReadyToSwitch(green, blue, green_for_blue, blue_for_green),)

    def check_shell(self) -> str:
        words = dict(_SEEN)
        kept, at_once = "", f"echo '{self.after}'"
        if self.after == TOWARDS_BLUE:
            kept = f"kept=$({self.blue.ask(KEPT.format(name=feed_slot(self.blue)))}\n)\n"
            at_once = f"""if [ "$kept" ]; then echo '{self.before}'; else echo '{self.after}'; fi"""
            words = {state: word for state, word in _SEEN.items() if word != TOWARDS_BLUE}
        known = "\n".join(f"  {there}/{home}) echo '{word}' ;;" for (there, home), word in words.items())
        if kept:
            known += f"""\n  absent/following) if [ "$kept" ]; then echo turning; else echo '{TOWARDS_BLUE}'; fi ;;"""
        return f"""(set -euo pipefail
{kept}if {_at_once_shell(self.blue, self.green)}; then {at_once}; exit 0; fi
{_direction_shell(self.blue, self.green, "there")}
{_direction_shell(self.green, self.blue, "home")}
case $there/$home in
{known}
  *) echo "blue to green $there, green to blue $home" ;;
esac)"""


def _direction_shell(source: Database, target: Database, variable: str) -> str:
    """Shell lines that set a variable to what `direction` answers."""
    name = subscription_name(source, target)
    return f"""{variable}=$({target.ask(SUBSCRIBED.format(name=name))}
)
if [ "${variable}" = disabled ]; then
slot=$({source.ask(SLOT.format(name=name))}
)
if [ "$slot" = kept ]; then {variable}=ready; else {variable}=broken; fi
fi"""


def _at_once_shell(source: Database, target: Database) -> str:
    return f'[ "$({source.ask(FILTERS_ORIGINS)})$({target.ask(FILTERS_ORIGINS)})" = tt ]'
