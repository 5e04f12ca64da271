"""The full validation as a step of the plan, the point from which changes are compared again, and the check of a side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.gate import Check, Finding, Verdict
from cutover.core.step import Command, Step
from cutover.postgres.comparable import SchemasDiffer
from cutover.postgres.session import Database
from cutover.postgres.snapshot import HORIZON
from cutover.postgres.validation import validate


class RowsDiffer(CutoverError):
    """Rows differ between the sides; the message names the first of them."""


class NotProven(CutoverError):
    """Some rows could not be compared at one position; nothing is known to differ."""


@dataclass(frozen=True)
class RecordBaseline(Command):
    """Validates everything and, when it is equal, records from where on changes have to be compared again."""

    source: Database
    target: Database

    def run(self, deadline: Deadline) -> None:
        with self.source.open("baseline") as session:
            # Taken before the first row is read: whatever changes meanwhile is compared again inside the window.
            xmin = session.value(HORIZON)
            report = validate(self.source, self.target)
            if report.status == "not proven":
                raise NotProven(
                    str(report), next_command="invoke validate --json, when fewer of these rows are written"
                )
            if report.status != "equal":
                raise RowsDiffer(str(report), next_command="invoke validate --json: it names rows and columns")
            session.run("DELETE FROM cutover.baseline")
            session.run(
                "INSERT INTO cutover.baseline (horizon, at, row_count, table_count) VALUES (%s::xid8, now(), %s, %s)",
                [xmin, report.rows, report.tables],
            )

    def shell(self) -> str:
        return f"{_command(self.source)} --record   # {self.source.label} against {self.target.label}"


@dataclass(frozen=True)
class ForgetBaseline(Command):
    """Forgets the recorded validation."""

    source: Database

    def run(self, deadline: Deadline) -> None:
        with self.source.open("baseline") as session:
            session.run("DELETE FROM cutover.baseline")

    def shell(self) -> str:
        return self.source.psql("DELETE FROM cutover.baseline;")


@dataclass(frozen=True, kw_only=True)
class Validated(Step[str]):
    """Compares every row of both sides while writes go on, and remembers from where on changes are compared again.

    Inside the window only the rows that changed since then are compared, so the final proof costs milliseconds.
    """

    source: Database
    target: Database
    settle: float = 6 * 3600.0

    @property
    def resource(self) -> str:
        return f"validation:{self.source.name}" if self.source.name else "validation"

    def observe(self) -> str:
        with self.source.open("state") as session:
            if session.value("SELECT to_regclass('cutover.baseline') IS NULL"):
                return "not validated"
            return "validated" if session.value("SELECT 1 FROM cutover.baseline") else "not validated"

    def commands(self, target: str) -> Sequence[Command]:
        return (RecordBaseline(self.source, self.target) if target == "validated" else ForgetBaseline(self.source),)

    def evidence(self) -> Mapping[str, Any]:
        with self.source.open("state") as session:
            found = session.rows("SELECT row_count, table_count FROM cutover.baseline")
        return {"rows": found[0][0], "tables": found[0][1]} if found else {}

    def check_shell(self) -> str:
        return self.source.ask(
            "SELECT CASE WHEN EXISTS (SELECT FROM cutover.baseline) THEN 'validated' ELSE 'not validated' END"
        )


@dataclass(frozen=True)
class SameRows(Check):
    """Compares every row of both sides once more, so that the side which serves is known to be complete."""

    writes = True

    source: Database
    target: Database

    def look(self) -> Finding:
        try:
            report = validate(self.source, self.target)
        except SchemasDiffer as error:
            return Finding.failed(error.message)
        except CutoverError as error:
            return Finding.blind(error.message)
        data = {"rows": report.rows, "tables": report.tables}
        if report.status == "equal":
            return Finding.passed(str(report), **data)
        if report.status == "differs":
            return Finding(Verdict.FAIL, str(report), data=data)
        return Finding(Verdict.INSUFFICIENT, str(report), data=data)

    def shell(self) -> str:
        return _command(self.source)


def _command(source: Database) -> str:
    only = f" --database {source.name}" if source.name else ""
    return f'invoke validate --env "$CUTOVER_ENV"{only}'
