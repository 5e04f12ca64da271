"""Sequences do not replicate: inside the fence they are set on the other side, with a margin, in one statement."""

from collections.abc import Sequence

from cutover.core.errors import CutoverError
from cutover.postgres.session import Session

READ = """SELECT format('%I.%I', schemaname, sequencename), last_value, increment_by, start_value, min_value, max_value,
       has_sequence_privilege(format('%I.%I', schemaname, sequencename), 'SELECT')
  FROM pg_sequences WHERE schemaname <> 'cutover' ORDER BY 1"""

SET = "SELECT setval(n::regclass, v, called) FROM unnest(%s::text[], %s::bigint[], %s::bool[]) AS u(n, v, called)"


class SequenceUnreadable(CutoverError):
    """A sequence may not be read, so where it stands is not known."""


def copy_sequences(source: Session, target: Session, margin: int) -> int:
    """Sets each sequence of `target` `margin` increments past `source`, or half of what is left; returns how many there are.

    The statement commits synchronously, which also makes everything that was applied before it durable: rows that are
    visible after replication are not yet on disk.
    """
    names: list[str] = []
    values: list[int] = []
    called: list[bool] = []
    for name, last, increment, start, low, high, readable in source.rows(READ):
        if not readable:  # last_value NULL would then mean "may not look", not "never used"
            raise SequenceUnreadable(f"sequence {name} on {source.label} may not be read by this role")
        names.append(name)
        values.append(start if last is None else _ahead(last, margin, increment, low, high))
        called.append(last is not None)
    # NULL says only that it was not used since it was set: after setval(…, 700, false) it stands at 700, not at its start.
    if unused := [name for name, used in zip(names, called, strict=True) if not used]:
        places = {name: place for place, name in enumerate(names)}
        for name, stands in standing(source, unused).items():
            values[places[name]] = stands
    target.run("SET synchronous_commit = on")
    if names:
        target.run(SET, [names, values, called])
    else:
        target.run("UPDATE cutover.fencing SET hi = hi")
    return len(names)


def _ahead(last: int, margin: int, increment: int, low: int, high: int) -> int:
    """`margin` increments further, but at most half of what is left: the other side must not begin with an exhausted sequence."""
    left = ((high if increment > 0 else low) - last) // increment
    return last + increment * min(margin, max(left, 0) // 2)


def standing(session: Session, names: Sequence[str]) -> dict[str, int]:
    """Where each of these sequences stands; read from the sequence itself."""
    if not names:
        return {}
    question = " UNION ALL ".join(f"SELECT {number}, last_value FROM {name}" for number, name in enumerate(names))
    return {names[number]: stands for number, stands in session.rows(question)}
