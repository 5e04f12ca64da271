"""A toy system of files, with a plan on it that has one of everything; its commands really run."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from cutover.core.clock import Deadline
from cutover.core.gate import Check, Finding, Gate, Guard, Policy
from cutover.core.plan import Phase, Plan
from cutover.core.step import Command, Step
from cutover.runbook import Book


@dataclass(frozen=True)
class Put(Command):
    """Writes one word into the resource's file."""

    resource: str
    word: str

    def run(self, deadline: Deadline) -> None:
        raise AssertionError("runbooks run nothing")

    def shell(self) -> str:
        return f'printf %s {shlex.quote(self.word)} > "$TOY_HOME"/{shlex.quote(self.resource)}'


@dataclass(frozen=True, kw_only=True)
class Move(Step[str]):
    """Moves a `file` from one word to another.

    A second paragraph, for whoever wants to know more.
    """

    of: str = ""

    @property
    def resource(self) -> str:
        return self.of or super().resource

    @property
    def lane(self) -> str:
        return "share" if self.resource.startswith("share") else self.resource

    def observe(self) -> str:
        raise AssertionError("runbooks look at nothing")

    def commands(self, target: str) -> Sequence[Command]:
        return (Put(self.resource, target),)

    def check_shell(self) -> str:
        return f'cat "$TOY_HOME"/{shlex.quote(self.resource)}'


@dataclass(frozen=True, kw_only=True)
class Switch(Move):
    """Writes move from one side to the other: whoever dies in the middle leaves a state that says so."""

    commit_point: ClassVar[bool] = True

    def committed(self, seen: str) -> bool:
        return seen in ("fenced/fenced", "fenced/open")


@dataclass(frozen=True)
class Shows(Check):
    """The file must show the word, or users would see an error."""

    resource: str
    word: str

    def look(self) -> Finding:
        raise AssertionError("runbooks look at nothing")

    def shell(self) -> str:
        return f'test "$(cat "$TOY_HOME"/{shlex.quote(self.resource)})" = {shlex.quote(self.word)}'


def plan(**changes: Any) -> Plan:
    share = Move(name="share-10", of="share", before="0 %", after="10 %")
    toy = Plan(
        name="cutover",
        environment="toy",
        phases=(
            Phase(
                name="prepare",
                owner="database",
                items=(
                    Move(name="ttl", before="300", after="5", expected=300, settle=600),
                    Move(name="replication", before="none", after="following", standing=True, expected=3600),
                    Gate(name="lag", check=Shows("replication", "following"), deadline=30),
                    Gate(
                        name="smoke",
                        check=Shows("switchover", "open/fenced"),
                        on_rollback=Shows("maintenance", "off"),
                    ),
                ),
            ),
            Phase(
                name="window",
                owner="database",
                budget=60,
                overrun=Policy.UNDO,
                supervised=True,
                items=(
                    Move(name="maintenance-on", of="maintenance", before="off", after="on"),
                    Switch(
                        name="switchover",
                        before="open/fenced",
                        after="fenced/open",
                        between=frozenset({"fenced/fenced"}),
                        expected=0.3,
                    ),
                    Gate(name="probe", check=Shows("switchover", "fenced/open")),
                    Move(name="maintenance-off", of="maintenance", before="on", after="off"),
                ),
            ),
            Phase(
                name="shift",
                owner="traffic",
                items=(
                    share,
                    Gate(
                        name="well at 10 %",
                        check=Shows("share", "10 %"),
                        hold=600,
                        since="share-10",
                        on_fail=Policy.ROLLBACK,
                    ),
                    replace(share, name="share-100", before="10 %", after="100 %"),
                ),
            ),
        ),
        guards=(Guard(name="errors", check=Shows("maintenance", "off"), policy=Policy.ROLLBACK),),
        configuration={"toy": True},
    )
    return replace(toy, **changes)


def finish() -> Plan:
    step = Move(name="way-back", before="kept", after="removed", one_way=True)
    return Plan(name="finish", environment="toy", phases=(Phase(name="finish", owner="decision", items=(step,)),))


def book(**changes: Any) -> Book:
    toy = Book(
        environment="toy",
        description="A toy that has one of everything",
        plan=plan(),
        finish=finish(),
        owners={
            "decision": "Head of operations",
            "database": "DBA on call",
            "traffic": "Network on call",
            "application": "Shop team",
        },
        variables={"TOY_HOME": "the folder with the toy's files"},
        prepare_shell="export TOY_HOME=${TOY_HOME:-/nowhere}",
        checklist=(
            ("checkout", "pytest smoke -k checkout", ""),
            ("complaints", "no critical complaint came in", "Shop team"),
        ),
        rollback_window="24 h",
        waiting_period="7 d",
        window_budget="60 s",
        protected=True,
        dead_man="10 s",
    )
    return replace(toy, **changes)
