"""The switch as one self-contained bash script, for the runbook: what a person pastes when the program is not at hand."""

from collections.abc import Sequence

from cutover.postgres.ddl_guard import LARGE_OBJECTS, MAKERS, NOTED_BY_HAND, OUR_TRIGGERS
from cutover.postgres.direction import ADVANCE
from cutover.postgres.gaps import whole_shell
from cutover.postgres.moving import Move
from cutover.postgres.preflight.fingerprint import COLUMNS
from cutover.postgres.reaper import PATIENT_WITH_DEADLOCKS
from cutover.postgres.replication import FILTERS_ORIGINS, subscription_name
from cutover.postgres.sides import APP_TABLES, FENCE, STATE, end_sessions_until

_SCRIPT = r"""bash <<'CUTOVER'
set -euo pipefail
# The program does the same, and compares the rows that changed since the last validation before it commits the fence.
# No shell can do that while writes wait: let `invoke validate` say that the sides are equal before you paste this.
export PGOPTIONS='-c default_transaction_read_only=off -c search_path=pg_catalog' PGAPPNAME='cutover by hand' PGCONNECT_TIMEOUT=5
on() { timeout "${3:-20}" psql "$1" -X -q -A -t -v ON_ERROR_STOP=1 -c "$2"; }  # a link that hangs ends, too
state() { on "$1" "$STATE" | cut -d'|' -f1; }
STATE=$(cat <<'SQL'
@STATE@
SQL
)
triggers() { cat <<SQL
DO \$do\$ DECLARE t regclass; BEGIN
  FOR t IN SELECT tgrelid FROM pg_trigger WHERE tgname = '@FENCE@' AND NOT tgisinternal ORDER BY tgrelid::regclass::text LOOP
    EXECUTE format('ALTER TABLE ONLY %s $1 TRIGGER @FENCE@', t);
  END LOOP; END \$do\$;
SQL
}
old_sessions() { cat <<SQL
@OLD_SESSIONS@;
SQL
}
@DATABASES@
@MEETING@
send_away() {  # the sessions that wrote until now; their clients reconnect to the other side
  local first
  first=$(on "$FROM" "$(old_sessions infinity)" | cut -d'|' -f1)
  sleep "$LATE_STARTERS"  # one that was just starting shows itself only now; who came later has seen the fence
  on "$FROM" "$(old_sessions "$first")" >/dev/null
}
arrive() {  # only a marker row that arrives, within $1 seconds, proves that the other side has everything
  local token end
  token=$(on "$FROM" "INSERT INTO cutover.marker (token, src) VALUES (gen_random_uuid(), '@SIDE@') RETURNING token")
  end=$(( $(date +%s) + $1 ))
  until [ -n "$(on "$TO" "SELECT 1 FROM cutover.marker WHERE token = '$token'")" ]; do
    [ "$(date +%s)" -le "$end" ] || { echo 'the other side has not caught up; nothing was switched' >&2; exit 1; }
  done
}
@UNSEEN_DDL@let_go() {  # clients that were paused for nothing go on where they were
  [ "$BASHPID" = "$me" ] || return 0  # a child that is ended before it has dropped the trap must not let them go
  if [ "$(state "$FROM")" = open ]; then direct_clients @SIDE@; fi
}
move_writes() {  # of one database; its fence is committed when the others are ready to, too
me=$BASHPID
found="$(state "$FROM")/$(state "$TO")"
echo "${NAME}writing side / other side: $found"
case "$found" in
  fenced/open) echo "${NAME}already switched"; return 0 ;;
  fenced/fenced) echo "${NAME}fenced, not opened: opening the other side"; meet ready ;;
  open/fenced)
    # On 15 the way back is a slot, moved past everything that was applied: once now, and for the little rest inside.
    slot=
    if [ "$(on "$FROM" "@FILTERS@")$(on "$TO" "@FILTERS@")" != tt ]; then
      slot=$SLOT
      waits=$(on "$FROM" "SELECT NOT subenabled FROM pg_subscription WHERE subname = '$slot'")
      kept=$(on "$TO" "SELECT wal_status <> 'lost' FROM pg_replication_slots WHERE slot_name = '$slot'")
      [ "$waits$kept" = tt ] || { echo "$slot is not ready for the way back; nothing was touched" >&2; exit 1; }
      on "$TO" "$(advance)" 600 >/dev/null
    fi
    arrive 60  # whoever is far behind would keep the writes waiting
@WHOLE@    trap 'leave; let_go' EXIT
    pause_clients @TO_SIDE@
    # One psql session holds the fence. If this script dies, its transaction ends and the writing side writes on.
    coproc F { psql "$FROM" -X -q -A -t -v ON_ERROR_STOP=1 2>&1; }
    say() {  # runs $1 in the fence session, prints its answer, fails when the session has ended
      local line
      printf '%s\n\\echo --end--\n' "$1" >&"${F[1]}"
      while IFS= read -r -t 20 line <&"${F[0]}"; do [ "$line" = '--end--' ] && return 0; printf '%s\n' "$line"; done
      echo "the fence session ended; run this again to see where it stands" >&2; return 1
    }
    say "SET idle_in_transaction_session_timeout = '${DEAD_MAN}ms';"   # the dead-man switch
    pid=$(say 'SELECT pg_backend_pid();')
    tables=$(on "$FROM" "SELECT string_agg('ONLY ' || name, ', ' ORDER BY name) FROM @APP_TABLES@ t")
    # The reaper ends whoever stands between us and the locks.
    ( while kill -0 $$ 2>/dev/null && sleep 0.05; do  # $$ is this script: a reaper must not outlive it
        for b in $(on "$FROM" "SELECT b FROM unnest(pg_blocking_pids($pid)) b JOIN pg_stat_activity a ON a.pid = b
                                WHERE a.backend_type NOT LIKE 'logical replication%'"); do
          on "$FROM" "SELECT pg_terminate_backend($b)" >/dev/null || true  # one that may not be ended keeps no other
        done
      done ) & reaper=$!
    trap 'leave; kill -9 $reaper 2>/dev/null || true; let_go' EXIT
    say "BEGIN; SET LOCAL synchronous_commit = on; SET LOCAL lock_timeout = '${LOCK}ms'; @PATIENT@;
         LOCK TABLE $tables IN SHARE ROW EXCLUSIVE MODE;"
    kill -9 $reaper; wait $reaper 2>/dev/null || true  # a mere kill, when it has just begun, would run this script's trap in it
@REFUSE_DDL@    arrive "$CATCH_UP"
    {
      echo 'SET synchronous_commit = on; BEGIN;'
      psql "$FROM" -X -q -A -t -v ON_ERROR_STOP=1 -v margin="$MARGIN" <<'SQL'
SELECT format('SELECT format(''SELECT setval(%%L, %%s, %%L);'', %L, CASE WHEN is_called
    THEN last_value + %s * least(%s, greatest(0, trunc((%s - last_value::numeric) / %s / 2))) ELSE last_value END, is_called) FROM %s',
    name, increment_by, :margin, CASE WHEN increment_by > 0 THEN max_value ELSE min_value END, increment_by, name)
  FROM (SELECT format('%I.%I', schemaname, sequencename) AS name, * FROM pg_sequences WHERE schemaname <> 'cutover') s \gexec
SQL
      echo 'UPDATE cutover.fencing SET hi = hi; COMMIT;'
    } | timeout 20 psql "$TO" -X -q -A -t -v ON_ERROR_STOP=1 >/dev/null
    if [ -n "$slot" ]; then
      position=$(on "$TO" "$(advance)")
      # The slot's own position would not survive a crash; the subscriber asks from where its origin stands.
      say "SELECT pg_replication_origin_advance('pg_' || oid, '$position') FROM pg_subscription WHERE subname = '$slot';" >/dev/null
    fi
    say "$(triggers ENABLE)"
    say "SELECT format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()) \\gexec"
    fenced=$(say "$STATE;")
    [ "${fenced%%|*}" = fenced ] || { echo "not every table is fenced: $fenced; nothing was switched" >&2; exit 1; }
    on "$TO" 'SELECT 1' >/dev/null   # a side that died since then could not be opened
    meet ready
    say 'COMMIT;'   # the commit point: from here one goes forward
    ;;
  *) echo "${NAME}this is not a state that may be switched; nothing was touched" >&2; exit 1 ;;
esac
meet fenced
timeout 20 psql "$TO" -X -q -v ON_ERROR_STOP=1 <<SQL || { echo 'the other side was not opened; run this again' >&2; exit 1; }
BEGIN;
SET LOCAL synchronous_commit = on;
$(triggers DISABLE)
SELECT format('ALTER DATABASE %I RESET default_transaction_read_only', current_database()) \gexec
COMMIT;
SQL
}
serve() {
direct_clients @TO_SIDE@
send_away
echo "${NAME}writing side / other side: $(state "$FROM")/$(state "$TO")"
}
@ALL@
CUTOVER"""

