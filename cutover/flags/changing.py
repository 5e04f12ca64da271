"""One change of a flag: over the version that was seen, read back where no answer came, and never over somebody else's."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cutover.core.clock import Backoff, Deadline
from cutover.core.errors import StepFailed, Unreachable
from cutover.routing import Conflict, Flag, FlagWrong, Store, Unavailable

Make = Callable[[Flag], Flag]
"""The flag as it is to be, from the one that stands."""


@dataclass(frozen=True)
class Changed:
    """What stood before, and what stands now; None before: there was no flag, or none that could be read."""

    before: Flag | None
    after: Flag
    wrote: bool
    """Whether this change was written; else the flag stood so already."""


def read(store: Store, name: str) -> Flag | FlagWrong | None:
    """The flag as it stands, what is wrong with it, or None where there is none; raises Unreachable."""
    try:
        return store.all().get(name)
    except Unavailable as error:
        raise Unreachable(str(error)) from error


def now() -> datetime:
    """The time of a change, to the millisecond."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def change(
    store: Store,
    name: str,
    make: Make,
    deadline: Deadline,
    *,
    insist: bool = False,
    makes: bool = True,
    over: int | None = None,
) -> Changed:
    """Writes what `make` gives over what was seen, and says what stood before.

    Somebody else who changes the flag between our look and our write ends it with StepFailed, unless we `insist` (going
    back): then their change is looked at, and ours is written over it. `over` is the version that whoever asked has seen. A flag that is not there is made, or with `makes` False
    left so. Unreachable where it cannot be said what stands.
    """
    backoff = Backoff(deadline.clock)
    first: Flag | FlagWrong | None = None
    looked, ours = False, None
    while True:
        try:
            seen = store.all().get(name)
            if not looked:
                first, looked = seen, True
            if seen is None and not makes:
                return Changed(None, Flag(name=name), wrote=False)
            before = seen if isinstance(seen, Flag) else None
            if before is not None and ours is not None and _same(before, ours):
                return Changed(_flag(first), before, wrote=True)  # the answer to our write was lost
            wanted = make(before or Flag(name=name))
            if before is not None and _stands(before, wanted):
                return Changed(_flag(first), before, wrote=ours is not None)
            if not insist and _version(seen) != (_version(first) if over is None else over):
                ending = "nothing was written" if ours is None else "no answer came to our write before it"
                raise StepFailed(f"{store.where}: {name} changed under our hands: {told(seen)}; {ending}")
            ours = wanted
            return Changed(_flag(first), store.put(wanted, before.version if before else 0), wrote=True)
        except Conflict as conflict:
            ours = None
            if not insist:
                raise StepFailed(f"changed under our hands: {conflict}") from conflict
            problem = str(conflict)
        except Unavailable as error:
            problem = str(error)
        if deadline.expired:
            raise Unreachable(problem)
        backoff.pause(deadline)


def told(flag: Flag | FlagWrong | None) -> str:
    """A flag in a line."""
    if flag is None:
        return "there is no such flag"
    if isinstance(flag, FlagWrong):
        return f"cannot be read: {flag}"
    share = f"{flag.share.normalize():f} %"
    by = f" by {flag.author}" if flag.author else ""
    return (share if flag.enabled else f"off ({share} when on)") + f", version {flag.version}{by}"


def as_data(flag: Flag | FlagWrong | None) -> dict[str, Any] | str | None:
    """A flag for the record."""
    return flag.document() if isinstance(flag, Flag) else None if flag is None else str(flag)


def _flag(seen: Flag | FlagWrong | None) -> Flag | None:
    return seen if isinstance(seen, Flag) else None


def _version(seen: Flag | FlagWrong | None) -> int:
    return seen.version if isinstance(seen, Flag) else 0


def _stands(flag: Flag, wanted: Flag) -> bool:
    return (flag.enabled, flag.share) == (wanted.enabled, wanted.share)


def _same(flag: Flag, ours: Flag) -> bool:
    return _stands(flag, ours) and (flag.reason, flag.author, flag.changed_at) == (
        ours.reason,
        ours.author,
        ours.changed_at,
    )
