"""PostgreSQL's own programs: found by their major version, ended by a deadline, and told no password where others can read it."""

import glob
import os
import re
import signal
import subprocess
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg import conninfo

from cutover.core.children import inherited
from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.telling import say
from cutover.postgres.session import APPLICATION, CONNECT, Database

FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/pgsql/bin",
)
NEEDED = ("pg_dump", "pg_restore")
QUICK = 10.0  # seconds for `--version`
LOOK = 1.0  # seconds between two words of a program that is at work
TOLD = 1500  # characters of a program's complaint
PURPOSE = "schema"  # sessions of the programs are known by it, and ended before others of theirs begin

END_OLD = f"""SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = '{APPLICATION} {PURPOSE}'"""


class ProgramFailed(CutoverError):
    """A program of PostgreSQL is missing, ended with an error, or did not end in time."""


class PasswordFile:
    """A password file (libpq, "The Password File") that lies on no disk, and in no environment that others may list.

    It is there for as long as somebody holds this.
    """

    def __init__(self, secret: str) -> None:
        self.descriptor = os.memfd_create("passwords")
        weakref.finalize(self, os.close, self.descriptor)
        os.fchmod(self.descriptor, 0o600)  # libpq passes over one that others may read
        escaped = secret.replace("\\", "\\\\").replace(":", "\\:")
        os.write(self.descriptor, f"*:*:*:*:{escaped}\n".encode())


@dataclass(frozen=True)
class Reached:
    """How a program reaches one side: a connection string, and the environment, both without a password, and a file that has it."""

    conninfo: str
    environment: Mapping[str, str]
    secret: str
    passwords: "PasswordFile | None" = None

    @property
    def files(self) -> tuple[int, ...]:
        """The descriptors that the program has to find."""
        return () if self.passwords is None else (self.passwords.descriptor,)


def installed() -> Iterator[tuple[int, Path]]:
    """Major version and folder of every pair of pg_dump and pg_restore: $PG_BIN first, then $PATH, then the usual places."""
    named = [os.environ.get("PG_BIN", ""), *os.environ.get("PATH", "").split(os.pathsep)]
    usual = [folder for pattern in FOLDERS for folder in sorted(glob.glob(pattern), reverse=True)]
    for folder in dict.fromkeys(Path(name) for name in (*named, *usual) if name):
        versions = {_major(folder / program) for program in NEEDED}
        if len(versions) == 1 and (major := versions.pop()):
            yield major, folder


def programs_of(major: int) -> Path:
    """The folder with pg_dump and pg_restore of that major version; raises ProgramFailed naming what there is.

    The same major, not a later one: what a later pg_restore sets at its beginning is unknown to an older server.
    """
    seen: list[str] = []
    for found, folder in installed():
        if found == major:
            return folder
        seen.append(f"{found} in {folder}")
    raise ProgramFailed(
        f"pg_dump and pg_restore {major} are wanted; found {', '.join(seen) or 'none'}",
        next_command=f"apt-get install postgresql-client-{major} (or name their folder: export PG_BIN=…)",
    )


def programs_from(major: int) -> Path:
    """The folder with pg_dump and pg_restore of that major version, else of the next later one, which reads it too."""
    later = [found for found in installed() if found[0] >= major]
    return min(later)[1] if later else programs_of(major)


def reached(database: Database, settings: Mapping[str, str]) -> Reached:
    """How a program reaches that side; raises ProgramFailed for what cannot be passed on in secret."""
    words = conninfo.conninfo_to_dict(database.resolve())
    secret = str(words.pop("password", "") or "")
    if words.pop("sslpassword", None):
        raise ProgramFailed(f"{database.label}: pg_dump cannot be given sslpassword in secret: use a key without one")
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    words |= {
        "application_name": f"{APPLICATION} {PURPOSE}",
        "connect_timeout": int(CONNECT),
        "options": options,
    }
    # What the string leaves open comes from the PG* variables, as for our own sessions.
    environment = {**inherited(), "LC_MESSAGES": "C"}
    passwords = None
    if secret and hasattr(os, "memfd_create"):
        environment.pop("PGPASSWORD", None)  # it would win over the file
        passwords = PasswordFile(secret)
        environment["PGPASSFILE"] = f"/proc/self/fd/{passwords.descriptor}"
    elif secret:  # Linux alone has files without a place
        environment["PGPASSWORD"] = secret
    return Reached(conninfo.make_conninfo("", **words), environment, secret, passwords)


def run(argv: Sequence[str], way: Reached, deadline: Deadline) -> str:
    """What the program prints; raises ProgramFailed with its last complaint. It does not outlive the deadline."""
    process = subprocess.Popen(
        argv, env=dict(way.environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True, pass_fds=way.files,
    )  # fmt: skip
    name = Path(argv[0]).name
    try:
        printed, said = _outcome(process, name, deadline)
    except BaseException:
        end(process)
        raise
    if process.returncode:
        complaint = complained(said.decode("utf-8", "replace"), way.secret)
        raise ProgramFailed(f"{name} ended with {process.returncode}: {complaint}")
    return printed.decode("utf-8", "replace")


def _outcome(process: "subprocess.Popen[bytes]", name: str, deadline: Deadline) -> tuple[bytes, bytes]:
    while True:
        try:
            return process.communicate(timeout=min(LOOK, deadline.remaining()))
        except subprocess.TimeoutExpired:
            if deadline.expired:
                raise ProgramFailed(f"{name} did not end in time") from None
            say(f"{name} is at work")


def complained(said: str, secret: str) -> str:
    """The program's last words without the statements that it quotes: a foreign server's or a user's may hold a password."""
    kept: list[str] = []
    quoting = False
    for line in said.splitlines():
        quoting = line.startswith("Command was:") or (quoting and not re.match(r"pg_\w+: ", line))
        if not quoting and line.strip():
            kept.append(line.strip())
    told = "; ".join(kept)
    if secret:
        told = told.replace(secret, "…")
    return told if len(told) <= TOLD else f"…{told[-TOLD:]}"


def _major(program: Path) -> int:
    if not program.is_file():
        return 0
    try:
        done = subprocess.run(
            [str(program), "--version"], env=inherited(), capture_output=True, timeout=QUICK, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    version = re.search(rb"\(PostgreSQL\) (\d+)", done.stdout)
    return int(version[1]) if version and done.returncode == 0 else 0


def end(process: "subprocess.Popen[bytes]") -> None:
    """Ends the program and the workers that it has forked."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.communicate()
