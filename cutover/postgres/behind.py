"""What one side has that the other, which follows it, does not have yet: bytes for sure, rows and transactions about."""

from dataclasses import dataclass

from cutover.core.errors import CutoverError
from cutover.postgres.replication import subscription_name
from cutover.postgres.session import Database

PATIENCE = 3.0
# The mean of all that the server has written since its statistics began: bytes of WAL for a row, and for a transaction.
QUESTION = """SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), r.replay_lsn)::bigint,
  extract(epoch FROM r.replay_lag)::float,
  w.wal_bytes::float / nullif(t.changed, 0), w.wal_bytes::float / nullif(d.committed, 0)
FROM pg_stat_replication r,
  (SELECT wal_bytes FROM pg_stat_wal) w,
  (SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) AS changed FROM pg_stat_user_tables) t,
  (SELECT xact_commit AS committed FROM pg_stat_database WHERE datname = current_database()) d
WHERE r.application_name = '{name}'"""


@dataclass(frozen=True)
class Behind:
    """How far `target` is behind: bytes of WAL, seconds (None while nothing is written), rows and transactions (estimated).

    `trouble` says why nothing is known; then the figures mean nothing.
    """

    database: str
    bytes: int = 0
    seconds: float | None = None
    rows: int | None = None
    transactions: int | None = None
    trouble: str = ""

    def __str__(self) -> str:
        of = f"{self.database}: " if self.database else ""
        if self.trouble:
            return f"{of}not known: {self.trouble}"
        about = [f"about {count} {what}" for count, what in self._counted() if count is not None]
        lag = f", {self.seconds:.1f} s" if self.seconds is not None else ""
        return f"{of}{self.bytes / 1e6:.1f} MB behind{lag}" + (f" ({', '.join(about)})" if about else "")

    def _counted(self) -> tuple[tuple[int | None, str], ...]:
        return (self.rows, "rows"), (self.transactions, "transactions")


def behind(source: Database, target: Database) -> Behind:
    """How far `target`, which follows `source`, is behind it now; asked within PATIENCE seconds.

    Sources: pg_stat_replication, pg_stat_wal, pg_stat_database (PostgreSQL, monitoring statistics).
    """
    name = subscription_name(source, target)
    try:
        with source.open("behind") as session:
            found = session.rows(QUESTION.format(name=name), timeout=PATIENCE)
    except CutoverError as error:
        return Behind(source.name, trouble=error.message)
    if not found:
        return Behind(source.name, trouble=f"{target.label} is not connected to {source.label}")
    size, seconds, of_row, of_transaction = found[0]
    size = max(0, int(size or 0))
    return Behind(source.name, size, seconds, _count(size, of_row), _count(size, of_transaction))


def _count(size: int, each: float | None) -> int | None:
    return round(size / each) if each else None
