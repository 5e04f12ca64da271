"""Visitors' own experience: enough requests, few failures, fast enough; anything unreadable is blind."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cutover.core.gate import Verdict
from cutover.net.traffic import TrafficHealthy

NOW = 1_000_000.0


def ledger(path: Path, *, good: int, bad: int = 0, took: float = 0.05, end: float = NOW) -> Path:
    lines = [
        {"at": end - 1 - took, "ack": end - 1, "kind": "read", "key": "", "ok": number >= bad, "slow": False}
        for number in range(good + bad)
    ]
    file = path / "ledger.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def check(file: Path, **limits: float) -> TrafficHealthy:
    return TrafficHealthy(ledger=lambda: file, now=lambda: NOW, **limits)  # type: ignore[arg-type]


def test_enough_good_and_fast_requests_pass(tmp_path: Path) -> None:
    seen = check(ledger(tmp_path, good=40, bad=2)).look()
    assert seen.verdict is Verdict.PASS
    assert seen.seen == "42 requests in 10 s, 2 failed (4.8 %, limit 5 %), p95 50 ms (limit 2000 ms)"


def test_too_few_requests_are_never_well(tmp_path: Path) -> None:
    assert check(ledger(tmp_path, good=19)).look().verdict is Verdict.INSUFFICIENT
    assert check(ledger(tmp_path, good=0)).look().verdict is Verdict.INSUFFICIENT
    assert check(tmp_path / "none yet").look().verdict is Verdict.INSUFFICIENT
    assert check(ledger(tmp_path, good=50, end=NOW - 60)).look().verdict is Verdict.INSUFFICIENT


def test_failures_and_slowness_above_the_limit_fail(tmp_path: Path) -> None:
    assert check(ledger(tmp_path, good=40, bad=3)).look().verdict is Verdict.FAIL
    assert check(ledger(tmp_path, good=0, bad=40)).look().verdict is Verdict.FAIL
    assert check(ledger(tmp_path, good=40, took=2.5)).look().verdict is Verdict.FAIL


def test_a_ledger_that_cannot_be_read_is_blind(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_text('{"no": "ledger"}\n')
    assert check(tmp_path / "ledger.jsonl").look().verdict is Verdict.BLIND
    assert check(tmp_path).look().verdict is Verdict.BLIND


def test_what_is_printed_counts_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_LEDGER", str(ledger(tmp_path, good=40, bad=2, end=time.time())))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", check(tmp_path).shell()],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    told, _, p95 = done.stdout.rpartition(" ")
    assert told == "42 requests, 2 failed, p95 ms:"
    assert abs(float(p95) - 50) < 0.1
