"""The command that looks for input which the toolkit stumbles over: fuzz."""

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.cli.ends import ended, say

SCRIPT, BYTES = Path("tests/badinput/fuzzing.py"), Path("tests/badinput/journal_bytes.py")
EVERY_BYTE = "journal-bytes"
MEMORY = Path("/dev/shm")
TARGETS = (
    *("environment", "environment-value", "condition", "log-query", "sum", "log-file", "access-log", "flag", "record"),
    *("ledger", "dns", "prometheus", "redis", "console", "journal"),
)


@task(
    help={
        "only": f"one target: {', '.join(TARGETS)}, or {EVERY_BYTE}: each byte of a journal cut off, changed and zeroed",
        "seconds": "for each target (60)",
        "runs": "executions for each target, in place of seconds",
        "file": "run the one target on this file's bytes, as the command does that a finding is told with",
        "out": "where findings and the corpus are kept (.cutover/fuzz)",
    }
)
@ended
def fuzz(
    c: Context, only: str = "", seconds: int = 60, runs: int = 0, file: str = "", out: str = ".cutover/fuzz"
) -> None:
    """Look with atheris for input that is not refused in our words. Example: invoke fuzz --only dns --seconds 600"""
    from cutover.core.errors import ConfigurationRefused, Refused

    if only and only not in (*TARGETS, EVERY_BYTE):
        raise ConfigurationRefused([f"--only {only}: no such target; there are {', '.join((*TARGETS, EVERY_BYTE))}"])
    if not SCRIPT.exists():
        raise Refused(f"{SCRIPT} is not here: this is typed in the repository")
    if only == EVERY_BYTE:
        raise Exit(code=subprocess.run([sys.executable, str(BYTES)], check=False).returncode)
    if file:
        raise Exit(code=subprocess.run([sys.executable, str(SCRIPT), only, "--file", file], check=False).returncode)
    if find_spec("atheris") is None:
        raise Refused("atheris is not installed; it needs CPython on Linux", next_command="pip install 'atheris>=3'")
    Path(out).mkdir(parents=True, exist_ok=True)
    failed = [name for name in ((only,) if only else TARGETS) if not _ran(name, seconds, runs, out)]
    if failed:
        raise Exit(code=1)


def _ran(name: str, seconds: int, runs: int, out: str) -> bool:
    before = set(Path(out).glob(f"{name}-*"))
    limits = ["0" if runs else str(seconds), str(runs or -1)]
    # libFuzzer ends the process without Python's own clearing away.
    with tempfile.TemporaryDirectory(prefix="cutover-fuzz-", dir=MEMORY if MEMORY.is_dir() else None) as place:
        command = [sys.executable, str(SCRIPT), name, *limits, out]
        code = subprocess.run(command, env={**os.environ, "TMPDIR": place}, check=False).returncode
    for one in sorted(set(Path(out).glob(f"{name}-*")) - before):
        say(f"found by {name}; again: invoke fuzz --only {name} --file {one}")
    return code == 0
