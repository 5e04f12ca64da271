"""The steps that bring green to blue's schema: tables before the rows, the rest after them."""

from collections.abc import Sequence
from dataclasses import dataclass

from cutover.core.step import Command, Step
from cutover.postgres.made import BEGUN, COMPLETE, COMPLETE_WORD, TABLES, TABLES_WORD
from cutover.postgres.schema_copy import CompleteSchema, CopyTables, DropSchema, NoteTables
from cutover.postgres.session import Database


@dataclass(frozen=True, kw_only=True)
class SchemaTables(Step[str]):
    """Green needs every table, type, function, owner and grant of blue before rows can arrive; the dump is taken from blue.

    Where table sync copies the rows, keys are made at once: rows that change meanwhile are found by them. What is there
    already and was not made by this step stays as it is.
    """

    source: Database
    target: Database
    keys: bool
    """Whether replica identities are made, too."""
    before: str = "absent"
    after: str = "present"
    between: frozenset[str] = frozenset({BEGUN})
    standing: bool = True
    settle: float = 900.0
    expected: float = 20.0

    @property
    def resource(self) -> str:
        return f"schema-tables:{self.target.label}"

    def observe(self) -> str:
        with self.target.open("state") as session:
            return str(session.value(TABLES_WORD))

    def commands(self, target: str) -> Sequence[Command]:
        if target == "absent":
            return (DropSchema(self.target),)
        return (CopyTables(self.source, self.target, self.keys),)

    def check_shell(self) -> str:
        return self.target.ask(TABLES_WORD)


@dataclass(frozen=True, kw_only=True)
class SchemaCompleted(Step[str]):
    """Indexes over rows that are there are built at once, several at a time, and constraints look at each row once only.

    Triggers come last, too: the effects of a row have arrived as rows of their own.
    """

    source: Database
    target: Database
    jobs: int
    before: str = TABLES
    after: str = COMPLETE
    standing: bool = True
    settle: float = 6 * 3600.0
    expected: float = 60.0

    @property
    def resource(self) -> str:
        return f"schema-completed:{self.target.label}"

    def observe(self) -> str:
        with self.target.open("state") as session:
            return str(session.value(COMPLETE_WORD))

    def commands(self, target: str) -> Sequence[Command]:
        if target == TABLES:
            return (NoteTables(self.target),)
        return (CompleteSchema(self.source, self.target, self.jobs),)

    def check_shell(self) -> str:
        return self.target.ask(COMPLETE_WORD)
