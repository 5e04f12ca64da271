"""When the way back is given up, green's schema is its own: the note that would let it be taken away goes."""

from collections.abc import Sequence
from dataclasses import dataclass

from cutover.core.clock import Deadline
from cutover.core.step import Command, Step
from cutover.postgres.made import FORGET, NOTE
from cutover.postgres.session import Database

WORD = f"SELECT CASE WHEN to_regnamespace('{NOTE}') IS NULL THEN 'kept' ELSE 'noted' END"


@dataclass(frozen=True)
class ForgetSchemaNote(Command):
    """Forgets that the schema came by a copy of ours."""

    database: Database

    def run(self, deadline: Deadline) -> None:
        with self.database.open("schema copy") as session:
            session.run(FORGET)

    def shell(self) -> str:
        return self.database.psql(f"{FORGET};")


@dataclass(frozen=True, kw_only=True)
class SchemaKept(Step[str]):
    """A schema that serves for good is no copy any more, and nothing of ours may ever take it away."""

    database: Database
    before: str = "noted"
    after: str = "kept"
    one_way: bool = True

    @property
    def resource(self) -> str:
        return f"schema-note:{self.database.label}"

    def observe(self) -> str:
        with self.database.open("state") as session:
            return str(session.value(WORD))

    def commands(self, target: str) -> Sequence[Command]:
        return (ForgetSchemaNote(self.database),)

    def check_shell(self) -> str:
        return self.database.ask(WORD)
