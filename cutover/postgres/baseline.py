"""The full validation as a step of the plan, the point from which changes are compared again, and the check of a side."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.gate import Check, Finding, Verdict
from cutover.core.killpoint import reached
from cutover.core.step import Command, Step
from cutover.core.telling import say
from cutover.postgres.change_feed import DECODE_TIMEOUT, DROP, SLOT, NotFollowed, drop, feed_slot, follow
from cutover.postgres.changes import ChangedRowsDiffer, Changes, shapes
from cutover.postgres.comparable import SchemasDiffer, same_tables
from cutover.postgres.comparison import Report
from cutover.postgres.rowhash import PINNED
from cutover.postgres.session import Database, Session
from cutover.postgres.sides import side_state
from cutover.postgres.validation import validate

LOOK = 10.0  # seconds of one look at what changed
PASSES = 3  # over tables that are compared as a whole; what is written to them meanwhile is little
DROPPED = 10.0  # seconds until a predecessor's session has left the slot


class RowsDiffer(CutoverError):
    """Rows differ between the sides; the message names the first of them."""


class NotProven(CutoverError):
    """Some rows could not be compared at one position; nothing is known to differ."""


@dataclass(frozen=True)
class RecordBaseline(Command):
    """Keeps what changes from now on, validates everything and, when it is equal, records that from here on changes count."""

    kill_points: ClassVar[tuple[str, ...]] = ("baseline: followed", "baseline: validated", "baseline: recorded")

    source: Database
    target: Database

    def run(self, deadline: Deadline) -> None:
        with self.source.open("baseline", settings=PINNED) as session:
            state = side_state(session).state
            if state != "open":
                raise NotFollowed(
                    f"{self.source.label} is {state}: what is to be compared later is what a serving side writes"
                )
            session.run("DELETE FROM cutover.baseline")
            try:
                # Before the first row is read: whatever changes from now on is compared again.
                follow(session, deadline)
                reached("baseline: followed")
                self._record(session, deadline)
            except (Exception, KeyboardInterrupt):  # a slot that nobody reads keeps WAL for ever
                with suppress(CutoverError):  # what stopped it is told
                    ForgetBaseline(self.source).run(deadline)
                raise

    def _record(self, session: Session, deadline: Deadline) -> None:
        with self.target.open("baseline", settings=PINNED) as theirs:
            began = session.value("SELECT now()")
            covered = shapes(session, same_tables(session, theirs))
            report = self._validated()
            reached("baseline: validated")
            session.run(
                "INSERT INTO cutover.baseline (at, row_count, tables) VALUES (%s, %s, %s::jsonb)",
                [began, report.rows, json.dumps(covered)],
            )
            reached("baseline: recorded")
            self._settle(session, theirs, deadline)

    def _settle(self, session: Session, theirs: Session, deadline: Deadline) -> None:
        """The validation may have taken hours: what was written meanwhile is compared now, and not when the window opens."""
        changes = Changes.recorded_on(session, theirs)
        if changes is None:
            return
        for _ in range(PASSES):
            while (left := changes.settle(deadline.within(LOOK), DECODE_TIMEOUT)).why:
                say(left.why)
                if deadline.expired:
                    raise NotProven(left.why)
            # A truncated table tells no keys, and one that is large could not be compared while writes wait.
            if not (large := changes.too_large()):
                return
            self._validated(large)
            changes.compared_whole(large)

    def _validated(self, tables: Sequence[str] = ()) -> Report:
        report = validate(self.source, self.target, tables=tables, listen=lambda progress: say(str(progress)))
        if report.status == "not proven":
            raise NotProven(str(report), next_command="invoke validate --json, when fewer of these rows are written")
        if report.status != "equal":
            raise RowsDiffer(str(report), next_command="invoke validate --json: it names rows and columns")
        return report

    def shell(self) -> str:
        return f"{_command(self.source)} --record   # {self.source.label} against {self.target.label}"


@dataclass(frozen=True)
class ForgetBaseline(Command):
    """Forgets the recorded validation, and keeps the changes since it no longer."""

    kill_points: ClassVar[tuple[str, ...]] = ("baseline: dropped",)

    source: Database

    def run(self, deadline: Deadline) -> None:
        with self.source.open("baseline") as session:
            drop(session, deadline.within(DROPPED))
            reached("baseline: dropped")
            if session.value("SELECT to_regclass('cutover.baseline')"):
                session.run("DELETE FROM cutover.baseline")

    def shell(self) -> str:
        return self.source.psql(f"{DROP.format(name=feed_slot(self.source))};\nDELETE FROM cutover.baseline;")


@dataclass(frozen=True, kw_only=True)
class Validated(Step[str]):
    """Compares every row of both sides while writes go on, and keeps from then on which rows change.

    Inside the window only the rows that changed since then are compared, so the final proof costs milliseconds.
    """

    source: Database
    target: Database
    settle: float = 6 * 3600.0
    overtaken: ClassVar[bool] = True  # after the switch nothing has to be compared any more, and the changes are let go

    @property
    def resource(self) -> str:
        return f"validation:{self.source.name}" if self.source.name else "validation"

    def observe(self) -> str:
        with self.source.open("state") as session:
            if session.value("SELECT to_regclass('cutover.baseline') IS NULL"):
                return "not validated"
            return str(session.value(self._state()))

    def commands(self, target: str) -> Sequence[Command]:
        return (RecordBaseline(self.source, self.target) if target == "validated" else ForgetBaseline(self.source),)

    def evidence(self) -> Mapping[str, Any]:
        with self.source.open("state") as session:
            asked = "SELECT row_count, (SELECT count(*) FROM jsonb_object_keys(tables)), compared FROM cutover.baseline"
            found = session.rows(asked)
        return {"rows": found[0][0], "tables": found[0][1], "changed meanwhile": found[0][2]} if found else {}

    def check_shell(self) -> str:
        return self.source.ask(self._state())

    def _state(self) -> str:
        """The question; half of it is where one began: there is a slot without a record, or the other way round, or it is lost."""
        name = feed_slot(self.source)
        return f"""SELECT CASE WHEN EXISTS ({SLOT.format(name=name)}) AND EXISTS (SELECT FROM cutover.baseline) THEN 'validated'
  WHEN EXISTS (SELECT FROM cutover.baseline) OR EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{name}')
    THEN '{self.before}' ELSE 'not validated' END"""


@dataclass(frozen=True)
class ChangesCompared(Check):
    """Compares what was written since the validation, so that only the last moments are left for the window.

    However much that is, it is done piece by piece, and what was compared is not compared again.
    """

    writes = True

    source: Database
    target: Database
    within: float = LOOK
    """Seconds for one look; the next one goes on from there."""
    patience: float = DECODE_TIMEOUT
    """Seconds for one piece; a large transaction is decoded in one piece."""

    def look(self) -> Finding:
        longer = f"{_command(self.source)} --changed  # goes on for as long as it takes"
        try:
            with (
                self.source.open("changes", settings=PINNED) as ours,
                self.target.open("changes", settings=PINNED) as theirs,
            ):
                changes = Changes.recorded_on(ours, theirs)
                if changes is None:
                    return Finding.failed("no validation is recorded", f"{_command(self.source)} --record")
                left = changes.settle(Deadline.after(self.within), self.patience)
                large = changes.too_large()
        except ChangedRowsDiffer as error:
            return Finding.failed(error.message, error.next_command, differ=True)
        except (SchemasDiffer, NotFollowed) as error:
            return Finding.failed(error.message, error.next_command)
        except CutoverError as error:
            return Finding.blind(error.message, longer)
        if left.why:
            return Finding.not_yet(left.why, longer)
        told = f"; not yet compared, too large to be read with writes waiting: {', '.join(large)}" if large else ""
        hint = f"{_command(self.source)} --record compares them, too" if large else ""
        seen = f"{changes.compared} changed rows were compared since the validation, {left.rows} in the last look{told}"
        return Finding(Verdict.PASS, seen, hint, {"compared": changes.compared, "warning": bool(large)})

    def shell(self) -> str:
        return f"{_command(self.source)} --changed   # {self.source.label} against {self.target.label}"


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
