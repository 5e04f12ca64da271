"""The fence kit: a marker table and, on every table, a trigger that refuses writes while it is enabled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cutover.core.clock import Backoff, Deadline, SystemClock
from cutover.core.killpoint import reached
from cutover.core.step import Command, Step
from cutover.postgres.session import Database, QueryFailed, Session
from cutover.postgres.sides import APP_TABLES, FENCE, STATE, side_state

SCHEMA = """CREATE SCHEMA IF NOT EXISTS cutover;
CREATE TABLE IF NOT EXISTS cutover.marker (
  token uuid PRIMARY KEY, src text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE IF NOT EXISTS cutover.fencing (one boolean PRIMARY KEY DEFAULT true CHECK (one), hi bigint NOT NULL);
INSERT INTO cutover.fencing VALUES (true, 0) ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS cutover.baseline (
  one boolean PRIMARY KEY DEFAULT true CHECK (one), at timestamptz NOT NULL, row_count bigint NOT NULL,
  tables jsonb NOT NULL, pending jsonb NOT NULL DEFAULT '{}', compared bigint NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS cutover.switches (
  at timestamptz PRIMARY KEY DEFAULT clock_timestamp(), source text NOT NULL, timings jsonb NOT NULL,
  compared text NOT NULL);
CREATE TABLE IF NOT EXISTS cutover.done (work text PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE IF NOT EXISTS cutover.copied (
  one boolean PRIMARY KEY DEFAULT true CHECK (one), at timestamptz NOT NULL DEFAULT clock_timestamp());
GRANT USAGE ON SCHEMA cutover TO PUBLIC;
CREATE OR REPLACE FUNCTION cutover.fence() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'cutover fence: % does not accept writes', current_database()
        USING ERRCODE = '25006', HINT = 'reconnect: the other side may be the writable one'; END $$;"""

MISSING = f"""SELECT t.name FROM {APP_TABLES} t WHERE NOT EXISTS
  (SELECT FROM pg_trigger g WHERE g.tgrelid = t.oid AND g.tgname = '{FENCE}' AND NOT g.tgisinternal) ORDER BY 1"""
FENCED = (
    f"""SELECT t.name FROM {APP_TABLES} t JOIN pg_trigger g ON g.tgrelid = t.oid AND g.tgname = '{FENCE}' ORDER BY 1"""
)
KIT_WORD = f"""SELECT CASE WHEN no_kit AND state = 'unprepared' THEN 'absent'
            WHEN no_kit OR state = 'unprepared' OR read_only_default <> (state = 'fenced') THEN 'partial'
            ELSE state END
FROM (SELECT to_regclass('cutover.marker') IS NULL AS no_kit) kit, (
{STATE}) side"""
WAIT_FOR_LOCK = "500ms"  # a longer wait would queue the application's own statements behind ours


def add_fence(table: str, *, enabled: bool) -> str:
    """The statements that put the fence on one table."""
    return (
        f"CREATE OR REPLACE TRIGGER {FENCE} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION cutover.fence();\n"
        f"ALTER TABLE ONLY {table} {'ENABLE' if enabled else 'DISABLE'} TRIGGER {FENCE};"
    )


@dataclass(frozen=True)
class InstallKit(Command):
    """Puts the kit on one side, one short transaction per table."""

    kill_points: ClassVar[tuple[str, ...]] = ("kit: schema made", "kit: a table has it")

    database: Database
    fenced: bool

    def run(self, deadline: Deadline) -> None:
        with self.database.open("kit", settings={"lock_timeout": WAIT_FOR_LOCK}) as session:
            session.run(SCHEMA)
            reached("kit: schema made")
            # The other side's are told by their absence here that something never arrived.
            session.run("DELETE FROM cutover.marker WHERE at < now() - interval '7 days' AND src = %s", [session.side])
            for (table,) in session.rows(MISSING):
                patiently(session, f"BEGIN; {add_fence(table, enabled=self.fenced)} COMMIT;", deadline)
                reached("kit: a table has it")
            if self.fenced:
                name = session.value("SELECT format('%I', current_database())")
                session.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    def shell(self) -> str:
        verb = "ENABLE" if self.fenced else "DISABLE"
        loop = f"""{SCHEMA}
SET lock_timeout = '{WAIT_FOR_LOCK}';
SELECT format('CREATE OR REPLACE TRIGGER {FENCE} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s '
              'FOR EACH STATEMENT EXECUTE FUNCTION cutover.fence()', t.name),
       format('ALTER TABLE ONLY %s {verb} TRIGGER {FENCE}', t.name)
  FROM {APP_TABLES} t ORDER BY t.name \\gexec"""
        if self.fenced:
            loop += "\nSELECT format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()) \\gexec"
        return self.database.psql(loop)


@dataclass(frozen=True)
class RemoveKit(Command):
    """Takes the kit off one side; one that was fenced keeps its read-only default, so that no application strays there."""

    kill_points: ClassVar[tuple[str, ...]] = ("kit: a table is rid of it", "kit: only the schema is left")

    database: Database
    fenced: bool

    def run(self, deadline: Deadline) -> None:
        with self.database.open("kit", settings={"lock_timeout": WAIT_FOR_LOCK}) as session:
            for (table,) in session.rows(FENCED):
                patiently(session, f"DROP TRIGGER IF EXISTS {FENCE} ON {table}", deadline)
                reached("kit: a table is rid of it")
            if not self.fenced:
                name = session.value("SELECT format('%I', current_database())")
                session.run(f"ALTER DATABASE {name} RESET default_transaction_read_only")
            reached("kit: only the schema is left")
            session.run("DROP SCHEMA IF EXISTS cutover CASCADE")

    def shell(self) -> str:
        opening = "SELECT format('ALTER DATABASE %I RESET default_transaction_read_only', current_database()) \\gexec\n"
        return self.database.psql(
            f"SELECT format('DROP TRIGGER IF EXISTS {FENCE} ON %s', t.name) FROM {APP_TABLES} t \\gexec\n"
            f"{'' if self.fenced else opening}DROP SCHEMA IF EXISTS cutover CASCADE;"
        )


def patiently(session: Session, sql: str, deadline: Deadline) -> None:
    """Runs it again while it does not get its locks within the session's lock_timeout; raises QueryFailed."""
    backoff = Backoff(SystemClock(), first=0.05)
    while True:
        try:
            session.run(sql)
            return
        except QueryFailed as error:
            session.run("ROLLBACK")
            # lock_not_available and deadlock_detected pass when the application's own transaction has ended
            if error.sqlstate not in ("55P03", "40P01") or deadline.expired:
                raise
        backoff.pause(deadline)


@dataclass(frozen=True, kw_only=True)
class FenceKit(Step[str]):
    """Installs the write fence on one side without closing it to anybody it serves.

    The trigger stops old sessions, table owners and superusers; the database's read-only default sends clients with
    `target_session_attrs=read-write` to the other side. Both are switched in one transaction later.
    """

    overtaken: ClassVar[bool] = True  # the switchover goes on from here: afterwards the side shows another state

    database: Database
    between: frozenset[str] = frozenset({"partial"})
    standing: bool = True
    settle: float = 60.0

    @property
    def resource(self) -> str:
        return f"fence-kit:{self.database.label}"

    def observe(self) -> str:
        with self.database.open("state") as session:
            if session.value("SELECT to_regclass('cutover.marker') IS NULL"):
                return "absent" if side_state(session).state == "unprepared" else "partial"
            seen = side_state(session)
            return seen.state if seen.settled and seen.state != "unprepared" else "partial"

    def commands(self, target: str) -> Sequence[Command]:
        if target == "absent":
            return (RemoveKit(self.database, fenced="fenced" in (self.before, self.after)),)
        return (InstallKit(self.database, fenced=target == "fenced"),)

    def check_shell(self) -> str:
        return self.database.ask(KIT_WORD)
