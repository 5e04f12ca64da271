"""The share as a flag in a store, by which applications route with the routing library."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar

from cutover.core.clock import Backoff, Deadline
from cutover.core.errors import StepFailed, Unreachable
from cutover.core.killpoint import reached
from cutover.core.share import Share
from cutover.core.step import Command, Step
from cutover.core.who import who
from cutover.flags.by_hand import look_by_hand, set_by_hand
from cutover.flags.changing import now, read
from cutover.routing import Conflict, Flag, FlagWrong, Store, Unavailable

SENT = "flag store: the flag is written"


@dataclass(frozen=True, kw_only=True)
class StoreShare(Step[Share | str]):
    """Sends a percentage of the keys to green by a flag, which the application's routing library reads.

    The same keys stay on green as the percentage rises, and the applications follow within seconds. Every write is made over
    the version of the flag that was seen, so that nobody's change is lost; the way back to 0 switches the flag off as well.
    """

    store: Callable[[], AbstractContextManager[Store]] = field(repr=False, compare=False)
    place: str
    """The address as a person types it, quoted for a shell."""
    flag: str
    aws: str = "aws"
    """How the aws command is called, where the store is in SSM."""
    needs: object = None
    """What else says which permissions this takes."""

    @property
    def resource(self) -> str:
        return f"flag:{self.place}:{self.flag}"

    @property
    def lane(self) -> str:
        return "traffic"

    def observe(self) -> Share | str:
        with self.store() as store:
            return shown(read(store, self.flag), self.flag)

    def commands(self, target: Share | str) -> Sequence[Command]:
        if not isinstance(target, Share):
            raise TypeError(f"{self.name}: {target!r} is not a share")
        return (SetStoreFlag(self, target),)

    def check_shell(self) -> str:
        return look_by_hand(self.place, self.flag, self.aws)


def shown(flag: Flag | FlagWrong | None, name: str) -> Share | str:
    """The share that a flag stands for: 0 while it is off; else what is wrong with it."""
    if flag is None:
        return f"there is no flag {name}"
    if isinstance(flag, FlagWrong):
        return f"the flag cannot be read: {flag}"
    return Share(Decimal(flag.buckets) / 100)


@dataclass(frozen=True)
class SetStoreFlag(Command):
    """Writes the share over the version of the flag that was seen; at 0 the flag is off."""

    kill_points: ClassVar[tuple[str, ...]] = (SENT,)

    step: StoreShare
    target: Share

    def run(self, deadline: Deadline) -> None:
        backoff = Backoff(deadline.clock)
        with self.step.store() as store:
            while True:
                try:
                    if self._written(store):
                        return
                    told = "somebody else writes this flag again and again"
                except Unavailable as error:
                    told = str(error)  # whether it was written shows the next look
                if deadline.expired:
                    raise Unreachable(told)
                backoff.pause(deadline)

    def _written(self, store: Store) -> bool:
        """One look and at most one write; False when somebody else wrote between the two."""
        step = self.step
        flag = store.all().get(step.flag)
        seen = shown(flag, step.flag)
        if seen not in {step.before, step.after, *step.between} or not isinstance(flag, Flag):
            raise StepFailed(f"{step.resource} changed under our hands: {seen}; nothing was written")
        if seen == self.target:
            return True
        reason, at = f"step {step.name}", now()
        wanted = (
            flag.at(self.target.percent, reason=reason, author=who(), now=at)
            if self.target.percent
            else flag.rolled_back(reason=reason, author=who(), now=at)
        )
        try:
            store.put(wanted, flag.version)
        except Conflict:
            return False
        reached(SENT)
        return True

    def shell(self) -> str:
        return set_by_hand(self.step.place, self.step.flag, self.target, f"step {self.step.name}", self.step.aws)
