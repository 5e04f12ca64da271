"""The DDL guard: an event trigger that notes what is done to a side's schema while that side takes the writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cutover.core.clock import Deadline
from cutover.core.step import Command, Step
from cutover.postgres.kit import WAIT_FOR_LOCK, patiently
from cutover.postgres.preflight.fingerprint import COLUMNS
from cutover.postgres.session import Database, Session

TRIGGERS = {"cutover_ddl": "ddl_command_end", "cutover_sql_drop": "sql_drop"}
OUR_TRIGGERS = "evtname IN ('cutover_ddl', 'cutover_sql_drop')"

# Noted is what rows or queries could miss on the other side. Privileges and comments are compared by the preflight.
TABLE = """CREATE TABLE IF NOT EXISTS cutover.ddl (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
  who text NOT NULL, application text NOT NULL, tag text NOT NULL, object text NOT NULL, settled timestamptz);
CREATE OR REPLACE FUNCTION cutover.note_ddl() RETURNS event_trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE touched text;
BEGIN
  -- A fenced side is where people make the same again, and where nobody's rows can be missed.
  IF current_setting('application_name') ~ '^cutover'
     OR tg_tag ~ '^(COMMENT|GRANT|REVOKE|SECURITY LABEL|REFRESH|REINDEX|ALTER DEFAULT PRIVILEGES)|(PUBLICATION|SUBSCRIPTION)$'
     OR EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
                 WHERE d.datname = current_database() AND s.setrole = 0
                   AND 'default_transaction_read_only=on' = ANY (s.setconfig)) THEN
    RETURN;
  END IF;
  IF tg_event = 'sql_drop' THEN
    IF tg_tag !~ '^DROP' THEN RETURN; END IF;  -- what an ALTER drops is noted with the ALTER
    SELECT string_agg(object_type || ' ' || object_identity, ', ' ORDER BY object_identity) INTO touched
      FROM pg_event_trigger_dropped_objects()
     WHERE original AND NOT is_temporary AND coalesce(schema_name, '') !~ '^(pg_|cutover$)'
       AND object_identity !~ '( on |^)(pg_temp|cutover)\\.';
  ELSE
    SELECT string_agg(object_type || ' ' || object_identity, ', ' ORDER BY command_tag <> tg_tag, object_identity) INTO touched
      FROM pg_event_trigger_ddl_commands()
     WHERE NOT in_extension AND coalesce(schema_name, '') !~ '^(pg_|cutover$)'
       AND object_identity !~ '( on |^)(pg_temp|cutover)\\.';
  END IF;
  IF touched IS NOT NULL THEN
    INSERT INTO cutover.ddl (who, application, tag, object)
    VALUES (session_user, current_setting('application_name'), tg_tag, left(touched, 500));
  END IF;
EXCEPTION WHEN OTHERS THEN
  -- The application's DDL comes first; the guard's polling still sees what this note would have said.
  RAISE WARNING 'cutover: this DDL was not noted: %', sqlerrm;
END $$;"""

_MAKE = "\n".join(
    f"""  IF NOT EXISTS (SELECT FROM pg_event_trigger WHERE evtname = '{name}') THEN
    CREATE EVENT TRIGGER {name} ON {event} EXECUTE FUNCTION cutover.note_ddl();
  END IF;
  ALTER EVENT TRIGGER {name} ENABLE;"""
    for name, event in TRIGGERS.items()
)
# Only a superuser may make one, and on managed services whoever stands in for it: who may not is refused here, and polls.
INSTALL = f"""{TABLE}
DO $do$ BEGIN
{_MAKE}
  COMMENT ON TABLE cutover.ddl IS 'noted by event triggers';
EXCEPTION WHEN insufficient_privilege THEN
  COMMENT ON TABLE cutover.ddl IS 'polling alone';
END $do$;"""
REMOVE = """DROP EVENT TRIGGER IF EXISTS cutover_sql_drop;
DROP EVENT TRIGGER IF EXISTS cutover_ddl;
DROP FUNCTION IF EXISTS cutover.note_ddl();
DROP TABLE IF EXISTS cutover.ddl;"""

GUARD_WORD = f"""SELECT CASE
  WHEN to_regclass('cutover.ddl') IS NULL AND ours = 0 THEN 'absent'
  WHEN to_regclass('cutover.ddl') IS NOT NULL AND (enabled = 2 OR ours = 0 AND how = 'polling alone') THEN 'watched'
  ELSE 'partial' END
