"""What green still lacks when its rows are complete: statistics for its planner, and the contents of its views."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cutover.core.clock import Deadline
from cutover.core.killpoint import reached
from cutover.core.step import Command, Step
from cutover.postgres.session import Database
from cutover.postgres.sides import APP_TABLES

ANALYZE = f"SELECT format('ANALYZE %s', t.name) FROM {APP_TABLES} t ORDER BY t.name"

# A view that reads another one comes after it.
REFRESH = """WITH RECURSIVE reads AS (
  SELECT DISTINCT w.ev_class AS view, d.refobjid AS source FROM pg_rewrite w
    JOIN pg_depend d ON d.objid = w.oid AND d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
   WHERE d.refobjid <> w.ev_class),
 depth AS (
  SELECT oid AS view, 0 AS n FROM pg_class WHERE relkind IN ('m', 'v')
  UNION SELECT r.view, n + 1 FROM depth d JOIN reads r ON r.source = d.view WHERE n < 50)
SELECT format('REFRESH MATERIALIZED VIEW %I.%I', s.nspname, c.relname)
  FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace JOIN depth d ON d.view = c.oid
 WHERE c.relkind = 'm' GROUP BY s.nspname, c.relname ORDER BY max(d.n), s.nspname, c.relname"""


@dataclass(frozen=True)
class RunEach(Command):
    """Runs each statement that `question` answers, then notes `work` as done; cheap enough to be repeated from the start."""

    kill_points = ("each: one has run",)

    database: Database
    work: str
    question: str

    def run(self, deadline: Deadline) -> None:
        with self.database.open(self.work) as session:
            for (statement,) in session.rows(self.question):
                session.run(statement, timeout=deadline.remaining())
                reached("each: one has run")
            session.run(_note(self.work))

    def shell(self) -> str:
        return self.database.psql(f"{self.question} \\gexec\n{_note(self.work)};")


@dataclass(frozen=True)
class ForgetNote(Command):
    """Forgets that `work` was done; nothing else of it needs to be undone."""

    database: Database
    work: str

    def run(self, deadline: Deadline) -> None:
        with self.database.open(self.work) as session:
            session.run(_forget(self.work))

    def shell(self) -> str:
        return self.database.psql(f"{_forget(self.work)};")


@dataclass(frozen=True, kw_only=True)
class Noted(Step[str]):
    """Work that is never wrong to repeat, noted beside the rows when it is done."""

    work: ClassVar[str]
    question: ClassVar[str]
    """SQL that answers the statements of the work, in their order."""

    database: Database
    settle: float = 3600.0

    @property
    def resource(self) -> str:
        return f"{self.work}:{self.database.label}"

    def observe(self) -> str:
        with self.database.open("state") as session:
            if session.value("SELECT to_regclass('cutover.done') IS NULL"):
                return f"not {self.work}"
            return str(session.value(self._asked()))

    def commands(self, target: str) -> Sequence[Command]:
        if target == self.work:
            return (RunEach(self.database, self.work, self.question),)
        return (ForgetNote(self.database, self.work),)

    def check_shell(self) -> str:
        return self.database.ask(self._asked())

    def _asked(self) -> str:
        done = f"EXISTS (SELECT FROM cutover.done WHERE work = '{self.work}')"
        return f"SELECT CASE WHEN {done} THEN '{self.work}' ELSE 'not {self.work}' END"


@dataclass(frozen=True, kw_only=True)
class Analyzed(Noted):
    """A copy has rows but no statistics: without them the planner's first choices on green can be a hundred times slower."""

    work = "analyzed"
    question = ANALYZE
    before: str = "not analyzed"
    after: str = "analyzed"


@dataclass(frozen=True, kw_only=True)
class ViewsRefreshed(Noted):
    """Logical replication does not carry what materialized views hold: green's would be empty, or as old as the dump."""

    work = "refreshed"
    question = REFRESH
    before: str = "not refreshed"
    after: str = "refreshed"


def _note(work: str) -> str:
    return f"INSERT INTO cutover.done VALUES ('{work}') ON CONFLICT (work) DO UPDATE SET at = clock_timestamp()"


def _forget(work: str) -> str:
    return f"DELETE FROM cutover.done WHERE work = '{work}'"
