"""Checkpoints after the switch: none is skipped or doubled over restarts, each leaves a report, and the worst decides."""

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from toy_plan import BACK, END, plan, world
from toy_world import Killed, Started, World

from cutover.core.errors import Interrupted, RolledBack, Unreachable
from cutover.core.gate import Finding, Gate, Guard, Policy
from cutover.core.journal import Journal, position_of
from cutover.core.plan import Plan
from cutover.environment import Checkpoints
from cutover.plans.checkpoint import CheckpointsDone, stand
from cutover.plans.checkpoint_schedule import Due, Rhythm, due, moments

HOUR = 3600.0
Look = Callable[[], Finding]


class Checked:
    """The toy plan with a soak of so many hours at 50 %, and a guard that does checkpoints at hours 1, 2 and 4."""

    def __init__(self, folder: Path, looks: dict[str, Look], policies: dict[str, Policy] | None = None) -> None:
        self.w: World = world()
        self.folder, self.looks, self.hours, self.policies = folder, looks, 6.0, policies or {}
        self.started: Started | None = None
        self.start: Callable[[Callable[[], None]], None] = lambda work: work()

    def journal(self) -> Journal | None:
        return None if self.started is None else self.started.run.journal

    def plan(self) -> Plan:
        check = CheckpointsDone(
            environment="toy", wanted=(HOUR, 2 * HOUR, 4 * HOUR), within=300.0, commit=("switchover",),
            suite=lambda: list(self.looks.items()), journal=self.journal, now=self.w.clock.now, start=self.start,
            file=lambda name: (self.folder / f"{name}.json", f"shown/{name}.json"),
        )  # fmt: skip
        guard = Guard(
            name="checkpoints", check=check, policy=self.policies.get("failure", Policy.HOLD), every=10.0, stands=True,
            during=("shift-10", "shift-50", "shift-100", "bake"), patience=0.0,
            on_blind=self.policies.get("unproven", Policy.NOTIFY),
            on_insufficient=self.policies.get("warning", Policy.NOTIFY),
        )  # fmt: skip
        whole = plan(self.w, guards=(guard,))

        def soaked(item: Any) -> Any:
            return replace(item, hold=self.hours * HOUR) if isinstance(item, Gate) and item.name == "soak-50" else item

        phases = tuple(replace(phase, items=tuple(map(soaked, phase.items))) for phase in whole.phases)
        return replace(whole, phases=phases)

    def run(self) -> Started:
        self.started = self.w.run(self.plan())
        return self.started

    @property
    def recorded(self) -> list[dict[str, Any]]:
        return [dict(entry.data) for entry in self.w.store.kept if entry.kind == "checkpoint"]


def well() -> Finding:
    return Finding.passed("well", rows=7)


def test_each_moment_has_one_checkpoint_with_its_report_and_hash(tmp_path: Path) -> None:
    one = Checked(tmp_path, {"business-figures": well, "smoke": well})
    assert one.run().run.forward() == "done"
    assert one.w.values == END
    assert [(e["moment"], e["verdict"], e["late"], e["missed"]) for e in one.recorded] == [
        (HOUR, "pass", 0.0, []),
        (2 * HOUR, "pass", 0.0, []),
        (4 * HOUR, "pass", 0.0, []),
    ]
    for entry in one.recorded:
        assert entry["verdicts"] == {"business-figures": "pass", "smoke": "pass"}
        path = tmp_path / entry["file"].removeprefix("shown/")
        assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"]
        report = json.loads(path.read_text(encoding="utf-8"))
        assert report["decision"] == "well" and report["moment"] == entry["moment"] and report["run"] == "r1"
        assert report["checks"][0]["data"] == {"rows": 7}


