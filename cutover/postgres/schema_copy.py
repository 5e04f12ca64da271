"""Green's schema from blue's: tables before the rows, and what is cheaper or only right after them when they are there.

Replica identities are the one thing between the two: rows that arrive by replication are found by them, so they have to
be there before the first UPDATE arrives. With a copy by table sync that is before the copy; with one of our own after it.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cutover.core.clock import Backoff, Deadline, SystemClock
from cutover.core.errors import CutoverError
from cutover.core.killpoint import reached as killpoint
from cutover.core.step import Command
from cutover.postgres import toc
from cutover.postgres.made import (
    BEGIN,
    BEGUN,
    COMPLETE,
    DROPS,
    FORGET,
    MAY_DROP,
    NOTED,
    TABLES,
    TABLES_WORD,
    noted,
)
from cutover.postgres.preflight import roles
from cutover.postgres.programs import END_OLD, ProgramFailed, Reached, programs_of, reached, run
from cutover.postgres.schema_script import Flags, complete_script, drop_script, tables_script
from cutover.postgres.session import Database, Session

OF_DUMP = {"default_transaction_read_only": "on"}
OF_RESTORE = {"default_transaction_read_only": "off"}
FLAGS = Flags(
    dump=(
        "--schema-only", "--format=custom", "--no-publications", "--no-subscriptions", "--no-tablespaces",
        "--exclude-schema=cutover", "--exclude-schema=cutover_schema", "--no-password",
        "--lock-wait-timeout=10s",  # what queues behind the dump's locks on blue would be the application
    ),
    restore=("--exit-on-error", "--no-tablespaces", "--no-password"),
)  # fmt: skip
MAJOR = "SELECT current_setting('server_version_num')::int / 10000"


class SchemaRefused(CutoverError):
    """Green lacks what blue's schema needs; nothing was made."""


@dataclass(frozen=True)
class Restoring:
    """One dump of the source's schema, and the programs that put parts of it on the target."""

    folder: Path
    programs: Path
    target: Reached
    deadline: Deadline

    @property
    def dump(self) -> str:
        return str(self.folder / "schema")

    def listed(self) -> str:
        """The dump's list, a line for each entry."""
        return run([str(self.programs / "pg_restore"), "--list", self.dump], self.target, self.deadline)

    def restore(self, *arguments: str, lines: Sequence[str] | None = None) -> None:
        """Restores what the arguments choose; `lines` of the dump's list are all that is taken, when given."""
        chosen = list(arguments)
        if lines is not None:
            if not lines:
                return
            (self.folder / "list").write_text("\n".join(lines) + "\n", encoding="utf-8")
            chosen.append(f"--use-list={self.folder / 'list'}")
        program = [str(self.programs / "pg_restore"), f"--dbname={self.target.conninfo}", *FLAGS.restore]
        run([*program, *chosen, self.dump], self.target, self.deadline)


def _opened(database: Database) -> AbstractContextManager[Session]:
    # A database without an encoding of its own (SQL_ASCII) would answer names as bytes.
    return database.open("schema copy", settings={"client_encoding": "UTF8"})


@contextmanager
def dumped(source: Database, target: Database, deadline: Deadline) -> Iterator[tuple[Restoring, Session, Session]]:
    """A dump of the source's schema for the body, with a session on each side; what an earlier try still runs is ended."""
    with (
        _opened(source) as ours,
        _opened(target) as theirs,
        tempfile.TemporaryDirectory() as made,
    ):
        programs = programs_of(max(int(session.value(MAJOR)) for session in (ours, theirs)))
        backoff = Backoff(SystemClock())
        # A killed orchestrator leaves pg_restore at work: both at once would make half of everything.
        while theirs.value(END_OLD):
            if deadline.expired:
                raise CutoverError(f"{target.label}: an earlier pg_restore does not end")
            backoff.pause(deadline)
        restoring = Restoring(Path(made), programs, reached(target, OF_RESTORE), deadline)
        origin = reached(source, OF_DUMP)
        program = [str(programs / "pg_dump"), f"--dbname={origin.conninfo}", *FLAGS.dump, f"--file={restoring.dump}"]
        run(program, origin, deadline)
        yield restoring, ours, theirs


