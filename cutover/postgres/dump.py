"""A whole dump of one side, which counts as a backup only when it was read back and every table has its rows (C6, C9)."""

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

from cutover.core.clock import Deadline
from cutover.core.step import Command, Step
from cutover.core.telling import say
from cutover.postgres.identity import IDENTITY, identity
from cutover.postgres.programs import ProgramFailed, Reached, complained, end, programs_from, reached, run
from cutover.postgres.session import Database, Session

NO_BACKUP, NOT_VERIFIED, VERIFIED = "no backup", "not verified", "verified"
FLAGS = ("--format=custom", "--no-password", "--lock-wait-timeout=10s")
READS = {"default_transaction_read_only": "on", "idle_in_transaction_session_timeout": "0", "statement_timeout": "0"}
MAJOR = "SELECT current_setting('server_version_num')::int / 10000"
BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
SNAPSHOT = "SELECT pg_export_snapshot()"
# Tables whose rows pg_dump writes, whatever an extension keeps for itself left out.
TABLES = """SELECT format('%I.%I', n.nspname, c.relname)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1"""
NAME = r'("([^"]|"")+"|[^". (]+)'  # an identifier as pg_dump writes it
COPY = re.compile(rf"COPY ({NAME}\.{NAME}) .*FROM stdin;\n")
PIECE = 1 << 20
TOLD_EVERY = 250_000  # rows read back between two words


@dataclass(frozen=True, kw_only=True)
class Dumped(Step[str]):
    """Keeps a whole copy of a database outside of it, so that its end is not the end of its rows.

    The dump and the row count of every table come from one snapshot; then the file is read back to its last byte, and each
    table must have as many rows in it as it had in the database. A file alone is not a backup.
    """

    database: Database
    file: Path
    shown: str
    """The path as a person types it."""
    before: str = NO_BACKUP
    after: str = VERIFIED
    between: frozenset[str] = frozenset({NOT_VERIFIED})
    settle: float = 21_600.0
    expected: float = 60.0

    @property
    def resource(self) -> str:
        return f"backup:{self.file.name}"

    @property
    def note(self) -> Path:
        """Size and sha256 of the file that was read back, and which database it is of."""
        return self.file.with_name(self.file.name + ".verified")

    def observe(self) -> str:
        try:
            size = self.file.stat().st_size
            noted = self.note.read_text(encoding="ascii").split()
        except FileNotFoundError:
            return NOT_VERIFIED if self.file.exists() else NO_BACKUP
        if len(noted) != 3 or noted[0] != str(size):
            return NOT_VERIFIED
        # A dump of the blue of an earlier cutover is no backup of this one.
        return VERIFIED if noted[2] == identity(self.database) else NO_BACKUP

    def commands(self, target: str) -> Sequence[Command]:
        return (Dump(self),) if target == VERIFIED else (SetDumpAside(self),)

    def check_shell(self) -> str:
        return f"""f="{self.shown}"
whose=$({self.database.ask(IDENTITY)}
)
if ! [ -e "$f" ]; then echo '{NO_BACKUP}'
elif ! [ -e "$f.verified" ] || [ "$(cut -d' ' -f1 "$f.verified")" != "$(stat -c %s "$f")" ]; then echo '{NOT_VERIFIED}'
elif [ "$(cut -d' ' -f3 "$f.verified")" = "$whose" ]; then echo '{VERIFIED}'
else echo '{NO_BACKUP}'; fi"""


@dataclass(frozen=True)
class Dump(Command):
    """Dumps, reads back, compares, and only then gives the file its name and its note."""

    step: Dumped

    def run(self, deadline: Deadline) -> None:
        step = self.step
        seen = step.observe()
        if seen == VERIFIED:
            return
        if seen == NO_BACKUP and step.file.exists():
            SetDumpAside(step).run(deadline)
        step.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = step.file.with_name(step.file.name + ".partial")
        with step.database.open("dump", settings=READS) as session:
            programs = programs_from(int(session.value(MAJOR)))
            way = reached(step.database, {"default_transaction_read_only": "on"})
            wanted = dumped(session, programs, way, partial, deadline)
            whose = str(session.value(IDENTITY))
        found = rows_in(partial, programs, way, deadline)
        if differing := sorted(name for name in wanted if wanted[name] != found.get(name)):
            told = ", ".join(f"{n}: {found.get(n, 'no')} of {wanted[n]} rows" for n in differing[:5])
            raise ProgramFailed(f"the dump does not read back as the database was: {told}; it is left as {partial}")
        _noted(step, partial, whose)

    def shell(self) -> str:
        step, aside = self.step, SetDumpAside(self.step).shell()
        return f"""(set -euo pipefail; umask 077; f="{step.shown}"; mkdir -p "$(dirname "$f")"
seen=$({step.check_shell()})
whose=$({step.database.ask(IDENTITY)}
)
[ "$seen" != '{VERIFIED}' ] || exit 0
if [ "$seen" = '{NO_BACKUP}' ]; then {aside}; fi
export PGOPTIONS='-c default_transaction_read_only=on -c idle_in_transaction_session_timeout=0'
coproc psql {{ psql "${step.database.variable}" -X -q -A -t -v ON_ERROR_STOP=1; }}
exec {{answers}}<&"${{psql[0]}}" {{questions}}>&"${{psql[1]}}"
printf '%s;\\n' '{BEGIN}' '{SNAPSHOT}' >&"$questions"
read -r snapshot <&"$answers"
pg_dump --dbname="${step.database.variable}" {" ".join(FLAGS)} --snapshot="$snapshot" --file="$f.partial"
cat >&"$questions" <<'SQL'
SELECT format('SELECT %L || ''|'' || count(*) FROM ONLY %s', x, x) FROM ({TABLES}) t(x) \\gexec
\\echo end of tables
SQL
while read -r line <&"$answers" && [ "$line" != 'end of tables' ]; do printf '%s\\n' "$line"; done | sort > "$f.rows"
pg_restore --data-only --file=- "$f.partial" | awk '
  !inside && /^COPY .* FROM stdin;$/ {{ sub(/^COPY /, ""); match($0, /^{NAME}[.]{NAME}/); t = substr($0, 1, RLENGTH)
    n[t] += 0; inside = 1; next }}
  inside && $0 == "\\\\." {{ inside = 0; next }}
  inside {{ n[t]++ }} END {{ for (t in n) print t "|" n[t] }}' | sort > "$f.read"
[ -z "$(comm -23 "$f.rows" "$f.read")" ] || {{ echo "these tables do not read back:" >&2; comm -23 "$f.rows" "$f.read" >&2; exit 1; }}
mv "$f.partial" "$f"
printf '%s %s\\n' "$(stat -c %s "$f")" "$(sha256sum < "$f" | cut -d' ' -f1) $whose" > "$f.verified"
rm "$f.rows" "$f.read")"""