@pytest.mark.parametrize(
    ("finding", "policies", "verdict", "share", "events"),
    [
        (Finding.not_yet("5 % off"), {}, "insufficient", 100, {"guard-failed"}),
        (Finding.blind("no answer"), {}, "blind", 100, {"guard-failed"}),
        (Finding.not_yet("5 % off"), {"warning": Policy.HOLD}, "insufficient", 50, {"standing"}),
        (Finding.failed("7 rows differ"), {}, "fail", 50, {"standing"}),
    ],
)
def test_the_worst_decides_what_is_started(
    tmp_path: Path, finding: Finding, policies: dict[str, Policy], verdict: str, share: int, events: set[str]
) -> None:
    one = Checked(tmp_path, {"smoke": well, "figures": lambda: finding}, policies)
    started = one.run()
    one.w.clock.later(8 * HOUR, lambda: started.interrupt.set(2))
    try:
        started.run.forward()
    except Interrupted:
        assert share == 50
    assert one.recorded[0]["verdict"] == verdict and finding.seen in one.recorded[0]["seen"]
    assert one.w.values["share"] == share
    assert {"guard-failed", "standing"} & set(one.w.kinds()) == events
    assert sum(kind in events for kind in one.w.kinds()) == 1, "told once, not at every look"


def test_a_failure_goes_back_where_that_is_written(tmp_path: Path) -> None:
    one = Checked(tmp_path, {"figures": lambda: Finding.failed("7 rows differ")}, {"failure": Policy.ROLLBACK})
    with pytest.raises(RolledBack, match=r"checkpoint 1 h after the switch: figures: 7 rows differ"):
        one.run().run.forward()
    assert one.w.values == BACK and len(one.recorded) == 1


def test_a_person_goes_on_with_a_failure_and_the_next_one_that_is_well_ends_it(tmp_path: Path) -> None:
    answers = [Finding.failed("7 rows differ"), well()]
    one = Checked(tmp_path, {"figures": lambda: answers.pop(0) if len(answers) > 1 else answers[0]})
    started = one.run()

    def say() -> None:
        one.w.store.wish("r1", "resume", {"who": "ada", "reason": "known rows", "at": one.w.clock.now()})

    one.w.clock.later(1.5 * HOUR, say)
    assert started.run.forward() == "done"
    assert [e["verdict"] for e in one.recorded] == ["fail", "pass", "pass"]
    assert [e.data["outcome"] for e in one.w.store.kept if e.kind == "standing-ended"] == ["borne"]
    assert "guard-cleared" in one.w.kinds()


def test_restarts_neither_skip_nor_double_one(tmp_path: Path) -> None:
    one = Checked(tmp_path, {"smoke": well})
    for minutes in (30, 45, 60, 80):
        started = one.run()
        one.w.clock.later(minutes * 60.0, lambda s=started: s.interrupt.set(15))  # type: ignore[misc]
        with pytest.raises(Interrupted):
            started.run.forward()
    assert one.run().run.forward() == "done"
    assert [e["moment"] for e in one.recorded] == [HOUR, 2 * HOUR, 4 * HOUR]


def test_those_that_were_missed_are_done_once_late_and_that_is_said(tmp_path: Path) -> None:
    one = Checked(tmp_path, {"smoke": well})
    started = one.run()
    one.w.clock.later(60.0, lambda: started.interrupt.set(15))
    with pytest.raises(Interrupted):
        started.run.forward()
    one.w.clock.sleep(3 * HOUR)
    one.run().run.forward()
    first, *others = one.recorded
    assert (first["moment"], first["missed"]) == (2 * HOUR, [HOUR]) and 3600 < first["late"] < 3800
    assert "2 h after the switch, 1 h 1 min late, in place of those at 1 h" in first["seen"]
    assert [e["moment"] for e in others] == [4 * HOUR]


def test_one_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    def dies() -> Finding:
        raise Killed("in the middle of a checkpoint")

    one = Checked(tmp_path, {"smoke": dies})
    with pytest.raises(Killed):
        one.run().run.forward()
    one.looks = {"smoke": well}
    assert one.run().run.forward() == "done"
    assert [(e["moment"], e["verdict"]) for e in one.recorded] == [
        (moment, "pass") for moment in (HOUR, 2 * HOUR, 4 * HOUR)
    ]