@dataclass(frozen=True)
class CopyTables(Command):
    """Makes the source's tables, types, functions, owners and grants on the target; begun anew when it was killed on the way."""

    kill_points: ClassVar[tuple[str, ...]] = ("schema: noted", "schema: tables made", "schema: keys made")

    source: Database
    target: Database
    keys: bool

    def run(self, deadline: Deadline) -> None:
        with _opened(self.target) as session:
            if session.value(NOTED) not in (None, BEGUN):
                return
        with dumped(self.source, self.target, deadline) as (restoring, ours, theirs):
            _roles_are_there(ours, theirs)
            theirs.run(BEGIN)
            killpoint("schema: noted")
            drop(theirs, deadline)
            restoring.restore("--section=pre-data")
            killpoint("schema: tables made")
            if self.keys:
                restoring.restore(lines=toc.keys(toc.missing(restoring.listed(), ours, theirs), ours))
            killpoint("schema: keys made")
            theirs.run(noted(TABLES))

    def shell(self) -> str:
        return tables_script(self.source, self.target, FLAGS, keys=self.keys)


@dataclass(frozen=True)
class CompleteSchema(Command):
    """Makes what is still missing on the target: keys, indexes, constraints, triggers; `jobs` at a time."""

    kill_points: ClassVar[tuple[str, ...]] = ("schema: completed",)

    source: Database
    target: Database
    jobs: int

    def run(self, deadline: Deadline) -> None:
        with _opened(self.target) as session:
            if session.value(NOTED) != TABLES:
                return
        with dumped(self.source, self.target, deadline) as (restoring, ours, theirs):
            self._complete(restoring, ours, theirs)
            killpoint("schema: completed")
            theirs.run(noted(COMPLETE))

    def _complete(self, restoring: Restoring, ours: Session, theirs: Session) -> None:
        """Restores what is missing, again and again while each try leaves less of it.

        A foreign key locks two tables, and so does a transaction that is just being applied: one of them may have to give way.
        """
        listed = restoring.listed()
        lines = toc.missing(listed, ours, theirs)
        while True:
            try:
                restoring.restore("--section=post-data", f"--jobs={self.jobs}", lines=lines)
                return
            except ProgramFailed as error:
                left = toc.missing(listed, ours, theirs)
                gave_way = len(left) < len(lines) or "deadlock detected" in error.message
                if not gave_way or restoring.deadline.expired:
                    raise
                lines = left

    def shell(self) -> str:
        return complete_script(self.source, self.target, FLAGS, jobs=self.jobs)


@dataclass(frozen=True)
class NoteTables(Command):
    """Forgets that the schema was completed; what is there stays, and is found there when it is completed again."""

    target: Database

    def run(self, deadline: Deadline) -> None:
        with _opened(self.target) as session:
            session.run(noted(TABLES))

    def shell(self) -> str:
        return self.target.psql(f"{noted(TABLES)};")


@dataclass(frozen=True)
class DropSchema(Command):
    """Takes away what the copy of the schema has made; refused where it is not ours or holds rows."""

    kill_points: ClassVar[tuple[str, ...]] = ("schema: the first object is dropped", "schema: dropped")

    target: Database

    def run(self, deadline: Deadline) -> None:
        with _opened(self.target) as session:
            if session.value(TABLES_WORD) == "absent":
                return
            session.run(END_OLD)
            session.run(MAY_DROP, timeout=max(1.0, min(60.0, deadline.remaining())))
            session.run(noted(BEGUN))
            drop(session, deadline)
            killpoint("schema: dropped")
            session.run(FORGET)

    def shell(self) -> str:
        return drop_script(self.target)


def drop(session: Session, deadline: Deadline) -> None:
    """Drops what the copy has made, one statement at a time: a thousand tables are more locks than one transaction may hold."""
    for number, (statement,) in enumerate(session.rows(DROPS, timeout=toc.TIMEOUT)):
        session.run(statement, timeout=max(1.0, deadline.remaining()))
        if number == 0:
            killpoint("schema: the first object is dropped")


def _roles_are_there(source: Session, target: Session) -> None:
    """Globals are in no dump of a database: without its owner or grantee an object would be made in halves."""
    there = {row[0] for row in target.rows(roles.ROLES)}
    lacking = [row[2] for row in source.rows(roles.NEEDED) if row[0] not in there]
    if lacking:
        raise SchemaRefused(
            f"{target.label} lacks roles that {source.label}'s schema needs (give each its password): {' '.join(lacking)}"
        )
