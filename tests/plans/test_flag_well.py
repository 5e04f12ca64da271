"""The candidate of a flag while the plan raises its share: what was counted at this share decides, and what was before helps."""

import json
import time
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest

from cutover.core.gate import Verdict
from cutover.core.share import Share
from cutover.flags.criteria import Limits
from cutover.flags.share import StoreShare
from cutover.flags.stores import opened
from cutover.plans.flag_well import CandidateWell
from cutover.routing import Flag, Side, Snapshot
from cutover.routing.histogram import Histogram


@dataclass
class Process:
    """One process with its flag and what its router counted so far."""

    folder: Path
    legacy: int = 0
    candidate: int = 0
    errors: int = 0

    def at(self, percent: int) -> None:
        with opened(f"file:{self.folder}/flags.json") as store:
            before = store.all()["a"]
            assert isinstance(before, Flag)
            store.put(replace(before, enabled=percent > 0, share=Decimal(percent)), before.version)
        self.percent = percent
        self.serves(0, 0)

    def serves(self, legacy: int, candidate: int, errors: int = 0) -> None:
        self.legacy, self.candidate, self.errors = (
            self.legacy + legacy,
            self.candidate + candidate,
            self.errors + errors,
        )
        now = time.time()
        shown = Snapshot(
            flag="a", share=Decimal(self.percent), began_at=now - 60, taken_at=now,
            legacy=Side(requests=self.legacy, response_time=Histogram({300: self.legacy})),
            candidate=Side(
                requests=self.candidate, errors=self.errors, fallbacks=self.errors,
                response_time=Histogram({300: self.candidate}),
            ),
        )  # fmt: skip
        (self.folder / "counts.json").write_text(json.dumps(shown.document()), encoding="utf-8")


@pytest.fixture
def process(tmp_path: Path) -> Process:
    (tmp_path / "flags.json").write_text("{}", encoding="utf-8")
    with opened(f"file:{tmp_path}/flags.json") as store:
        store.put(Flag(name="a"), 0)
    return Process(tmp_path)


@pytest.fixture
def check(process: Process) -> CandidateWell:
    step = StoreShare(
        name="flag", before=Share.of(0), after=Share.of(100), store=lambda: opened(f"file:{process.folder}/flags.json"),
        place="x", flag="a",
    )  # fmt: skip
    limits = Limits(at_least=100)
    return CandidateWell(
        flag="a", environment="e", limits=limits, places=lambda: [f"{process.folder}/counts.json"], step=step
    )


def test_what_was_counted_at_this_share_decides(process: Process, check: CandidateWell) -> None:
    process.at(50)
    process.serves(10_000, 10_000)
    found = check.look()
    assert (found.verdict, found.seen[:18]) == (Verdict.PASS, "before this share:")
    process.serves(90, 90, errors=9)
    assert check.look().verdict is Verdict.PASS, "too little at this share to send anybody back"
    process.serves(20, 20, errors=2)
    found = check.look()
    assert found.verdict is Verdict.FAIL and "error rate 10 %" in found.seen, found


def test_errors_of_an_earlier_attempt_send_nobody_back(process: Process, check: CandidateWell) -> None:
    process.at(5)
    process.serves(1000, 1000, errors=500)
    assert check.look().verdict is Verdict.INSUFFICIENT
    process.serves(1000, 100)
    found = check.look()
    assert (found.verdict, found.seen[:16]) == (Verdict.PASS, "requests 100 (wa")


def test_a_process_that_began_anew_counts_from_there(process: Process, check: CandidateWell) -> None:
    process.at(50)
    process.serves(1000, 1000)
    check.look()
    process.legacy = process.candidate = 0
    process.serves(200, 200, errors=100)
    assert check.look().verdict is Verdict.FAIL


def test_a_flag_that_was_taken_back_is_no_share_that_does_well(process: Process, check: CandidateWell) -> None:
    process.at(50)
    process.serves(1000, 1000)
    assert check.look().verdict is Verdict.PASS
    process.at(0)
    found = check.look()
    assert found.verdict is Verdict.FAIL and "it was taken back" in found.seen


def test_what_cannot_be_seen_is_no_proof(process: Process, check: CandidateWell) -> None:
    process.at(50)
    (process.folder / "counts.json").unlink()
    assert check.look().verdict is Verdict.INSUFFICIENT
    (process.folder / "flags.json").write_text("broken", encoding="utf-8")
    assert check.look().verdict is Verdict.BLIND
