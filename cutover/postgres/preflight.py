"""What both databases must be like before a cutover may begin; each check says what it saw and what mends it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cutover.core.errors import CutoverError
from cutover.core.gate import Check, Finding
from cutover.postgres.emptying import FILLED_BY_OTHERS
from cutover.postgres.session import Database, Session, ask_function
from cutover.postgres.sides import APP_TABLES

OLDEST = 160000

VERSION = "SELECT current_setting('server_version_num')::int, current_setting('server_version')"

SETTINGS = """SELECT format('%s is %s, wanted %s', s.name, s.setting, w.wanted)
  FROM (VALUES ('max_replication_slots', 4 + (SELECT count(*) FROM pg_replication_slots WHERE slot_name !~ '^cut_')),
               ('max_wal_senders', 4 + (SELECT count(*) FROM pg_stat_replication WHERE application_name !~ '^cut_')),
               ('max_logical_replication_workers', 4), ('max_active_replication_origins', 4)) AS w(name, wanted)
  JOIN pg_settings s USING (name) WHERE s.setting::int < w.wanted
UNION ALL SELECT format('wal_level is %s, wanted logical', setting) FROM pg_settings
 WHERE name = 'wal_level' AND setting <> 'logical'
UNION ALL SELECT format('max_slot_wal_keep_size is %s MB, wanted -1 or more than 10240', setting) FROM pg_settings
 WHERE name = 'max_slot_wal_keep_size' AND setting::int BETWEEN 0 AND 10240"""

LOCK_TABLE = f"""SELECT format('%s tables, but the lock table has %s places', n, slots) FROM
  (SELECT count(*) AS n FROM {APP_TABLES} t) x,
  (SELECT current_setting('max_locks_per_transaction')::bigint
        * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int) AS slots) y
 WHERE n * 3 > slots"""

IDENTITY = f"""SELECT format('ALTER TABLE %s REPLICA IDENTITY FULL;', t.name) FROM {APP_TABLES} t
 WHERE t.relkind = 'r' AND t.relreplident <> 'f' AND NOT EXISTS (
   SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisvalid AND i.indimmediate
      AND CASE t.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END)"""

NOT_CARRIED = """SELECT format('%s %s', CASE c.relkind WHEN 'f' THEN 'foreign table' ELSE 'unlogged table' END, c.oid::regclass)
  FROM pg_class c WHERE c.relkind = 'f' OR (c.relkind = 'r' AND c.relpersistence = 'u')
UNION ALL SELECT format('%s large objects', count(*)) FROM pg_largeobject_metadata HAVING count(*) > 0"""

PREPARED = "SELECT format('prepared transaction %s of %s', gid, owner) FROM pg_prepared_xacts"

TRIGGERS = """SELECT format('ALTER TABLE %s ENABLE TRIGGER %I;', tgrelid::regclass, tgname) FROM pg_trigger
 WHERE tgenabled IN ('R', 'A') AND NOT tgisinternal"""

SEQUENCES = """SELECT format('%I.%I %s', schemaname, sequencename, CASE
    WHEN NOT has_sequence_privilege(format('%I.%I', schemaname, sequencename), 'SELECT') THEN 'may not be read'
    WHEN cycle THEN 'cycles' ELSE 'is past 80 % of its range' END)
  FROM pg_sequences
 WHERE cycle OR NOT has_sequence_privilege(format('%I.%I', schemaname, sequencename), 'SELECT')
    OR (last_value::numeric - start_value) > 0.8 * (max_value::numeric - start_value) AND increment_by > 0
    OR (start_value::numeric - last_value) > 0.8 * (start_value::numeric - min_value) AND increment_by < 0"""

FOREIGN_SLOTS = (
    "SELECT format('slot %s (%s)', slot_name, plugin) FROM pg_replication_slots WHERE slot_name !~ '^(cut_|pg_)'"
)

PRIVILEGES = """SELECT 'role ' || current_user || ' is no superuser' WHERE NOT
  (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)"""

# The identity of partitions is left out: 17 and newer mark it on the leaves, 16 does not.
COLUMNS = f"""SELECT t.name, md5(string_agg(concat_ws('|', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
         a.attgenerated, CASE WHEN NOT t.relispartition THEN a.attidentity END), E'\\n' ORDER BY a.attname COLLATE "C"))
  FROM {APP_TABLES} t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
 GROUP BY t.name ORDER BY t.name COLLATE "C\""""

VIEWS = "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind = 'm'"


@dataclass(frozen=True)
class SideQuestion(Check):
    """Replication carries rows and nothing else: what it needs and what it leaves behind has to be known before."""

    database: Database
    title: str
    sql: str
    hint: str = ""
    refuses: bool = True

    def look(self) -> Finding:
        return _asked(self.database, self._answer)

    def _answer(self, session: Session) -> Finding:
        found = [str(row[0]) for row in session.rows(self.sql)]
        if not found:
            return Finding.passed(f"{self.title}: fine")
        seen = f"{self.title}: {'; '.join(found[:5])}" + (f" and {len(found) - 5} more" if len(found) > 5 else "")
        return Finding.failed(seen, self.hint) if self.refuses else Finding.passed(f"note: {seen}", warning=True)

    def shell(self) -> str:
        # What is printed is what is wrong; a mere note is no reason to stop.
        return self.database.ask(self.sql, "| (! grep .)" if self.refuses else "")


