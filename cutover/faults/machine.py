"""This machine: no space where the journal is, no space where green is, a clock that is set by an hour."""

import os
import shutil
import subprocess
from pathlib import Path

from cutover.bench.figures import BenchFailed
from cutover.faults.fault import UNTIL_OVER, Act, Fault, Scene
from cutover.faults.ground import Ground

BLOCK = b"\0" * 65536


def _no_compiler() -> str:
    return "" if shutil.which("cc") else "a C compiler (apt-get install gcc libc6-dev)"


def no_mount() -> str:
    """What is missing to mount a small file system."""
    return "" if os.geteuid() == 0 and os.access("/proc/mounts", os.R_OK) else "root, to mount a small file system"


def _clock(ground: Ground) -> Path:
    return ground.root / "clock"


def _faked(ground: Ground) -> dict[str, str]:
    _clock(ground).write_text("0\n", encoding="utf-8")
    library = ground.root / "set_clock.so"
    if not library.exists():
        source = Path(__file__).with_name("set_clock.c")
        command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise BenchFailed(f"the clock could not be made: {done.stderr.strip()}")
    return {"LD_PRELOAD": str(library), "CUTOVER_CLOCK": str(_clock(ground))}


def _set(offset: str) -> Act:
    return lambda scene: _clock(scene.ground).write_text(f"{offset}\n", encoding="utf-8")


def _filled(folder: str) -> Act:
    def act(scene: Scene) -> None:
        with (scene.ground.small(folder) / "filler").open("wb", buffering=0) as filler:
            try:
                while filler.write(BLOCK):
                    pass
            except OSError:
                return

    return act


def _emptied(folder: str) -> Act:
    return lambda scene: (scene.ground.small(folder) / "filler").unlink(missing_ok=True)


def _green_again(scene: Scene) -> None:
    from cutover.world import world

    _emptied("green")(scene)
    world.up(scene.ground.home)


FAULTS = (
    Fault(
        "disk-full-journal", "no space is left where the journal is", _filled("state"), _emptied("state"), UNTIL_OVER,
        lacking=no_mount,
    ),
    Fault(
        "disk-full-green", "no space is left where green's data is", _filled("green"), _green_again, lacking=no_mount
    ),
    Fault(
        "clock-forward", "the program's clock is set an hour forward", _set("+3600"), _set("+0"), UNTIL_OVER,
        lacking=_no_compiler, variables=_faked,
    ),
    Fault(
        "clock-back", "the program's clock is set an hour back", _set("-3600"), _set("+0"), UNTIL_OVER,
        lacking=_no_compiler, variables=_faked,
    ),
)  # fmt: skip