FROM (SELECT count(*) AS ours, count(*) FILTER (WHERE evtenabled = 'O') AS enabled,
             obj_description(to_regclass('cutover.ddl'), 'pg_class') AS how
        FROM pg_event_trigger WHERE {OUR_TRIGGERS}) seen"""

NOTED = """SELECT id, format('%s of %s by %s (%s) at %s', tag, object, who,
         coalesce(nullif(application, ''), 'no application name'), to_char(at, 'YYYY-MM-DD HH24:MI:SS'))
  FROM cutover.ddl WHERE settled IS NULL ORDER BY id"""
# For people: nothing is printed where no guard stands, and where there is nothing to say.
NOTED_BY_HAND = f"""SELECT to_regclass('cutover.ddl') IS NOT NULL AS there \\gset
\\if :there
{NOTED};
\\endif
--"""
SETTLED = "UPDATE cutover.ddl SET settled = now() WHERE id <= {} AND settled IS NULL"

# A table that is just being made is locked by its maker, and nobody else's catalog has it yet.
MAKERS = """SELECT l.pid FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'AccessExclusiveLock' AND l.relation >= 16384
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND (l.pid IS NULL OR a.backend_type = 'client backend' AND a.application_name !~ '^cutover')
   AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = l.relation) GROUP BY l.pid"""


class Note(NamedTuple):
    """One statement that changed the schema of a side that took the writes."""

    id: int
    says: str


def notes(session: Session) -> list[Note]:
    """What was noted on this side and nobody has settled yet; nothing where no guard stands."""
    if session.value("SELECT to_regclass('cutover.ddl') IS NULL"):
        return []
    return [Note(*row) for row in session.rows(NOTED)]


def settle_shell(database: Database, last: Note) -> str:
    """The command that settles all notes up to `last`, once the same has been made on the other side."""
    return f'psql "${database.variable}" -c "{SETTLED.format(last.id)}"'


# No event trigger sees one being made, and no publication takes it along.
LARGE_OBJECTS = "SELECT format('%s large objects, which are never replicated', count(*)) FROM pg_largeobject_metadata HAVING count(*) > 0"


def unseen_ddl(source: Session, target: Session) -> list[str]:
    """What was made on the source and the target does not have, for the transaction that holds its locks; empty when nothing.

    Whoever is just making a table is sent away: it could come to light after the fence, with rows and without a trigger.
    The locks stop every other DDL on the tables, so this look is proof. Where no event trigger notes, both sides'
    columns are compared, which costs about a millisecond for ten tables.
    """
    for (pid,) in source.rows(MAKERS):
        if pid is None:
            return ["a prepared transaction makes a table"]
        source.run("SELECT pg_terminate_backend(%s, 1000)", [pid])
    odd = [note.says for note in notes(source)] + [told for (told,) in source.rows(LARGE_OBJECTS)]
    if odd or source.value(f"SELECT count(*) = 2 FROM pg_event_trigger WHERE {OUR_TRIGGERS} AND evtenabled = 'O'"):
        return odd
    ours, theirs = dict(source.rows(COLUMNS)), dict(target.rows(COLUMNS))
    return [
        f"other columns in {name}" for name in sorted(ours.keys() | theirs.keys()) if ours.get(name) != theirs.get(name)
    ]


@dataclass(frozen=True)
class InstallGuard(Command):
    """Notes DDL on one side from now on; notes that are there stay."""

    database: Database

    def run(self, deadline: Deadline) -> None:
        with self.database.open("ddl guard") as session:
            session.run(INSTALL)

    def shell(self) -> str:
        return self.database.psql(INSTALL)


@dataclass(frozen=True)
class RemoveGuard(Command):
    """Takes event triggers and notes away."""

    database: Database

    def run(self, deadline: Deadline) -> None:
        with self.database.open("ddl guard", settings={"lock_timeout": WAIT_FOR_LOCK}) as session:
            patiently(session, f"BEGIN; {REMOVE} COMMIT;", deadline)

    def shell(self) -> str:
        return self.database.psql(f"BEGIN;\n{REMOVE}\nCOMMIT;")


@dataclass(frozen=True, kw_only=True)
class DdlGuard(Step[str]):
    """Notes every CREATE, ALTER and DROP of the application while its rows are being followed.

    Replication carries rows and no DDL. Polling sees what is left of it; an event trigger also sees what a statement did
    between two looks, and who it was. It costs rows nothing, never fails a statement, and is silent on a fenced side,
    so the same trigger watches blue before the switch and green after it. Where the role may not make event triggers,
    polling alone is at work. It is a step of its own because the kit has to stay on blue after everything else is gone.
    """

    database: Database
    before: str = "absent"
    after: str = "watched"
    between: frozenset[str] = frozenset({"partial"})
    standing: bool = True
    settle: float = 30.0

    @property
    def resource(self) -> str:
        return f"ddl-guard:{self.database.label}"

    def observe(self) -> str:
        with self.database.open("state") as session:
            return str(session.value(GUARD_WORD))

    def commands(self, target: str) -> Sequence[Command]:
        return (InstallGuard(self.database) if target == "watched" else RemoveGuard(self.database),)

    def check_shell(self) -> str:
        return self.database.ask(GUARD_WORD)
