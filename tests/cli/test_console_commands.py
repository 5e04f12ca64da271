"""The console's buttons over a run that real commands walk: each does what its command does, in the name of who pressed it."""

from __future__ import annotations

import signal
import stat
from collections.abc import Callable, Iterator

import pytest
from cli.shell import Shell
from cli.waiting_run import GATE, NAME, RUN, WaitingRun

from cutover.console.commands import Commands, Ended
from cutover.console.known import Known
from cutover.console.verbs import buttons
from cutover.core.errors import Refused

REASON = {"reason": "as agreed; it's fine"}


@pytest.fixture
def waiting(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Iterator[WaitingRun]:
    monkeypatch.setenv("CUTOVER_HOME", str(shell.home))
    run = WaitingRun(shell)
    yield run
    run.close()


@pytest.fixture
def known(waiting: WaitingRun) -> Iterator[Callable[[], Known]]:
    """What the console knows right now."""
    opened: list[Known] = []

    def now() -> Known:
        if not opened:
            opened.append(Known(waiting.opened()))
        opened[0].read()
        return opened[0]

    yield now
    for one in opened:
        one.close()


@pytest.fixture
def acts(waiting: WaitingRun, known: Callable[[], Known]) -> Commands:
    return Commands(NAME, lambda: known().holder, waiting.shell.home / "console", waiting.shell.folder)


def possible(known: Known) -> set[str]:
    found = buttons(known.app.plan, known.view, known.holder, known.wishes, protected=False)
    return {one.verb for one in found if not one.why_not}


def test_a_run_is_driven_by_its_buttons(waiting: WaitingRun, acts: Commands, known: Callable[[], Known]) -> None:
    waiting.begin()
    assert possible(known()) == {"resume", "previous-phase", "rollback"}
    watching = waiting.watch()
    waiting.eventually(lambda: waiting.entries("waiting", gate=GATE), "the question")
    assert possible(known()) == {"hold", "previous-phase", "rollback"}

    said = acts.do("approve", "grace@desk", {**REASON, "gate": GATE, "role": "decision"})
    assert "yes for decision" in said
    waiting.eventually(lambda: waiting.entries("waiting", gate="soak-50"), "the soak")
    (passed,) = waiting.entries("passed", gate=GATE)
    signed = passed.data["data"]["signed"][0]
    assert (signed["who"], signed["comment"]) == ("grace@desk", "as agreed; it's fine")

    acts.do("hold", "grace@desk", REASON)
    assert "resume" in possible(known()), "a hold can be lifted"
    acts.do("resume", "grace@desk", REASON)
    assert "resume" not in possible(known())

    assert "was asked" in acts.do("previous-phase", "ada", {"reason": "--yes"})
    waiting.eventually(lambda: waiting.entries("leg-ended", outcome="undone"), "the way back")
    (back,) = waiting.entries("leg-started", direction="back")
    assert "ada:  --yes" in back.data["reason"] and waiting.flag.read_text().strip() == "10"
    waiting.ended(watching, signal.SIGTERM)


def test_who_stands_by_is_told_to_go_on_from_the_page(
    waiting: WaitingRun, acts: Commands, known: Callable[[], Known]
) -> None:
    waiting.begin()
    watching = waiting.watch()
    waiting.eventually(lambda: waiting.entries("waiting", gate=GATE), "the question")
    acts.do("previous-phase", "ada", REASON)
    waiting.eventually(lambda: waiting.entries("leg-ended", outcome="undone"), "the way back")
    assert possible(known()) == {"resume", "previous-phase", "rollback"}
    acts.do("resume", "ada", REASON)
    waiting.eventually(lambda: waiting.entries("waiting", gate=GATE)[1:], "the question, once more")
    waiting.ended(watching, signal.SIGTERM)


def test_how_a_command_ends_that_takes_longer_is_seen(
    waiting: WaitingRun, acts: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cutover.console.commands.SOON", 0.0)
    waiting.begin()
    held = waiting.opened().state()
    lease = held.acquire(who="bob", operation="finish")
    acts.holder = lambda: None
    assert "is at it for ada" in acts.do("begin", "ada", REASON)
    waiting.eventually(lambda: all(one.code is not None for one in acts.told()), "its end")
    (last, *_) = acts.told()
    assert (last.verb, last.who, last.code) == ("begin", "ada", 4) and "bob" in last.said
    held.release(lease)
    held.close()


def test_a_button_that_means_another_command_by_now_does_nothing(waiting: WaitingRun, acts: Commands) -> None:
    waiting.begin()
    with pytest.raises(Refused, match="another command by now"):
        acts.do("rollback", "ada", {**REASON, "command": "invoke rollback --env asked --reason '…' --ask"})
    assert not waiting.entries("leg-started", direction="back")


def test_what_is_refused_is_told_with_what_to_type(waiting: WaitingRun, acts: Commands) -> None:
    waiting.begin()
    for file in waiting.shell.home.glob(f"{NAME}.sqlite*"):
        file.rename(waiting.shell.home / f"kept-{file.name}")
    with pytest.raises(Ended, match="refused: there is no run") as refused:
        acts.do("hold", "ada", REASON)
    assert refused.value.next_command.startswith("invoke hold --env asked --reason")
    for file in waiting.shell.home.glob(f"{NAME}.sqlite*"):
        file.unlink()
    for file in waiting.shell.home.glob("kept-*"):
        file.rename(waiting.shell.home / file.name.removeprefix("kept-"))
    with pytest.raises(Ended, match="waits for nobody's word"):
        acts.do("approve", "ada", {**REASON, "gate": GATE, "role": "decision"})
    with pytest.raises(Refused, match="gate: not the name of anything"):
        acts.do("approve", "ada", {**REASON, "gate": "x; rm -rf /", "role": "decision"})
    with pytest.raises(Refused, match="at most 1000 characters"):
        acts.do("hold", "ada", {"reason": "x" * 1001})
    with pytest.raises(KeyError):
        acts.do("finish", "ada", REASON)
    assert waiting.entries()[-1].run == RUN


def test_what_a_button_says_is_kept_for_its_owner_alone(waiting: WaitingRun, acts: Commands) -> None:
    waiting.begin()
    with pytest.raises(Ended):
        acts.do("approve", "ada", {**REASON, "gate": GATE, "role": "decision"})
    (log,) = acts.logs.iterdir()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600 and stat.S_IMODE(acts.logs.stat().st_mode) == 0o700
    text = log.read_text(encoding="utf-8")
    assert text.startswith("$ invoke approve --env asked --gate go --role decision --comment 'as agreed; it'")
    assert "waits for nobody's word" in text
