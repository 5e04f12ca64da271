"""This machine: no space where the journal is, no space where green is, a clock that is set by an hour."""

import glob
import os
from pathlib import Path

from cutover.faults.fault import UNTIL_OVER, Act, Fault, Scene
from cutover.faults.ground import Ground

FAKETIME = "/usr/lib/*/faketime/libfaketimeMT.so.1"
BLOCK = b"\0" * 65536


def _no_faketime() -> str:
    return "" if glob.glob(FAKETIME) else "libfaketime (apt-get install faketime)"


def no_mount() -> str:
    """What is missing to mount a small file system."""
    return "" if os.geteuid() == 0 and os.access("/proc/mounts", os.R_OK) else "root, to mount a small file system"


def _clock(ground: Ground) -> Path:
    return ground.root / "clock"


def _faked(ground: Ground) -> dict[str, str]:
    _clock(ground).write_text("+0\n", encoding="utf-8")
    return {
        "LD_PRELOAD": glob.glob(FAKETIME)[0],
        "FAKETIME_TIMESTAMP_FILE": str(_clock(ground)),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",  # its name before 0.9.10
    }


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
        lacking=_no_faketime, variables=_faked,
    ),
    Fault(
        "clock-back", "the program's clock is set an hour back", _set("-3600"), _set("+0"), UNTIL_OVER,
        lacking=_no_faketime, variables=_faked,
    ),
)  # fmt: skip
