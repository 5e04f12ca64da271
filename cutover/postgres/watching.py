"""What is watched while a plan is under way: that nobody changes tables behind its back, and that kept WAL fits blue's disk."""

from dataclasses import dataclass

from cutover.core.errors import CutoverError
from cutover.core.gate import Check, Finding
from cutover.postgres.change_feed import feed_slot
from cutover.postgres.ddl_guard import GUARD_WORD, LARGE_OBJECTS, NOTED_BY_HAND, notes, settle_shell
from cutover.postgres.kit import MISSING
from cutover.postgres.preflight import SameSchema
from cutover.postgres.replication import PUBLICATION, PUBLISHED
from cutover.postgres.session import Database, Session

KEPT = """SELECT slot_name, wal_status,
       pg_wal_lsn_diff(pg_current_wal_insert_lsn(), restart_lsn)::bigint
  FROM pg_replication_slots WHERE slot_name ~ '^cut_'"""

NAMED = 5
NEW_TABLE = (
    "for a new table repeat the runbook's commands of fence-kit-*, publication-*, and ALTER SUBSCRIPTION … REFRESH "
    "PUBLICATION on both sides (on blue WITH (copy_data = false))"
)


@dataclass(frozen=True)
class SchemaHolds(Check):
    """Neither DDL nor large objects are replicated.

    A column that exists on one side only stops the apply worker, or loses what is written to it.

    Watched from the moment the fence kit stands; what differs has to be made the same on both sides before going on.
    What the DDL guard has noted counts until somebody says that the other side has it too: a table that was dropped and
    made again looks the same, and its rows are not followed.
    """

    blue: Database
    green: Database

    def look(self) -> Finding:
        try:
            with self.blue.open("schema") as session:
                if session.value("SELECT to_regclass('cutover.marker') IS NULL"):
                    return Finding.passed("nothing of ours is on blue yet")
                odd = self._unfollowed(session)
                found = self._noted(self.blue, session)
            if found is None:
                with self.green.open("schema") as session:
                    found = self._noted(self.green, session)
        except CutoverError as error:
            return Finding.blind(error.message)
        if found is not None:
            return found
        if odd:
            return Finding.failed(
                f"made on blue after the preparation: {', '.join(odd[:5])}{' and more' if len(odd) > 5 else ''}",
                f"make it on green, too; {NEW_TABLE}; then `invoke resume`",
            )
        same = SameSchema(self.blue, self.green).look()
        return Finding(same.verdict, f"DDL since the copy: {same.seen}", same.hint) if same.hint else same

    def _noted(self, database: Database, session: Session) -> Finding | None:
        """What this side's event triggers have seen, or that they see nothing any more."""
        if session.value(GUARD_WORD) == "partial":
            return Finding.failed(
                f"somebody has switched off the event triggers that note DDL on {database.label}",
                "compare both sides (`invoke preflight`), then repeat the runbook's commands of ddl-guard-*",
            )
        if large := session.value(LARGE_OBJECTS):
            return Finding.failed(
                f"{database.label} has {large}",
                "turn them to bytea columns, or take them away (lo_unlink); then `invoke resume`",
            )
        noted = notes(session)
        if not noted:
            return None
        other = self.green if database == self.blue else self.blue
        more = f" and {len(noted) - NAMED} more (SELECT * FROM cutover.ddl)" if len(noted) > NAMED else ""
        return Finding.failed(
            f"DDL on {database.label} since the copy: {'; '.join(note.says for note in noted[:NAMED])}{more}",
            f"make the same on {other.label}; {NEW_TABLE}; then {settle_shell(database, noted[-1])} and `invoke resume`",
        )

    def _unfollowed(self, session: Session) -> list[str]:
        """Tables that are fenced or published on blue by nobody, although the preparation has been there."""
        if session.value(f"SELECT 1 FROM pg_publication WHERE pubname = '{PUBLICATION}'") is None:
            return []
        unfenced = [name for (name,) in session.rows(MISSING)]
        return unfenced or (["a table that is not published"] if session.value(PUBLISHED) == "incomplete" else [])

    def shell(self) -> str:
        noted = [
            database.ask(question, "| (! grep .)")
            for database in (self.blue, self.green)
            for question in (NOTED_BY_HAND, LARGE_OBJECTS)
        ]
        unfenced = self.blue.ask(MISSING, "| (! grep .)")
        return "\n".join([f"(set -e\n{SameSchema(self.blue, self.green).shell()}", unfenced, *noted, ")"])


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
            if name == feed_slot(self.database) and (status == "lost" or (kept or 0) > self.limit_bytes):
                lost = "has lost its WAL" if status == "lost" else f"keeps {kept / 1e9:.1f} GB of WAL"
                again = "--record validates anew" if status == "lost" else "--changed reads it and lets the WAL go"
                return Finding.failed(
                    f"slot {name} on {side}, which keeps what changed since the validation, {lost}",
                    f'`invoke validate --env "$CUTOVER_ENV"` with {again}; `invoke rollback` drops it',
                )
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
