"""What the runbooks print is pasted into bash on the local world: every step forward, back, forward again and finished."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from by_hand import preparation, shell

from cutover.app import App, open_environment
from cutover.core.plain import text
from cutover.core.plan import Plan
from cutover.core.step import Step
from cutover.net.ledger import Ledger
from cutover.outcome import serving
from cutover.postgres.session import Database
from cutover.runbook import extract_commands, render
from cutover.runbook.compose import book_of
from cutover.runbook.entries import final_states, takeable
from cutover.world import world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROWS, RATE = 5_000, 20


WITHIN = 60.0  # seconds until a check that a person repeats has to show the wanted state


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """The local environment on a world of its own, with customers who never stop buying."""
    home = tmp_path / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUTOVER_HOME", str(home))
        try:
            for name, value in world.up(home, rows=ROWS, rate=RATE).environment.items():
                patch.setenv(name, value)  # as `adopt` does, but taken back
            yield open_environment("local")
        finally:
            world.down(home)


@dataclass
class Person:
    """Follows the pages of one environment by hand, and notes how long each block took."""

    app: App
    aws: str
    took: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pages = render(book_of(self.app))
        self.bash = shell(preparation(self.pages["CUTOVER-RUNBOOK.md"]), self.app.home, self.aws, os.environ["PG_BIN"])

    def follows(self, page: str, plan: Plan) -> None:
        """Takes every step of the page, and asks every gate; the same question is asked once."""
        printed = blocks(self.pages[page])
        asked: set[str] = set()
        for _, item in plan.walk():
            (check,) = printed[item.name]["check"]
            if isinstance(item, Step):
                self.takes(item, printed[item.name]["do"], check)
            elif check not in asked:
                asked.add(check)
                self.repeats(item.name, check, lambda done: done.returncode == 0)

    def takes(self, step: Step[Any], pasted: list[str], check: str) -> None:
        """From the start to the wanted state, as the tool sees it and as the printed check shows it."""
        if step.observe() == step.after:  # as the tool does: what stands already is looked at, and nothing is done
            self.repeats(step.name, check, lambda done: shows(done, step.after))
            return
        assert step.observe() == step.before, f"{step.name} does not start where the page says"
        assert len(pasted) == len(step.commands(step.after))
        for block in pasted:
            done = self.pastes(f"{step.name} do", block)
            assert done.returncode == 0, f"{step.name}: {block}\n{done.stdout}\n{done.stderr}"
        self.repeats(step.name, check, lambda done: shows(done, step.after))
        assert step.observe() == step.after, f"{step.name}: the check shows {text(step.after)}, which is not so"

    def looks_over(self, plan: Plan) -> None:
        """The states on the checklist are what its checks show."""
        asked = [each for each in extract_commands(self.pages["POST-CUTOVER-CHECKLIST.md"]) if each[1] == "check"]
        wanted = {step.name: step.after for step in final_states(plan)}
        assert set(wanted) <= {name for name, _, _ in asked}
        for name, _, check in asked:
            if name in wanted:
                self.repeats(name, check, partial(shows, state=wanted[name]))

    def repeats(self, name: str, check: str, until: Callable[[CompletedProcess[str]], bool]) -> None:
        deadline = time.monotonic() + WITHIN
        while not until(done := self.pastes(f"{name} check", check)):
            assert time.monotonic() < deadline, (
                f"{name}: {check}\nended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
            )

    def pastes(self, what: str, block: str) -> CompletedProcess[str]:
        began = time.monotonic()
        done = self.bash.run(block)
        self.took[what] = self.took.get(what, 0.0) + time.monotonic() - began
        return done


def shows(done: CompletedProcess[str], state: object) -> bool:
    """Whether a check ended well, with the state's own word on its last line."""
    return done.returncode == 0 and done.stdout.rstrip("\n").rpartition("\n")[2] == text(state)


def blocks(page: str) -> dict[str, dict[str, list[str]]]:
    """By step or gate and kind; only what stands in the numbered chapters."""
    found: dict[str, dict[str, list[str]]] = {}
    for name, kind, block in extract_commands(page[page.index("\n## 1. ") :]):
        found.setdefault(name, {}).setdefault(kind, []).append(block)
    return found


def lost(app: App, side: Database) -> tuple[int, int]:
    """How many writes were promised to customers, and how many of them the side lacks."""
    question = app.environment.ledger_keys
    assert question is not None
    keys = Ledger(app.means.ledger_path()).between(0, time.time()).acknowledged
    with side.open("ledger") as session:
        there = {str(row[0]) for row in session.rows(question, [keys], timeout=30.0)}
    return len(keys), len(set(keys) - there)


def test_by_hand_forward_back_forward_and_finished(app: App, aws_cli: str) -> None:
    person, (pair,) = Person(app, aws_cli), app.means.pairs
    person.follows("CUTOVER-RUNBOOK.md", app.plan)
    assert serving(pair).side == "green"
    person.looks_over(app.plan)
    person.follows("ROLLBACK-RUNBOOK.md", app.plan.inverse(takeable(app.plan)))
    assert serving(pair).side == "blue"
    written, missing = lost(app, pair.blue)
    assert written and not missing, f"{missing} of {written} writes were lost on the way forward and back"

    # What the rollback keeps is enough for the next try; only the databases matter to the finish.
    forward = blocks(person.pages["CUTOVER-RUNBOOK.md"])
    (switch,) = app.plan.commit_steps()
    person.takes(switch, forward[switch.name]["do"], forward[switch.name]["check"][0])
    person.follows("ARCHIVE-RUNBOOK.md", app.finish)
    again, missing = lost(app, pair.green)
    assert again > written and not missing, f"{missing} of {again} writes were lost"
