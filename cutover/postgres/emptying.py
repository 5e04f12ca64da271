"""Before the first copy green has no rows; taking the copy back leaves it so again, and touches nothing that is not a copy."""

from dataclasses import dataclass

from cutover.core.clock import Deadline
from cutover.core.step import Command
from cutover.postgres.session import Database
from cutover.postgres.sides import APP_TABLES, STATE_WORD

PATIENCE = 300.0  # seconds; a large table's files take their time to go

# query_to_xml, because whether a table has rows is a question for each table, and psql answers one statement.
FILLED = f"""SELECT t.name FROM {APP_TABLES} t
 WHERE t.relkind = 'r' AND query_to_xml(format('SELECT FROM ONLY %s LIMIT 1', t.name), true, true, '')::text LIKE '%<row%'
 ORDER BY 1"""
# The kit may not be there yet, and a question about a table that does not exist is an error.
FILLED_BY_OTHERS = f"""SELECT * FROM ({FILLED}) filled WHERE NOT CASE WHEN to_regclass('cutover.copied') IS NULL THEN false
  ELSE query_to_xml('SELECT FROM cutover.copied', true, true, '')::text LIKE '%<row%' END"""

# `cutover.copied` is the proof that the rows came by our copy: it is written before the first of them, into a fenced side.
# The locks come before the looks, so that what is seen stays so until the tables are empty.
_EMPTY = f"""IF EXISTS (SELECT FROM cutover.copied) THEN
    EXECUTE 'LOCK TABLE ' || tables || ' IN ACCESS EXCLUSIVE MODE';
    state := ({STATE_WORD});
    IF state <> 'fenced' THEN
      RAISE EXCEPTION 'not emptied: the fence of % is %, so its rows may be more than a copy', current_database(), state
        USING HINT = 'empty the tables by hand if they surely are only a copy';
    END IF;
    slots := (SELECT string_agg(slot_name, ', ') FROM pg_replication_slots WHERE database = current_database());
    IF slots IS NOT NULL THEN
      RAISE EXCEPTION 'not emptied: replication slots of % would carry the deletion to others: %', current_database(), slots
        USING HINT = 'end what reads them, drop them, and try again';
    END IF;
    PERFORM set_config('session_replication_role', 'replica', true);
    EXECUTE 'TRUNCATE ' || tables;
    DELETE FROM cutover.copied;
  END IF;"""


def _block(body: str) -> str:
    return f"""DO $$
DECLARE
  -- A partitioned table, too: it holds no rows, but its foreign keys forbid emptying what they refer to without it.
  tables text := (SELECT string_agg(CASE relkind WHEN 'r' THEN 'ONLY ' ELSE '' END || name, ', ' ORDER BY name) FROM {APP_TABLES} t);
  state text;
  slots text;
  filled text;
BEGIN
  IF tables IS NULL THEN RETURN; END IF;
  {body}
END $$"""


EMPTY = _block(_EMPTY)
READY_TO_FILL = _block(
    f"""{_EMPTY}
  filled := (SELECT string_agg(name, ', ') FROM (
{FILLED} LIMIT 5) found);
  IF filled IS NOT NULL THEN
    RAISE EXCEPTION 'there are rows already that no copy of ours has brought: %; nothing was deleted', filled
      USING ERRCODE = '55000',
            HINT = 'if they surely are only an old copy: SET session_replication_role = replica; TRUNCATE those tables';
  END IF;
  INSERT INTO cutover.copied DEFAULT VALUES;"""
)


@dataclass(frozen=True)
class EmptyAgain(Command):
    """Empties the tables that the copy has filled; refused unless the side is fenced and nobody reads its changes."""

    target: Database

    def run(self, deadline: Deadline) -> None:
        with self.target.open("empty") as session:
            session.run(EMPTY, timeout=min(PATIENCE, deadline.remaining()))

    def shell(self) -> str:
        return self.target.psql(f"{EMPTY};")


@dataclass(frozen=True)
class ReadyToFill(Command):
    """Takes away what an earlier copy of ours left, refuses rows of any other origin, and notes that a copy begins."""

    target: Database

    def run(self, deadline: Deadline) -> None:
        with self.target.open("empty") as session:
            session.run(READY_TO_FILL, timeout=min(PATIENCE, deadline.remaining()))

    def shell(self) -> str:
        return self.target.psql(f"{READY_TO_FILL};")
