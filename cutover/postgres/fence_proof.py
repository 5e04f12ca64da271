"""The proof of the fence: a write to every table of a side is tried, and the server has to refuse each of them."""

from dataclasses import dataclass

from cutover.core.errors import CutoverError
from cutover.core.gate import Check, Finding
from cutover.postgres.session import Database, Session
from cutover.postgres.sides import APP_TABLES, FENCE

# Nothing is written even where it is accepted: no row is asked for, and the transaction is rolled back. What a session may
# leave out by itself, the read-only default, is left out here; the fence has to hold without it. A table may have a rule
# that makes nothing of one of both, or a trigger of its own that refuses first: there the catalog has to do.
TRY = f"""DO $proof$ DECLARE one record; tried text; accepted text[] := '{{}}'; busy text[] := '{{}}'; refused boolean; other boolean; BEGIN
  FOR one IN SELECT t.name, (SELECT quote_ident(attname) FROM pg_attribute a WHERE a.attrelid = t.oid AND attnum > 0
                            AND NOT attisdropped AND attgenerated = '' AND attidentity <> 'a' ORDER BY attnum LIMIT 1) AS first,
                  EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = t.oid AND tgname = '{FENCE}' AND tgenabled = 'O') AS fenced
             FROM {APP_TABLES} t ORDER BY t.name LOOP
    refused := false; other := false;
    FOREACH tried IN ARRAY ARRAY['DELETE FROM ONLY ' || one.name || ' WHERE false',
                                 'UPDATE ONLY ' || one.name || ' SET ' || one.first || ' = ' || one.first || ' WHERE false'] LOOP
      BEGIN
        IF NOT refused AND tried IS NOT NULL THEN EXECUTE tried; END IF;
      EXCEPTION WHEN read_only_sql_transaction THEN refused := true;  -- as wanted
        WHEN lock_not_available OR query_canceled THEN busy := busy || one.name; refused := true;
        WHEN OTHERS THEN other := true;
      END;
    END LOOP;
    IF NOT refused AND NOT (other AND one.fenced) THEN accepted := accepted || one.name; END IF;
  END LOOP;
  PERFORM set_config('cutover.accepted', array_to_string(accepted, '; '), true),
          set_config('cutover.busy', array_to_string(busy, '; '), true);
END $proof$"""
ACCEPTED = """SELECT concat_ws(' ', 'accepted by ' || nullif(current_setting('cutover.accepted'), ''),
                 'could not be tried, it is locked: ' || nullif(current_setting('cutover.busy'), ''))"""
TRIED = f"SELECT count(*) FROM {APP_TABLES} t"
# No trigger of ours, and none of the application's, stops a session that begins in this mode.
REPLICA = """SELECT coalesce(format('role %s', quote_ident(r.rolname)), 'every role') || ' begins in replica mode, which no fence stops',
       CASE WHEN r.rolname IS NULL THEN format('ALTER DATABASE %I RESET session_replication_role;', current_database())
            ELSE format('ALTER ROLE %I%s RESET session_replication_role;', r.rolname,
                        CASE WHEN s.setdatabase <> 0 THEN format(' IN DATABASE %I', current_database()) END) END
  FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole
 WHERE 'session_replication_role=replica' = ANY (s.setconfig)
   AND (s.setdatabase = 0 OR s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())) ORDER BY 1"""


@dataclass(frozen=True)
class WritesRefused(Check):
    """A fence is proven by a write that it refuses, not by the word of a catalog; tried on every table, and never kept."""

    writes = True

    database: Database

    def look(self) -> Finding:
        side = self.database.label
        try:
            with self.database.open("proof") as session:
                accepted, tried = _tried(session)
                around = session.rows(REPLICA)
        except CutoverError as error:
            return Finding.blind(error.message)
        if accepted.startswith("could not"):
            return Finding.not_yet(f"a write to {side} {accepted[:300]}")
        if accepted:
            return Finding.failed(
                f"{side} does not refuse writes: {accepted[:300]}",
                "`invoke status` says which side serves; stop the application",
            )
        if around:
            return Finding.failed(f"{side}: {around[0][0]}", str(around[0][1]))
        return Finding.passed(f"{side} refused a write to each of {tried} tables", tables=tried)

    def shell(self) -> str:
        tried = self.database.psql(f"BEGIN;\n{TRY};\n\\t on\n\\a\n{ACCEPTED};\nROLLBACK;")
        return f"""(set -euo pipefail
accepted=$({tried}
)
around=$({self.database.ask(REPLICA)}
)
if [ -n "$accepted$around" ]; then echo "{self.database.label} does not refuse writes: $accepted $around" >&2; exit 1; fi
echo '{self.database.label} refuses writes')"""


def _tried(session: Session) -> tuple[str, int]:
    session.run("BEGIN")
    try:
        session.run(TRY, timeout=60.0)
        return str(session.value(ACCEPTED)), int(session.value(TRIED))
    finally:
        session.run("ROLLBACK")
