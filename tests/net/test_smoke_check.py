"""Smoke tests as a check: what pytest said, and an end to what never ends."""

import time
from pathlib import Path
from typing import Any

import pytest

from cutover.core.gate import Verdict
from cutover.net.smoke import SmokeTests

SUITE = """
import os

def test_url():
    assert os.environ["SMOKE_URL"] == "http://green.test:1"

def test_checkout():
    assert os.environ.get("SMOKE_READ_ONLY") == "1", "a checkout would write"
"""


def suite(folder: Path, text: str, **more: Any) -> SmokeTests:
    (folder / "test_it.py").write_text(text)
    return SmokeTests(folder=str(folder), url=lambda: "http://green.test:1", **more)


def test_passed_tests_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    monkeypatch.setenv("SMOKE_HOST", "left over from another run")
    seen = suite(tmp_path, SUITE, read_only=True).look()
    assert (seen.verdict, seen.seen) == (Verdict.PASS, "2 passed")


def test_a_failed_test_is_named_with_its_first_line(tmp_path: Path) -> None:
    seen = suite(tmp_path, SUITE).look()
    assert seen.verdict is Verdict.FAIL
    assert seen.seen.startswith("1 failed, 1 passed: test_checkout: AssertionError: a checkout would write")
    assert "\n" not in seen.seen


def test_only_picked_tests_run_and_none_is_no_success(tmp_path: Path) -> None:
    assert suite(tmp_path, SUITE, keyword="url").look().seen == "1 passed"
    assert suite(tmp_path, SUITE, keyword="nothing_like_it").look().verdict is Verdict.FAIL
    skipped = "import pytest\ndef test_x():\n    pytest.skip('not run in dry-run')\n"
    seen = suite(tmp_path, skipped).look()
    assert (seen.verdict, seen.seen) == (Verdict.FAIL, "0 passed, 1 skipped: no smoke test ran")


def test_broken_or_missing_tests_fail(tmp_path: Path) -> None:
    assert "SyntaxError" in str(suite(tmp_path, "def broken(:").look().seen)
    gone = SmokeTests(folder=str(tmp_path / "gone"), url=str)
    assert gone.look().verdict is Verdict.FAIL


def test_a_hanging_test_and_its_children_are_ended(tmp_path: Path) -> None:
    hanging = f"""
import subprocess, time
def test_hang():
    child = subprocess.Popen(["sleep", "600"])
    open({str(tmp_path / "child")!r}, "w").write(str(child.pid))
    time.sleep(600)
"""
    check = suite(tmp_path, hanging, timeout=8.0)
    began = time.monotonic()
    seen = check.look()
    assert time.monotonic() - began < 20
    assert (seen.verdict, seen.seen) == (Verdict.FAIL, "smoke tests did not end within 8 s and were killed")
    child = Path("/proc") / (tmp_path / "child").read_text()
    deadline = time.monotonic() + 5
    while child.exists() and "Z" not in (child / "stat").read_text().split()[2]:
        assert time.monotonic() < deadline, "the child lives on"


def test_it_says_whether_it_writes_and_what_a_person_types() -> None:
    check = SmokeTests(folder="smoke", url=str, keyword="outbox or mail", host="shop.test", version="v2")
    assert check.writes
    assert check.shell() == (
        'SMOKE_URL="$SHOP_GREEN_URL" SMOKE_HOST=shop.test SMOKE_VERSION=v2 '
        "python -m pytest smoke -q -k 'outbox or mail'"
    )
    reading = SmokeTests(folder="smoke", url=str, read_only=True)
    assert not reading.writes
    assert reading.shell() == 'SMOKE_URL="$SHOP_GREEN_URL" SMOKE_READ_ONLY=1 python -m pytest smoke -q'
