"""Looking writes nothing: every AWS call and every statement of ours is on record, and none of them writes."""

from __future__ import annotations

import re

import pytest
from whole.commands import Done
from whole.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

COMMANDS = [
    ["cutover", "--env", "whole", "--dry-run"],
    ["--dry", "cutover", "--env", "whole"],
    ["plan", "--env", "whole", "--json"],
    ["preflight", "--env", "whole"],
    ["propagation", "--env", "whole"],
    ["status"],
]
AFTERWARDS = [
    ["cutover", "--env", "whole", "--dry-run"],
    ["status"],
    ["rollback", "--env", "whole", "--dry-run", "--everything"],
]
AGAIN = ["cutover", "--env", "whole", "--yes", "--json"]

LINE = re.compile(r"^\[(?P<who>[^\]]*)\] \[\d+\] LOG:  (?:statement|execute [^:]*): (?P<statement>.*)$", re.MULTILINE)
READS = re.compile(r"^\s*(SELECT|WITH|SHOW|SET|BEGIN|COMMIT|ROLLBACK|TABLE|VALUES)\b", re.IGNORECASE)
WRITING = re.compile(
    r"\b(INTO|INSERT|UPDATE|DELETE|nextval|setval|pg_terminate_\w+|pg_cancel_\w+|pg_create_\w+|pg_drop_\w+)\b|pg_logical_emit_message",
    re.IGNORECASE,
)


def our_statements(stage: Stage, side: str, since: int) -> list[str]:
    """What sessions that call themselves cutover sent, from that place of the server's log on."""
    found = LINE.finditer(stage.server_log(side)[since:])
    return [match["statement"] for match in found if re.fullmatch(r"cutover( [a-z ]*)?", match["who"])]


def writes_of(stage: Stage, *commands: list[str]) -> tuple[list[str], int, Done]:
    """What the commands wrote, how many statements they sent at all, and how the last one ended."""
    logs = {side: len(stage.server_log(side)) for side in ("blue", "green")}
    calls = len(stage.aws_writes())
    done = [stage.run(*command).ended(0) for command in commands]
    statements = [s for side, at in logs.items() for s in our_statements(stage, side, at)]
    writing = [s for s in statements if not READS.match(s) or WRITING.search(s)]
    return writing + [call["operation"] for call in stage.aws_writes()[calls:]], len(statements), done[-1]


def test_nothing_is_written_by_looking(stage: Stage) -> None:
    writes, asked, _ = writes_of(stage, *COMMANDS)
    assert asked > 20, "the servers' logs do not show our statements"
    assert writes == []
    assert stage.state("whole") in ("no run", "rolled-back")

    control = {side: len(stage.server_log(side)) for side in ("blue", "green")}
    stage.cutover("whole").ended(0)
    seen = [s for side, at in control.items() for s in our_statements(stage, side, at)]
    assert any("LOCK TABLE" in s for s in seen), "a cutover's own writes are not seen, so the proof is worth nothing"

    writes, asked, _ = writes_of(stage, *AFTERWARDS)
    assert asked > 20
    assert writes == []
    assert stage.sides() == ("fenced", "open")

    # A second cutover after success has nothing to do, and does nothing.
    writes, _, again = writes_of(stage, AGAIN)
    assert writes == []
    assert again.json["outcome"] == "nothing"
    assert "nothing to do" in again.err, str(again)