@dataclass(frozen=True)
class SetDumpAside(Command):
    """Keeps the dump under another name: a backup is never deleted by a way back."""

    step: Dumped

    def run(self, deadline: Deadline) -> None:
        for path in (self.step.note, self.step.file):
            if path.exists():
                stamp = int(path.stat().st_mtime)
                path.replace(path.with_name(f"{path.name}.{stamp}"))

    def shell(self) -> str:
        return (
            f'for old in "{self.step.shown}.verified" "{self.step.shown}"; do'
            ' if [ -e "$old" ]; then mv "$old" "$old.$(stat -c %Y "$old")"; fi; done'
        )


def dumped(session: Session, programs: Path, way: Reached, file: Path, deadline: Deadline) -> dict[str, int]:
    """Writes the dump, and answers the rows of each table in the snapshot that it was made from; raises ProgramFailed."""
    session.run(BEGIN)
    snapshot = session.value(SNAPSHOT)
    program = [str(programs / "pg_dump"), f"--dbname={way.conninfo}", *FLAGS, f"--snapshot={snapshot}"]
    run([*program, f"--file={file}"], way, deadline)
    counted = {}
    for (table,) in session.rows(TABLES):
        counted[table] = int(session.value(f"SELECT count(*) FROM ONLY {table}", timeout=deadline.remaining()))
        say(f"{table}: {counted[table]} rows counted")
    session.run("ROLLBACK")
    return counted


def rows_in(file: Path, programs: Path, way: Reached, deadline: Deadline) -> dict[str, int]:
    """The rows of each table in a dump, read to its last byte; raises ProgramFailed when it cannot be read."""
    found: dict[str, int] = {}
    table, read = "", 0
    with _printed([str(programs / "pg_restore"), "--data-only", "--file=-", str(file)], way, deadline) as lines:
        for line in lines:
            if table:
                if line == b"\\.\n":
                    table = ""
                    continue
                found[table] += 1
                read += 1
                if read % TOLD_EVERY == 0:
                    say(f"{read:,} rows read back")
            elif line.startswith(b"COPY ") and (begun := COPY.fullmatch(line.decode("utf-8", "replace"))):
                table = begun[1]
                found.setdefault(table, 0)
    return found


@contextmanager
def _printed(argv: Sequence[str], way: Reached, deadline: Deadline) -> Iterator[Iterator[bytes]]:
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            argv, env=dict(way.environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said,
            start_new_session=True, pass_fds=way.files,
        )  # fmt: skip
        late = Timer(deadline.remaining(), process.kill)
        late.start()
        try:
            assert process.stdout is not None
            yield iter(process.stdout.readline, b"")
            if process.wait() != 0:
                said.seek(0)
                complaint = complained(said.read().decode("utf-8", "replace"), way.secret)
                why = "did not end in time" if deadline.expired else complaint
                raise ProgramFailed(f"{Path(argv[0]).name}: {why}")
        finally:
            late.cancel()
            if process.poll() is None:
                end(process)
            elif process.stdout is not None:
                process.stdout.close()


def _noted(step: Dumped, partial: Path, whose: str) -> None:
    digest = hashlib.sha256()
    with partial.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
        os.fsync(file.fileno())
    size = partial.stat().st_size
    partial.replace(step.file)
    noting = step.note.with_name(step.note.name + ".partial")
    with noting.open("w", encoding="ascii") as note:
        note.write(f"{size} {digest.hexdigest()} {whose}\n")
        note.flush()
        os.fsync(note.fileno())
    noting.replace(step.note)
