"""Business figures: the operator's own SQL, asked on both sides, equal within a tolerance."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.postgres import marker
from cutover.postgres.rowhash import PINNED
from cutover.postgres.session import Database, QueryFailed, Session

LOOKS = 3
TIMEOUT = 60.0


@dataclass(frozen=True)
class BusinessCheck:
    """One figure: `sql` answers one row with one value, `within` is a share of the source's value (0.05 is 5 %)."""

    name: str
    sql: str
    within: float = 0.0


@dataclass(frozen=True)
class Figure:
    """What one check saw; `verdict` is equal, differs or `not proven`."""

    name: str
    verdict: str
    seen: str


def business_figures(
    source: Database, target: Database, checks: Sequence[BusinessCheck], *, catch_up: float
) -> list[Figure]:
    """Asks every check on both sides, in read-only transactions; waits up to `catch_up` s for the target to follow."""
    if not checks:
        return []
    # The operator's SQL may name tables without their schema; it cannot write.
    settings = {**PINNED, "search_path": '"$user",public', "default_transaction_read_only": "on"}
    with ExitStack() as stack:
        ours = stack.enter_context(source.open("figures", settings=settings))
        theirs = stack.enter_context(target.open("figures", settings=settings))
        marks = stack.enter_context(source.open("marker"))
        return [_figure(ours, theirs, marks, check, catch_up) for check in checks]


def _figure(ours: Session, theirs: Session, marks: Session, check: BusinessCheck, catch_up: float) -> Figure:
    seen = ""
    try:
        for look in range(LOOKS):
            before = _value(ours, check)
            if look:  # the first look is enough for figures that stand still, even where nothing is replicated
                marker.await_marker(theirs, marker.write_marker(marks), Deadline.after(catch_up))
            there = _value(theirs, check)
            after = _value(ours, check)
            seen = f"{before} on {ours.label}, {there} on {theirs.label}"
            if _agrees(there, [before, after], check.within):
                return Figure(check.name, "equal", seen)
    except (marker.NotCaughtUp, QueryFailed, Unclear) as error:
        return Figure(check.name, "not proven", error.message)
    allowed = f", allowed {check.within:.4g} of it" if check.within else ""
    return Figure(check.name, "differs", seen + allowed)


class Unclear(CutoverError):
    """The answer is not one value."""


def _value(session: Session, check: BusinessCheck) -> Any:
    session.run(f"BEGIN READ ONLY; SET LOCAL statement_timeout = '{int(TIMEOUT * 1000)}ms'")
    try:
        found = session.rows(check.sql, timeout=TIMEOUT + 5)
    finally:
        session.run("ROLLBACK")
    if len(found) != 1 or len(found[0]) != 1:
        raise Unclear(
            f"{check.name}: wanted one row with one value, seen {len(found)} rows"
            + (f" with {len(found[0])} values" if found else "")
        )
    return found[0][0]


def _agrees(there: Any, here: Sequence[Any], within: float) -> bool:
    if there in here and there is not None:
        return True
    try:
        value, others = Decimal(str(there)), [Decimal(str(other)) for other in here]
    except InvalidOperation:
        return all(other is None for other in here) and there is None
    margins = [abs(other) * Decimal(str(within)) for other in others]
    low = min(other - margin for other, margin in zip(others, margins, strict=True))
    high = max(other + margin for other, margin in zip(others, margins, strict=True))
    return low <= value <= high