# As `unseen_ddl` of the DDL guard.
_UNSEEN_DDL = r"""columns() { timeout 20 psql "$1" -X -q -A -t -v ON_ERROR_STOP=1 <<'SQL'
@COLUMNS@;
SQL
}
unseen_ddl() {  # what was done to the writing side's schema and nobody has settled; the locks stop all other DDL on its tables
  # Whoever is just making a table is sent away: it could come to light after the fence, with rows and without a trigger.
  on "$FROM" "SELECT CASE WHEN pid IS NULL THEN 'a prepared transaction makes a table' WHEN pg_terminate_backend(pid, 1000) THEN NULL END
FROM (@MAKERS@) makers"
  timeout 20 psql "$FROM" -X -q -A -t -v ON_ERROR_STOP=1 <<'SQL'
@NOTED@
SQL
  on "$FROM" "@LARGE_OBJECTS@"
  if [ "$(on "$FROM" "SELECT count(*) FROM pg_event_trigger WHERE @OUR_TRIGGERS@ AND evtenabled = 'O'")" != 2 ]; then
    diff <(columns "$FROM") <(columns "$TO") || true
  fi
}
"""
_REFUSE_DDL = """    odd=$(unseen_ddl)
    [ -z "$odd" ] || { echo "DDL or large objects on the writing side that nobody has settled; nothing was switched: $odd" >&2; exit 1; }
"""

