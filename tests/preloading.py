"""Which commands are preloaded in this test process: the folders in which they are found, and the servers behind them."""

import functools
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import preloaded

_made: list[tuple[subprocess.Popen[bytes], tempfile.TemporaryDirectory[str]]] = []


def invoke() -> str:
    """The path of an `invoke` that is preloaded."""
    return str(folder("invoke", sys.executable) / "invoke")


def cutover() -> str:
    """The path of the console script, preloaded as `invoke` is."""
    return str(folder("invoke", sys.executable) / "cutover")


@functools.cache
def folder(program: str, python: str) -> Path:
    """The folder of a program that this interpreter loads once for all calls, `aws` or `invoke`."""
    place = tempfile.TemporaryDirectory(prefix=f"cutover-{program}-")
    path = Path(place.name, "socket")
    server = subprocess.Popen([python, "-P", str(Path(preloaded.__file__)), str(path), program])
    _made.append((server, place))
    end = time.monotonic() + 60.0
    while not path.exists():
        assert server.poll() is None and time.monotonic() < end, f"the preloaded {program} did not start"
        time.sleep(0.02)
    for name in {program, "cutover"} if program == "invoke" else {program}:
        command = Path(place.name, name)
        command.write_text(preloaded.caller(str(path)), encoding="utf-8")
        command.chmod(0o755)
    return Path(place.name)


def close() -> None:
    """Ends the servers; doing it twice is fine."""
    folder.cache_clear()
    while _made:
        server, place = _made.pop()
        server.terminate()
        server.wait(timeout=10)
        place.cleanup()