@dataclass(frozen=True)
class Version(Check):
    """Both directions stand at once only with `origin = none`, which needs PostgreSQL 16 on both sides."""

    database: Database

    def look(self) -> Finding:
        return _asked(self.database, self._answer)

    def _answer(self, session: Session) -> Finding:
        number, text = session.rows(VERSION)[0]
        if number < OLDEST:
            return Finding.failed(f"PostgreSQL {text} on {session.side}, wanted 16 or newer")
        if session.value("SELECT pg_is_in_recovery()"):
            return Finding.failed(f"{session.side} is a standby", "use the address of the writer")
        note = "" if number // 10000 in (16, 18) else " (untested major)"
        return Finding.passed(f"PostgreSQL {text} on {session.side}{note}")

    def shell(self) -> str:
        oldest = OLDEST // 10000
        return self.database.ask(
            "SELECT current_setting('server_version'), CASE WHEN pg_is_in_recovery() THEN 'a standby' END",
            f"| awk '{{ print; ok = $1 + 0 >= {oldest} && !/standby/ }} END {{ exit !ok }}'",
        )


@dataclass(frozen=True)
class SameSchema(Check):
    """Logical replication carries no DDL: green needs every table and column of blue before rows can arrive."""

    blue: Database
    green: Database

    def look(self) -> Finding:
        try:
            with self.blue.open("preflight") as b, self.green.open("preflight") as g:
                ours, theirs = dict(b.rows(COLUMNS)), dict(g.rows(COLUMNS))
        except CutoverError as error:
            return Finding.blind(error.message)
        odd = [f"{name} only on blue" for name in sorted(set(ours) - set(theirs))]
        odd += [f"{name} only on green" for name in sorted(set(theirs) - set(ours))]
        odd += [f"{name} has other columns" for name in sorted(set(ours) & set(theirs)) if ours[name] != theirs[name]]
        if not ours:
            return Finding.failed("blue has no tables", "is this the right database?")
        if odd:
            return Finding.failed("; ".join(odd[:8]), "bring green's schema up to blue's first (pg_dump --schema-only)")
        return Finding.passed(f"{len(ours)} tables with the same columns")

    def shell(self) -> str:
        # What is printed differs: < is blue, > is green.
        return f"""({ask_function("columns", COLUMNS)}
blue=$(columns "${self.blue.variable}") && green=$(columns "${self.green.variable}") &&
diff <(echo "$blue") <(echo "$green"))"""


def _asked(database: Database, answer: Callable[[Session], Finding]) -> Finding:
    try:
        with database.open("preflight") as session:
            return answer(session)
    except CutoverError as error:
        return Finding.blind(error.message)


def preflight(blue: Database, green: Database) -> Sequence[tuple[str, Check]]:
    """Every check of the databases, each with a name."""
    checks: list[tuple[str, Check]] = [("schema", SameSchema(blue, green))]
    for database in (blue, green):
        side = database.side

        def ask(name: str, title: str, sql: str, hint: str = "", *, refuses: bool = True) -> None:
            checks.append((f"{name}-{side}", SideQuestion(database, title, sql, hint, refuses)))  # noqa: B023 - called at once

        checks.append((f"version-{side}", Version(database)))
        ask("settings", "settings", SETTINGS, "ALTER SYSTEM SET …, then restart")
        ask("lock-table", "lock table", LOCK_TABLE, "raise max_locks_per_transaction and restart")
        ask("identity", "tables whose UPDATE and DELETE would fail once published", IDENTITY, "run the statements")
        ask("prepared", "prepared transactions", PREPARED, "COMMIT PREPARED or ROLLBACK PREPARED")
        ask("triggers", "triggers that would fire for replicated rows", TRIGGERS, "run the statements")
        ask("privileges", "privileges", PRIVILEGES, "use a superuser (managed services are untested)")
        ask("sequences", "sequences", SEQUENCES, refuses=False)
        ask("slots", "slots of others, which do not follow the switch", FOREIGN_SLOTS, refuses=False)
    checks.append(
        (
            "not-carried-blue",
            SideQuestion(
                blue, "not carried by logical replication", NOT_CARRIED, "copy these by hand, or make the tables logged"
            ),
        )
    )
    checks.append(
        ("views-blue", SideQuestion(blue, "materialized views, to be refreshed on green", VIEWS, refuses=False))
    )
    checks.append(
        (
            "empty-green",
            SideQuestion(
                green,
                "rows that no copy of ours has brought",
                FILLED_BY_OTHERS,
                "if they surely are only an old copy, empty the tables (SET session_replication_role = replica; TRUNCATE …)",
            ),
        )
    )
    return checks
