"""What is watched while a plan is under way: that nobody changes tables behind its back, and that kept WAL fits blue's disk."""

from dataclasses import dataclass

from cutover.core.errors import CutoverError
from cutover.core.gate import Check, Finding
from cutover.postgres.kit import MISSING
from cutover.postgres.preflight import SameSchema
from cutover.postgres.replication import PUBLICATION, PUBLISHED
from cutover.postgres.session import Database, Session

KEPT = """SELECT slot_name, wal_status,
       pg_wal_lsn_diff(pg_current_wal_insert_lsn(), restart_lsn)::bigint
  FROM pg_replication_slots WHERE slot_name ~ '^cut_'"""


@dataclass(frozen=True)
class SchemaHolds(Check):
    """DDL is not replicated: a column that exists on one side only stops the apply worker, or loses what is written to it.

    Watched from the moment the fence kit stands; what differs has to be made the same on both sides before going on.
    """

    blue: Database
    green: Database

    def look(self) -> Finding:
        try:
            with self.blue.open("schema") as session:
                if session.value("SELECT to_regclass('cutover.marker') IS NULL"):
                    return Finding.passed("nothing of ours is on blue yet")
                odd = self._unfollowed(session)
        except CutoverError as error:
            return Finding.blind(error.message)
        if odd:
            return Finding.failed(
                f"made on blue after the preparation: {', '.join(odd[:5])}{' and more' if len(odd) > 5 else ''}",
                "make it on green, too; repeat the runbook's commands of fence-kit-*, publication-*; ALTER SUBSCRIPTION "
                "… REFRESH PUBLICATION on both sides (on blue WITH (copy_data = false)); then `invoke resume`",
            )
        found = SameSchema(self.blue, self.green).look()
        return Finding(found.verdict, f"DDL since the copy: {found.seen}", found.hint) if found.hint else found

    def _unfollowed(self, session: Session) -> list[str]:
        """Tables that are fenced or published on blue by nobody, although the preparation has been there."""
        if session.value(f"SELECT 1 FROM pg_publication WHERE pubname = '{PUBLICATION}'") is None:
            return []
        unfenced = [name for (name,) in session.rows(MISSING)]
        return unfenced or (["a table that is not published"] if session.value(PUBLISHED) == "incomplete" else [])

    def shell(self) -> str:
        return f"{{ {SameSchema(self.blue, self.green).shell()} ; }} && {self.blue.ask(MISSING, '| (! grep .)')}"


@dataclass(frozen=True)
class WalKept(Check):
    """A slot that nobody reads keeps WAL until the disk is full, and then the serving side stops: that must never come of us."""

    database: Database
    limit_bytes: int

    def look(self) -> Finding:
        try:
            with self.database.open("wal") as session:
                slots = session.rows(KEPT)
        except CutoverError as error:
            return Finding.blind(error.message)
        side = self.database.side
        for name, status, kept in slots:
            if status == "lost":
                return Finding.failed(
                    f"slot {name} on {side} has lost its WAL: its subscriber can never catch up",
                    "`invoke rollback --everything`, then raise max_slot_wal_keep_size and begin anew",
                )
            if (kept or 0) > self.limit_bytes:
                return Finding.failed(
                    f"slot {name} keeps {kept / 1e9:.1f} GB of WAL on {side}, limit {self.limit_bytes / 1e9:.1f} GB",
                    "see why its subscriber is behind; `invoke rollback --everything` drops it; "
                    "database.wal_limit_bytes raises the limit",
                )
        most = max((kept or 0 for _, _, kept in slots), default=0)
        return Finding.passed(f"{len(slots)} slots of ours keep at most {most / 1e6:.0f} MB of WAL on {side}")

    def shell(self) -> str:
        asked = f"SELECT * FROM ({KEPT}) kept (slot, status, bytes) WHERE status = 'lost' OR bytes > {self.limit_bytes}"
        return self.database.ask(asked, "| (! grep .)")
