"""The probe write: acknowledged is not enough, its row has to be on the side that was opened, and to come back."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from pairs import Pair

from cutover.core.gate import Verdict
from cutover.net.smoke import SmokeTests
from cutover.plans.checks import KeysCanBeAsked, ProbeLands

SUITE = """
import os, psycopg

def test_checkout():
    with psycopg.connect(os.environ["SMOKE_URL"], autocommit=True) as session:
        session.execute("INSERT INTO public.probe (key, writer) VALUES (%s, 'probe')", [os.environ["SMOKE_KEY"]])

def test_other():
    pass
"""
QUESTION = "SELECT key::text FROM public.probe WHERE key = ANY(%s::uuid[]) AND 5 %% 3 = 2"


@pytest.fixture
def probe(switched: Pair, tmp_path: Path) -> Callable[[str], ProbeLands]:
    """The probe whose application writes to that database."""
    (tmp_path / "test_suite.py").write_text(SUITE, encoding="utf-8")

    def make(address: str) -> ProbeLands:
        smoke = SmokeTests(folder=str(tmp_path), url=lambda: address, url_shell=address, keyword="checkout")
        return ProbeLands(smoke, switched.green, switched.blue, QUESTION)

    return make


def pasted(check: ProbeLands, pair: Pair) -> subprocess.CompletedProcess[str]:
    return bash(check.shell(), pair)


def bash(script: str, pair: Pair) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(pair.programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_row_that_lands_and_comes_back(probe: Callable[[str], ProbeLands], switched: Pair) -> None:
    check = probe(switched.app_dsn)
    found = check.look()
    assert found.verdict is Verdict.PASS, found.seen
    assert found.seen == "1 passed; the row is on green and came back to blue"
    done = pasted(check, switched)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("the row is on green\nand came back to blue\n")


def test_an_application_that_writes_elsewhere(probe: Callable[[str], ProbeLands], switched: Pair) -> None:
    """It answers well, and everything that it takes in would be missing."""
    switched.sql("green", "CREATE DATABASE elsewhere")
    try:
        address = psycopg.conninfo.make_conninfo(switched.dsns["green"], dbname="elsewhere")
        with psycopg.connect(address, autocommit=True) as session:
            session.execute("CREATE TABLE public.probe (key uuid PRIMARY KEY, writer text)")
        check = probe(address)
        found = check.look()
        assert found.verdict is Verdict.FAIL
        assert "its row is not on green" in found.seen and "connection string" in found.hint
        done = pasted(check, switched)
        assert done.returncode == 1 and "the row is not on green" in done.stderr
    finally:
        switched.sql("green", "DROP DATABASE elsewhere WITH (FORCE)")


def test_a_question_that_cannot_be_asked_is_found_before_the_window(pair: Pair) -> None:
    both = (pair.blue, pair.green)
    good = KeysCanBeAsked(both, QUESTION)
    assert good.look().verdict is Verdict.PASS
    assert bash(good.shell(), pair).returncode == 0
    found = KeysCanBeAsked(both, "SELECT kye FROM public.probe WHERE key = ANY(%s::uuid[])").look()
    assert found.verdict is Verdict.FAIL and "kye" in found.seen and "environment file" in found.hint
    nowhere = replace(pair.green, resolve=lambda: "host=127.0.0.1 port=1 connect_timeout=2")
    assert KeysCanBeAsked((nowhere,), QUESTION).look().verdict is Verdict.BLIND


def test_a_row_that_does_not_come_back(probe: Callable[[str], ProbeLands], switched: Pair) -> None:
    check = replace(probe(switched.app_dsn), within=0.3)
    with psycopg.connect(switched.dsns["blue"]) as session:
        session.execute("LOCK TABLE public.probe IN EXCLUSIVE MODE")  # the apply worker waits, readers don't
        found = check.look()
        assert found.verdict is Verdict.FAIL and "has not come back to blue" in found.seen
        done = pasted(check, switched)
        assert done.returncode == 1 and "has not come back to blue" in done.stderr


def test_a_failed_smoke_test_is_the_answer(probe: Callable[[str], ProbeLands], switched: Pair) -> None:
    """Blue refuses the write, so there is no row to look for."""
    found = probe(switched.dsns["blue"]).look()
    assert found.verdict is Verdict.FAIL and "read-only transaction" in found.seen
