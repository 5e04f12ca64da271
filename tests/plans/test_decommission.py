"""The end of blue: what it waits for, in which order it goes, and what it does not take for well."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cutover.app import open_environment
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.gate import Gate, Verdict
from cutover.core.journal import Entry
from cutover.core.share import Share
from cutover.core.step import Command, Step
from cutover.plans.decommission import archived
from cutover.plans.ended import Archived, Confirmed, RetentionOver, Stands

DAY = 86_400.0
ROOT = Path(__file__).parents[2]


def ended(at: float) -> list[Entry]:
    """A run that was finished at that time."""

    def entry(seq: int, kind: str, **data: Any) -> Entry:
        return Entry(seq, "run", at, 1, kind, data, "", "")

    return [entry(1, "leg-started", plan="finish"), entry(2, "leg-ended", outcome="done")]


def retention(days: float, entries: Sequence[Entry] = ()) -> RetentionOver:
    return RetentionOver("prod", 30 * DAY, 60 * DAY, lambda: entries or ended(0.0), now=lambda: days * DAY)


@pytest.mark.parametrize(
    ("days", "verdict"), [(0, "insufficient"), (29.99, "insufficient"), (30, "pass"), (90, "pass")]
)
def test_blue_is_kept_for_its_time(days: float, verdict: str) -> None:
    assert retention(days).look().verdict.value == verdict


def test_what_is_kept_too_long_is_told() -> None:
    assert "blue still costs" not in retention(59).look().seen
    late = retention(61).look()
    assert "blue still costs, 60 days are over" in late.seen and late.data["warning"]


def test_without_finish_nothing_ends() -> None:
    begun = [Entry(1, "run", 0.0, 1, "leg-started", {"plan": "cutover"}, "", "")]
    found = retention(400, begun).look()
    assert found.verdict is Verdict.FAIL and "invoke finish --env prod" in found.hint


class Seen(Step[Any]):
    """Shows what it is told to."""

    def observe(self) -> Any:
        return self.expected

    def commands(self, target: Any) -> Sequence[Command]:
        return ()

    def check_shell(self) -> str:
        return "true"


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [(Share.of(100), "pass"), (Share.of(99.99), "fail"), (Share.of(0), "fail"), ("version 57", "pass")],
)
def test_traffic_that_was_moved_back_still_needs_blue(seen: Any, verdict: str) -> None:
    step = Seen(name="traffic", before=Share.of(0), after=Share.of(100), expected=seen)
    assert Stands(step).look().verdict.value == verdict


def test_nothing_is_confirmed_but_by_its_own_name() -> None:
    check = Confirmed("prod", "rds-instance:shop-blue", lambda: {"load-balancer:shop-blue"})
    found = check.look()
    assert found.verdict is Verdict.INSUFFICIENT and "--confirm rds-instance:shop-blue" in found.hint
    assert (
        Confirmed("prod", "rds-instance:shop-blue", lambda: {"rds-instance:shop-blue"}).look().verdict is Verdict.PASS
    )


def test_each_resource_is_confirmed_and_looked_at_again_right_before_it_is_deleted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path))
    plan = open_environment("prod", directory=ROOT / "environments").decommission
    names = [item.name for item in plan.phase("resources").items]
    kinds = ["target-group-shop-blue", "load-balancer-api-blue", "rds-instance-shop-blue"]
    assert names == [
        name
        for kind in kinds
        for name in (f"confirmed-{kind}-deleted", f"still-unused-{kind}-deleted", f"{kind}-deleted")
    ]
    asked = next(item for item in plan.phase("unused").items if item.name == "nobody-uses-blue")
    assert isinstance(asked, Gate) and asked.hold == DAY
    assert "clients" in asked.check.shell() and "shop requests" in asked.check.shell()


def printed(run: str, folder: Path, step: Archived) -> str:
    """What the printed check shows when the history ends with that run."""
    history = folder / "invoke"
    history.write_text(f'#!/bin/sh\necho \'[{{"run": "{run}"}}]\'\n')
    history.chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "CUTOVER_ENV": "prod"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", step.check_shell()], env=environment, capture_output=True, text=True, timeout=20,
        check=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_the_archive_is_of_this_run_and_has_the_record_of_blue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path))
    step = archived(open_environment("prod", directory=ROOT / "environments").means)
    with pytest.raises(StepFailed, match="the record of blue is not on this machine"):
        step.commands(step.after)[0].run(Deadline.after(5.0))
    assert not step.path.exists()

    def of(run: str) -> Archived:
        return Archived(
            name="a",
            path=tmp_path / "archive.json",
            shown=str(tmp_path / "archive.json"),
            run=lambda: run,
            content=lambda: {"kept": run},
        )

    of("one").commands("archived")[0].run(Deadline.after(5.0))
    assert of("one").observe() == "archived" and of("two").observe() == "not archived"
    assert printed("one", tmp_path, of("one")) == "archived" and printed("two", tmp_path, of("two")) == "not archived"
    of("two").commands("archived")[0].run(Deadline.after(5.0))
    assert of("two").observe() == "archived" and len(list(tmp_path.glob("archive*"))) == 2
