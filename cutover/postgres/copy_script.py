"""The first copy as a person pastes it: one psql keeps the snapshot, and others copy a table each. A killed one begins anew."""

from cutover.postgres.copy_parts import FINISHED, FORGET, LEAVES, MAKE
from cutover.postgres.emptying import ReadyToFill
from cutover.postgres.keeper import COPIER, END, KEEPER
from cutover.postgres.rowhash import PINNED
from cutover.postgres.session import Database

OPTIONS = " ".join(f"-c {name}={value}" for name, value in PINNED.items())
STATEMENTS = rf"""SELECT format(E'COPY (SELECT %s FROM ONLY %s) TO STDOUT\tCOPY %s%s FROM STDIN', columns, name, name, ' (' || nullif(columns, '') || ')')
  FROM ({LEAVES}) l(name, oid, filenode, size, pages, columns) ORDER BY size DESC"""


def _drop(source: Database, slot: str) -> str:
    ends = "\n".join(f"{END.format(name=name)};" for name in (COPIER, KEEPER))
    return source.psql(
        f"""{ends}
SELECT pg_sleep(0.5);
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{slot}' AND NOT active;"""
    )


def copy_script(source: Database, target: Database, slot: str, jobs: int) -> str:
    """The slot with its snapshot, every table under it, and the note that all of them are there."""
    copied = f"""SELECT EXISTS (SELECT FROM pg_subscription WHERE subname = '{slot}') OR {FINISHED}"""
    finished = (
        f"SELECT format('INSERT INTO cutover.copy_run (slot, position, snapshot, finished) VALUES (%L, %L, %L, now())', "
        f"'{slot}', :'position', :'snapshot') \\gexec"
    )
    return f"""(set -euo pipefail
if [ "$({target.ask(copied)}
)" = t ]; then exit 0; fi
{_drop(source, slot)}
{ReadyToFill(target).shell()}
{target.psql(f"{FORGET};")}
coproc keeper {{ psql "${source.variable}" -X -q -A -t; }}
trap 'eval "exec ${{keeper[1]}}>&-"' EXIT
cat >&"${{keeper[1]}}" <<'SQL'
\\connect -reuse-previous=on "replication=database application_name='{KEEPER}'"
SELECT set_config('idle_in_transaction_session_timeout', '0', false) \\g /dev/null
CREATE_REPLICATION_SLOT {slot} LOGICAL pgoutput EXPORT_SNAPSHOT;
SQL
IFS='|' read -r _ position snapshot _ <&"${{keeper[0]}}"
test -n "$snapshot"
export snapshot PGOPTIONS='{OPTIONS}'
one() {{ local out in
  IFS=$'\\t' read -r out in <<< "$1"
  printf '%s;\\n' 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY' "SET TRANSACTION SNAPSHOT '$snapshot'" "$out" |
    psql "${source.variable}" -X -q -v ON_ERROR_STOP=1 |
    PGOPTIONS="$PGOPTIONS -c default_transaction_read_only=off" psql "${target.variable}" -X -q -v ON_ERROR_STOP=1 \\
      -c 'SET session_replication_role = replica' -c "$in"; }}
export -f one
{source.ask(STATEMENTS, f"| xargs -r -d '{chr(92)}n' -P {jobs} -I STATEMENT bash -euo pipefail -c 'one " + '"$1"' + "' one STATEMENT")}
PGOPTIONS='-c default_transaction_read_only=off' psql "${target.variable}" -X -q -v ON_ERROR_STOP=1 \\
  -v position="$position" -v snapshot="$snapshot" <<'SQL'
{MAKE};
{finished}
SQL
)"""


def attach_script(
    source: Database, target: Database, address: Database, slot: str, publication: str, origins: str
) -> str:
    """The subscription on the slot from which the copy was made."""
    exists = target.ask(f"SELECT 1 FROM pg_subscription WHERE subname = '{slot}'")
    return f"""(set -euo pipefail
if [ -n "$({exists})" ]; then
{target.psql(f"ALTER SUBSCRIPTION {slot} ENABLE;")}
else
if [ "$({target.ask(f"SELECT {FINISHED}")}
)" != t ]; then echo 'the rows are not copied yet' >&2; exit 1; fi
origin=
if [ "$({source.ask(origins)})$({target.ask(origins)})" = tt ]; then origin=', origin = none'; fi
PGOPTIONS='-c default_transaction_read_only=off' psql "${target.variable}" -X -q -v ON_ERROR_STOP=1 -v source="${address.variable}" \\
  -v origin="$origin" <<'SQL'
CREATE SUBSCRIPTION {slot} CONNECTION :'source' PUBLICATION {publication}
  WITH (copy_data = false, create_slot = false, slot_name = '{slot}' :origin);
SQL
fi)"""


def end_script(source: Database, target: Database, slot: str) -> str:
    """What keeps the snapshot, the slot and the notes go."""
    return f"(set -euo pipefail\n{_drop(source, slot)}\n{target.psql(f'{FORGET};')}\n)"
