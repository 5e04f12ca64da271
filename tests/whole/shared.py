"""One stage for all tests of a session: building a world takes longer than most tests."""

from __future__ import annotations

import functools
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from whole.stage import Stage

PREFIX = "cutover-stage-"  # a short path
_made: list[Stage] = []


@functools.cache
def stage() -> Stage:
    """The session's stage, built at the first call."""
    _sweep()
    made = Stage(Path(tempfile.mkdtemp(prefix=PREFIX)))
    (made.root / "owner").write_text(str(os.getpid()), encoding="utf-8")
    _made.append(made)
    made.set_up()
    return made


def _sweep() -> None:
    """Ends the worlds of earlier sessions that were killed before they could do it."""
    for owner in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/owner"):
        with suppress(FileNotFoundError):  # the other test process sweeps, too
            if not Path("/proc", owner.read_text(encoding="utf-8")).exists():
                Stage(owner.parent).close()


def close() -> None:
    """Ends the world, and fails when a process of it is left; doing it twice is fine."""
    while _made:
        made = _made.pop()
        before = made.processes()
        made.close()
        left = made.processes()
        assert not left, f"processes are left: {left}; before there were {before}"
