"""The copy of the schema as a person pastes it: the same programs with the same arguments, in bash."""

from collections.abc import Sequence
from dataclasses import dataclass

from cutover.postgres.made import BEGIN, COMPLETE, DROPS, FORGET, MAY_DROP, NOTED, TABLES, TABLES_WORD, noted
from cutover.postgres.preflight import roles
from cutover.postgres.programs import END_OLD, PURPOSE
from cutover.postgres.session import APPLICATION, Database
from cutover.postgres.toc import KEYS, LATER, OURS

FIELDS = r"translate(identity, E'\n\t', '  ')"  # one line for each object
# Lines of the list whose object is not named by number in the first file (`skip`), or is (`take`).
CHOOSE = """choose() { awk -v how="$1" 'FILENAME == ARGV[1] { named[$1 " " $2] = 1; next }
    /^[0-9]+; [0-9]+ [0-9]+ / { if ((how == "take") == (($2 " " $3) in named)) print }' "$2" "$3"; }"""


@dataclass(frozen=True)
class Flags:
    """What pg_dump and pg_restore are always given."""

    dump: Sequence[str]
    restore: Sequence[str]


def _dump(source: Database, target: Database, flags: Flags) -> str:
    """Makes the folder, asks for programs of the newer side's major version, and dumps."""
    major = "SELECT current_setting('server_version_num')::int / 10000"
    return f"""umask 077; made=$(mktemp -d); trap 'rm -rf "$made"' EXIT
newer=$(printf '%s\\n' "$({source.ask(major)})" "$({target.ask(major)})" | sort -n | tail -n 1)
pg_restore --version | grep -q ") $newer\\b" || {{ echo "pg_dump and pg_restore $newer are wanted on the PATH" >&2; exit 1; }}
pg_dump --dbname="${source.variable}" {" ".join(flags.dump)} --file="$made/schema"
pg_restore --list "$made/schema" > "$made/all"
restore() {{ PGAPPNAME='{APPLICATION} {PURPOSE}' PGOPTIONS='-c default_transaction_read_only=off' pg_restore --dbname="${target.variable}" \\
  {" ".join(flags.restore)} "$@" "$made/schema"; }}"""


def _named(database: Database, sql: str, file: str) -> str:
    return database.ask(sql, f'> "$made/{file}"')


def _missing(source: Database, target: Database) -> str:
    """Leaves in $made/missing the lines of the list whose objects the target lacks."""
    pairs = f"SELECT class || ' ' || oid || E'\\t' || class || ' ' || {FIELDS} FROM ({LATER}) x(class, oid, identity)"
    names = f"SELECT class || ' ' || {FIELDS} FROM ({LATER}) x(class, oid, identity)"
    fences = f"SELECT class || ' ' || oid FROM ({OURS}) x(class, oid)"
    return f"""{CHOOSE}
{_named(source, pairs, "here")}
{_named(target, names, "there")}
{_named(source, fences, "skip")}
awk -F '\\t' 'FILENAME == ARGV[1] {{ there[$0] = 1; next }} $2 in there {{ print $1 }}' "$made/there" "$made/here" >> "$made/skip"
choose skip "$made/skip" "$made/all" > "$made/missing\""""


def tables_script(source: Database, target: Database, flags: Flags, *, keys: bool) -> str:
    """Tables and what belongs to them; with `keys` the replica identities, too."""
    needed = (
        f"SELECT name, statement FROM ({roles.NEEDED}) x(name, definition, statement, change, remove, tbl) ORDER BY 1"
    )
    have = f"SELECT name FROM ({roles.ROLES}) x(name, definition)"
    make_keys = f"""{_missing(source, target)}
{_named(source, f"SELECT class || ' ' || oid FROM ({KEYS}) x(class, oid)", "keys")}
choose take "$made/keys" "$made/missing" > "$made/chosen"
if [ -s "$made/chosen" ]; then restore --use-list="$made/chosen"; fi
"""
    return f"""(set -euo pipefail
if [ "$({target.ask(TABLES_WORD)}
)" = present ]; then exit 0; fi
{_dump(source, target, flags)}
{_named(target, have, "roles")}
{_named(source, needed, "needed")}
awk -F '|' 'FILENAME == ARGV[1] {{ have[$0] = 1; next }} !($1 in have) {{ print $2; odd = 1 }} END {{ exit odd }}' \
  "$made/roles" "$made/needed" >&2
{target.psql(f"{END_OLD};{chr(10)}{BEGIN};")}
{target.psql(f"{DROPS} " + chr(92) + "gexec")}
restore --section=pre-data
{make_keys if keys else ""}{target.psql(f"{noted(TABLES)};")}
)"""


def complete_script(source: Database, target: Database, flags: Flags, *, jobs: int) -> str:
    """What is still missing, and the note that nothing is."""
    return f"""(set -euo pipefail
if [ "$({target.ask(NOTED)}
)" != {TABLES} ]; then exit 0; fi
{_dump(source, target, flags)}
{target.psql(f"{END_OLD};")}
{_missing(source, target)}
# a foreign key and a transaction that is just being applied may lock each other out: the missing rest is tried again
for try in 1 2 3; do
  if ! [ -s "$made/missing" ] || restore --section=post-data --jobs={jobs} --use-list="$made/missing"; then break; fi
  test "$try" != 3
{_missing(source, target)}
done
{target.psql(f"{noted(COMPLETE)};")}
)"""


def drop_script(target: Database) -> str:
    """What the copy has made, while no table holds a row."""
    return f"""(set -euo pipefail
if [ "$({target.ask(TABLES_WORD)}
)" = absent ]; then exit 0; fi
{target.psql(f"{MAY_DROP};")}
{target.psql(f"{DROPS} " + chr(92) + "gexec")}
{target.psql(f"{FORGET};")}
)"""
