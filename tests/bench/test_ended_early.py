"""A bench that is told to end takes its servers with it."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from cutover.world.processes import strays

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_nothing_is_left_when_it_is_terminated() -> None:
    with tempfile.TemporaryDirectory(prefix="cutover-test-") as place:
        folder = Path(place)
        folder.chmod(0o755)  # the servers run as somebody else
        bench = subprocess.Popen(
            [sys.executable, "-m", "invoke", "bench", "database", "--quick", "--only", "preflight"],
            cwd=ROOT, env={**os.environ, "TMPDIR": place}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            end = time.monotonic() + 60.0
            while not list(folder.glob("cutover-pair-*/green/postmaster.pid")):
                assert bench.poll() is None and time.monotonic() < end, "the servers did not start"
                time.sleep(0.02)
            bench.send_signal(signal.SIGTERM)
            said, _ = bench.communicate(timeout=60.0)
        finally:
            bench.kill()
        assert bench.returncode == 128 + signal.SIGTERM, said
        assert list(folder.iterdir()) == [] and strays(folder, folder) == []
