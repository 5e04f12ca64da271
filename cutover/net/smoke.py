"""Smoke tests: plain pytest in a process of its own, against one side, with a timeout that fires."""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree

from cutover.core.children import inherited
from cutover.core.gate import Check, Finding

TAIL = 400  # characters of pytest's output that a finding shows when there is no report


@dataclass(frozen=True, kw_only=True)
class SmokeTests(Check):
    """Asks a side to do what visitors do, past the load balancer, and compares its answers with what is expected.

    A healthy target only says that a process answers; a checkout that works says that the side can serve.
    """

    writes: ClassVar[bool] = True

    folder: str
    url: Callable[[], str]
    url_shell: str = "$SHOP_GREEN_URL"
    host: str | None = None
    version: str | None = None
    keyword: str = ""
    key: str | None = None
    """The idempotency key that a write of the tests shall have (SMOKE_KEY), so that its row can be looked up."""
    read_only: bool = False
    dry: bool = False
    """Only what reads may be run, because this is a dry-run; what is printed is what the run does."""
    timeout: float = 60.0

    def __post_init__(self) -> None:
        # The engine asks the object; tests that only read may run in a dry-run too.
        object.__setattr__(self, "writes", not (self.read_only or self.dry))

    def look(self) -> Finding:
        if not Path(self.folder).exists():
            return Finding.failed(f"there are no smoke tests at {self.folder}", "run this from the repository's root")
        with tempfile.TemporaryDirectory(prefix="cutover-smoke-") as place:
            report, output = Path(place) / "report.xml", Path(place) / "output"
            code = _run([*self._command(), f"--junitxml={report}"], self._environment(), output, self.timeout)
            if code is None:
                return Finding.failed(f"smoke tests did not end within {self.timeout:g} s and were killed")
            if not report.exists():
                text = output.read_text(errors="replace").strip()[-TAIL:]
                return Finding.failed(f"pytest ended with {code} and no report: {text}")
            return _finding(report)

    def _command(self) -> list[str]:
        picked = ["-k", self.keyword] if self.keyword else []
        return [sys.executable, "-m", "pytest", self.folder, "-q", "-p", "no:cacheprovider", *picked]

    def _environment(self) -> dict[str, str]:
        # What an outer pytest told its own process is not meant for this one.
        found = {name: value for name, value in inherited().items() if not name.startswith(("PYTEST_", "SMOKE_"))}
        return {**found, "SMOKE_URL": self.url(), **self._options(self.read_only or self.dry)}

    def _options(self, read_only: bool) -> Mapping[str, str]:
        options = {"SMOKE_HOST": self.host, "SMOKE_VERSION": self.version, "SMOKE_READ_ONLY": "1" * read_only}
        options["SMOKE_KEY"] = self.key
        return {name: value for name, value in options.items() if value}

    def shell(self) -> str:
        options = "".join(f" {name}={shlex.quote(value)}" for name, value in self._options(self.read_only).items())
        picked = f" -k {shlex.quote(self.keyword)}" if self.keyword else ""
        return f'SMOKE_URL="{self.url_shell}"{options} python -m pytest {shlex.quote(self.folder)} -q{picked}'


def _run(command: list[str], environment: Mapping[str, str], output: Path, seconds: float) -> int | None:
    """The exit code, or None when time ran out; either way nothing of the process group is left."""
    with output.open("wb") as sink:
        # A file and not a pipe: a grandchild that holds a pipe open would keep us waiting after the kill.
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
        )
        try:
            return process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end_group(process)


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait(timeout=5.0)


def _finding(report: Path) -> Finding:
    try:
        cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    except ElementTree.ParseError as error:
        return Finding.failed(f"pytest's report cannot be read: {error}")
    failed = [f"{_name(case)}: {_first_line(case)}" for case in cases if _trouble(case) is not None]
    skipped = sum(case.find("skipped") is not None for case in cases)
    passed = len(cases) - len(failed) - skipped
    counted = f"{passed} passed" + (f", {skipped} skipped" if skipped else "")
    if failed:
        return Finding.failed(f"{len(failed)} failed, {counted}: " + "; ".join(failed), failed=failed)
    if not passed:
        return Finding.failed(f"{counted}: no smoke test ran", "what is not tested is not known to work")
    return Finding.passed(counted, passed=passed, skipped=skipped)


def _trouble(case: ElementTree.Element) -> ElementTree.Element | None:
    failure = case.find("failure")
    return failure if failure is not None else case.find("error")


def _name(case: ElementTree.Element) -> str:
    return case.get("name") or case.get("classname") or "collection"


def _first_line(case: ElementTree.Element) -> str:
    trouble = _trouble(case)
    if trouble is None:
        return "no message"
    # An assertion's first line stands in the message; what broke at collection has its own marked with E in the text.
    marked = [line[1:].strip() for line in (trouble.text or "").splitlines() if line.startswith("E ")]
    message = (trouble.get("message") or "").strip()
    if message and message != "collection failure":
        return message.splitlines()[0][:300]
    return (marked[-1] if marked else message or "no message")[:300]
