"""Whatever somebody wrote into a record does nothing to the terminal of who reads it."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator

import pytest
from cli.shell import Shell
from cli.waiting_run import GATE, NAME, RUN, WaitingRun

from cutover.runs import Conductor

HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp.exe\r\u200b\x08"
COMMANDS = (
    ("status",),
    ("status", "--env", NAME),
    ("history", "--env", NAME),
    ("history", "--env", NAME, "--run", RUN),
    ("checklist", "--env", NAME),
    ("rollback", "--env", NAME, "--dry-run"),
    ("rollback", "--env", NAME, "--ask", "--reason", HOSTILE),
    ("resume", "--env", NAME, "--reason", HOSTILE),
)


@pytest.fixture
def waiting(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Iterator[WaitingRun]:
    monkeypatch.setenv("CUTOVER_HOME", str(shell.home))
    run = WaitingRun(shell)
    yield run
    run.close()


def written(waiting: WaitingRun) -> None:
    waiting.begin()
    app = waiting.opened()
    with Conductor(app).leased("cutover") as state:
        for kind, data in (
            ("leg-started", {"direction": "forward", "plan": "cutover", "digest": HOSTILE, "reason": HOSTILE, "who": HOSTILE}),
            ("phase-entered", {"phase": "shift-50", "budget": None}),
            ("waiting", {"gate": GATE, "verdict": "insufficient", "seen": HOSTILE}),
            ("standing", {"guard": HOSTILE, "seen": HOSTILE, "seconds": None, "then": HOSTILE}),
            ("leg-ended", {"outcome": "stopped", "error": HOSTILE}),
        ):  # fmt: skip
            state.append(RUN, kind, data, app.lease[-1])
        state.wish(RUN, "hold", {"who": HOSTILE, "reason": HOSTILE, "at": 9e9})
    app.close()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command)[:24])
def test_no_command_passes_it_on(waiting: WaitingRun, command: tuple[str, ...]) -> None:
    written(waiting)
    said = waiting.shell.invoke(*command)
    text = said.out + said.err
    assert text and "Traceback" not in text
    odd = {f"U+{ord(one):04X}" for one in text if unicodedata.category(one) in ("Cc", "Cf") and one not in "\n\t"}
    assert not odd, said


def test_a_document_has_it_as_it_was_written(waiting: WaitingRun) -> None:
    written(waiting)
    found = json.loads(waiting.shell.invoke("history", "--env", NAME, "--run", RUN, "--json").out)
    assert found[-1]["data"]["error"] == HOSTILE