_NO_POOL = "pause_clients() { :; }  # clients find the writable side by themselves\ndirect_clients() { :; }"

_ALONE = """meet() { :; }  # there is one database only
leave() { :; }"""
# A part that fails, and a script that is gone, end the others before their commit; whoever waits too long ends, too.
_MEETING = """meeting=$(mktemp -d); trap 'rm -rf "$meeting"' EXIT
meet() {  # waits until all databases have come as far as $1
  local n=0; : >"$meeting/$1-$database"
  until [ "$(ls "$meeting" | grep -c "^$1-")" = @COUNT@ ]; do
    if [ -e "$meeting/failed" ] || ! kill -0 $$ 2>/dev/null || [ $((n += 1)) -gt 600 ]; then
      echo "${NAME}another database has not come as far as $1; run this again to see where it stands" >&2; exit 1
    fi
    sleep 0.05
  done
}
leave() { [ $? = 0 ] || : >"$meeting/failed"; }"""
_EACH = """parts=() failed=
for database in @NAMES@; do ( trap leave EXIT; "$database"; move_writes ) & parts+=($!); done
for part in "${parts[@]}"; do wait "$part" || failed=1; done
[ -z "$failed" ] || { echo 'not every database was switched: run this again to see where each of them stands' >&2; exit 1; }
for database in @NAMES@; do ( "$database"; serve ); done"""


def script(moves: Sequence[Move]) -> str:
    """The script for one direction, with all databases side by side; connection strings are shell variables."""
    names = [_function(number) for number in range(1, len(moves) + 1)]
    several = len(moves) > 1
    ddl = any(move.refuses_ddl for move in moves)
    values = {
        "UNSEEN_DDL": _UNSEEN_DDL if ddl else "",
        "REFUSE_DDL": _REFUSE_DDL if ddl else "",
        "COLUMNS": COLUMNS,
        "MAKERS": MAKERS,
        "NOTED": NOTED_BY_HAND,
        "OUR_TRIGGERS": OUR_TRIGGERS,
        "LARGE_OBJECTS": LARGE_OBJECTS,
        "STATE": STATE,
        "FILTERS": FILTERS_ORIGINS,
        "OLD_SESSIONS": end_sessions_until("$1"),
        "DATABASES": "\n".join(_database(name, move) for name, move in zip(names, moves, strict=True)),
        "MEETING": _MEETING.replace("@COUNT@", str(len(moves))) if several else _ALONE,
        "ALL": _EACH.replace("@NAMES@", " ".join(names)) if several else f"{names[0]}\nmove_writes\nserve",
        "WHOLE": whole_shell(moves[0].source.side),
        "SIDE": moves[0].source.side,
        "TO_SIDE": moves[0].target.side,
        "APP_TABLES": APP_TABLES,
        "FENCE": FENCE,
        "PATIENT": PATIENT_WITH_DEADLOCKS.replace("$", r"\$"),
    }
    text = _SCRIPT
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _database(function: str, move: Move) -> str:
    """A shell function that says which database is meant from then on."""
    slot, fence = subscription_name(move.target, move.source), move.fence
    label = f"{move.source.name}: " if move.source.name else ""
    return f"""{function}() {{
FROM="${move.source.variable}" TO="${move.target.variable}" NAME='{label}' SLOT={slot}
DEAD_MAN={int(fence.dead_man * 1000)} LOCK={int(fence.lock_timeout * 1000)} CATCH_UP={max(1, round(fence.catch_up))}
MARGIN={fence.sequence_margin} LATE_STARTERS={fence.late_starters:g}
advance() {{ echo "{ADVANCE.format(name=slot)}"; }}
{move.pool.functions() if move.pool is not None else _NO_POOL}
}}"""


def _function(number: int) -> str:
    return f"database_{number}"