def test_what_hangs_holds_up_nobody_and_is_not_proven(tmp_path: Path) -> None:
    let_go, ended = threading.Event(), threading.Event()

    def hangs() -> Finding:
        let_go.wait(60)
        ended.set()
        return well()

    one = Checked(tmp_path, {"figures": hangs})
    one.start = lambda work: threading.Thread(target=work, daemon=True).start()
    try:
        assert one.run().run.forward() == "done"
    finally:
        let_go.set()
    assert one.recorded[0]["verdict"] == "blind" and "not known within 300 s" in one.recorded[0]["seen"]
    assert ended.wait(30)


def test_what_raises_is_not_proven_and_a_full_disk_loses_no_verdict(tmp_path: Path) -> None:
    def unreachable() -> Finding:
        raise Unreachable("green does not answer")

    one = Checked(tmp_path / "file" / "below", {"figures": unreachable})
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    assert one.run().run.forward() == "done"
    entry = one.recorded[0]
    assert entry["verdict"] == "blind" and "green does not answer" in entry["seen"]
    assert entry["file"].startswith("not written: ") and entry["sha256"] == ""


def test_a_checkpoint_is_shown_when_it_is_written_down(tmp_path: Path) -> None:
    one = Checked(tmp_path, {"smoke": well})
    started = one.run()
    started.run.forward()
    shown = [event.data for event in started.events if event.kind == "checkpoint"]
    assert shown == one.recorded and len(shown) == 3
    assert {event["decision"] for event in shown} == {"well"}
    kinds = [event.kind for event in started.events if event.kind != "looking"]
    assert kinds == one.w.kinds(), "each entry is shown once, in its order"


def test_how_they_stand_is_told_from_the_journal(tmp_path: Path) -> None:
    words = Checkpoints.model_validate({"at": ["1h", "2h", "4h"], "every": [], "failure": "notify"})
    one = Checked(tmp_path, {"smoke": lambda: Finding.failed("no answer")}, {"failure": Policy.NOTIFY})

    def found() -> dict[str, Any]:
        entries = one.w.store.entries("r1")
        return stand(words, position_of("r1", entries), ["switchover"], entries)

    assert found() == {"taken": 0, "last": None, "next": None}
    started = one.run()
    seen: list[dict[str, Any]] = []
    for hours in (0.5, 1.5):
        one.w.clock.later(hours * HOUR, lambda: seen.append(found()))
    one.w.clock.later(3 * HOUR, lambda: started.interrupt.set(2))
    with pytest.raises(Interrupted):
        started.run.forward()
    seen.append(found())
    assert [(one["taken"], one["next"]["moment"]) for one in seen] == [(0, HOUR), (1, 2 * HOUR), (2, 4 * HOUR)]
    assert seen[2]["next"]["due"] - seen[1]["next"]["due"] == 2 * HOUR
    last = seen[2]["last"]
    assert (last["verdict"], last["decision"], last["starts"]) == ("fail", "failure", "notify")
    assert last["seen"] == "checkpoint 2 h after the switch: smoke: no answer" and last["file"].endswith(".json")
    one.run().run.back(reason="enough")
    assert (found()["taken"], found()["next"], found()["last"]["verdict"]) == (2, None, "fail")


def test_the_moments_are_counted_from_the_switch() -> None:
    usual = moments(
        [HOUR, 8 * HOUR, 24 * HOUR], [Rhythm(2 * HOUR, 9 * HOUR, 2700.0), Rhythm(9 * HOUR, 24 * HOUR, 3 * HOUR)]
    )
    hours = [moment / HOUR for moment in usual]
    assert hours[:4] == [1, 2, 2.75, 3.5] and hours[-3:] == [18, 21, 24] and len(hours) == len(set(hours))
    assert all(0.5 <= after - before <= 3 for before, after in pairwise(hours) if before >= 9)
    assert moments([], [Rhythm(0.0, HOUR, 1800.0)]) == [1800.0, HOUR]
    assert due(usual, 1000.0, None, 1000.0 + HOUR - 1) is None
    assert due(usual, 1000.0, None, 1000.0 + HOUR) == Due(HOUR, (), 0.0)
