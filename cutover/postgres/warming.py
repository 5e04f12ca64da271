"""What a session learns of tables and sequences when it first touches them is learnt before the pause."""

from contextlib import suppress

from cutover.postgres.sequences import READ, standing
from cutover.postgres.session import QueryFailed, Session
from cutover.postgres.sides import APP_TABLES

NAMES = f"SELECT string_agg('ONLY ' || t.name, ', ' ORDER BY t.name) FROM {APP_TABLES} t"
# The weakest lock there is, given back at once; who waits for a table of ours is not kept waiting for this.
TOUCH = "BEGIN; SET LOCAL lock_timeout = '100ms'; LOCK TABLE {} IN ACCESS SHARE MODE; COMMIT"


def know(session: Session) -> None:
    """Reads the catalog of every table and sequence into this session."""
    know_tables(session)
    know_sequences(session)


def know_tables(session: Session) -> None:
    """Reads the catalog of every table into this session, which may alter a thousand of them while writes wait."""
    names = session.value(NAMES)
    if names:
        try:
            session.run(TOUCH.format(names))
        except QueryFailed:  # somebody alters a table now: then the first touch comes later, and nothing else is lost
            session.run("ROLLBACK")


def know_sequences(session: Session) -> None:
    """The same for sequences; what is read of them here is not used."""
    with suppress(QueryFailed):
        standing(session, [name for name, last, *_ in session.rows(READ) if last is None])
