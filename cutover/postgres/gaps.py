"""A gap in what one side got of the other: a marker row that never arrived says that rows of its time did not arrive, either.

Somebody drops the replication slot and makes it again: from then on everything arrives, the lag is nothing, and no figure tells
that rows in between are missing. Every look at the way back writes a marker, so that one of them lies in the gap.
"""

import time
from dataclasses import dataclass
from uuid import UUID

from cutover.core.clock import Deadline
from cutover.postgres.session import Session


def micros(at: str) -> str:
    """SQL of a time in microseconds since 1970: each server writes and reads a timestamp in its own DateStyle."""
    return f"(extract(epoch FROM {at}) * 1000000)::bigint"


OPENED = f"SELECT {micros('max(at)')} FROM cutover.switches WHERE source <> '{{side}}'"
FIRST_ARRIVED = f"SELECT {micros('min(at)')} FROM cutover.marker WHERE src = '{{side}}'"
SINCE = f"src = '{{side}}' AND {micros('at')} >= coalesce(%(since)s::bigint, 0)"
LATE = 5.0  # seconds in which a marker that somebody else wrote in this moment has arrived, too
OVERTAKEN = (
    1_000_000  # microseconds; of two that are written at once the second may arrive first, not one so much younger
)


@dataclass(frozen=True)
class Gap:
    """The markers of `source` that `target` never got; `first` and `last` tell when they were written, in microseconds since 1970."""

    source: str
    target: str
    tokens: tuple[UUID, ...]
    first: int
    last: int

    def __str__(self) -> str:
        number = "1 marker" if len(self.tokens) == 1 else f"{len(self.tokens)} markers"
        first, last = (time.strftime("%H:%M:%S", time.gmtime(at / 1e6)) for at in (self.first, self.last))
        return (
            f"{number} that {self.source} wrote ({first if first == last else f'{first} to {last}'} UTC) never arrived on "
            f"{self.target}: rows that were written then may be missing there, too"
        )


def gap(source: Session, target: Session, before: int | None = None) -> Gap | None:
    """The gap in what `target` got since `source` was opened, None without one; what is under way counts as missing.

    Where that moment was not noted it is since the first marker that arrived: what lacks before is of another time.
    """
    since = _since(source, target)
    asked = f"SELECT token, {micros('at')} FROM cutover.marker WHERE {SINCE.format(side=source.side)} ORDER BY 2"
    written = source.rows(asked, {"since": since})
    found = "SELECT token FROM cutover.marker WHERE token = ANY(%s)"
    arrived = {token for (token,) in target.rows(found, [[token for token, _ in written]])} if written else set()
    missing = [(token, at) for token, at in written if token not in arrived and (before is None or at < before)]
    if not missing:
        return None
    return Gap(source.label, target.label, tuple(token for token, _ in missing), missing[0][1], missing[-1][1])


def lasting_gap(source: Session, target: Session, deadline: Deadline) -> Gap | None:
    """As `gap`, without what arrives within 5 s or the deadline."""
    until = deadline.within(LATE)
    while (found := gap(source, target)) is not None and not until.expired:
        time.sleep(0.05)
    return found


def overtaken(source: Session, target: Session) -> Gap | None:
    """The gap that is seen without waiting: markers that are missing, while one that was written later has arrived."""
    since, side = {"since": _since(source, target)}, SINCE.format(side=source.side)
    newest, number = target.rows(f"SELECT {micros('max(at)')}, count(*) FROM cutover.marker WHERE {side}", since)[0]
    if newest is None:
        return None
    written = source.value(
        f"SELECT count(*) FROM cutover.marker WHERE {side} AND {micros('at')} <= %(newest)s",
        {**since, "newest": newest},
    )
    return gap(source, target, newest - OVERTAKEN) if written > number else None


def closed(source: Session, found: Gap) -> None:
    """Forgets markers that never arrived: since then every row was compared, and is the same on both sides."""
    source.run("DELETE FROM cutover.marker WHERE token = ANY(%s)", [list(found.tokens)])


def whole_shell(side: str) -> str:
    """Lines of the switch's script: they end it where a marker that `side` wrote has not arrived within 5 s."""
    since = f"{micros('at')} >= coalesce(nullif('$since', '')::bigint, 0)"
    tokens = f"SELECT token FROM cutover.marker WHERE src = '{side}'"
    return f"""    since=$(on "$FROM" "{OPENED.format(side=side)}")  # what never arrived since then says that rows may be missing, too
    [ -n "$since" ] || since=$(on "$TO" "{FIRST_ARRIVED.format(side=side)}")
    end=$(( $(date +%s) + {LATE:g} ))
    while :; do
      written=$(on "$FROM" "{tokens} AND {since}")
      arrived=$(on "$TO" "{tokens}")
      missing=$(comm -23 <(sort <<<"$written") <(sort <<<"$arrived"))
      [ -n "$missing" ] || break
      [ "$(date +%s)" -le "$end" ] || {{ echo 'markers never arrived on the other side, so rows may be missing there, too; nothing was switched: let invoke validate say equal' >&2; exit 1; }}
    done
"""


def _since(source: Session, target: Session) -> int | None:
    opened = source.value(OPENED.format(side=source.side))
    found: int | None = opened or target.value(FIRST_ARRIVED.format(side=source.side))
    return found
