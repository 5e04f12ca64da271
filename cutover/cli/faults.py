"""The seam by which the fault tests end or halt the program at a named place; without the variables it does nothing.

CUTOVER_KILL_TRACE=FILE writes each place as it is reached. CUTOVER_KILL_AT="PLACE" or "PLACE#N" is `kill -9` of ourselves
when PLACE is reached (for the Nth time). CUTOVER_KILL_PAUSE does the same as CUTOVER_KILL_AT, but only halts: it writes
the file that CUTOVER_KILL_PAUSED names, and goes on when somebody removes it, at the latest after a minute. Several places
are separated by semicolons; the file says at which one it stands.
"""

import os
import signal
import time
from collections import Counter
from pathlib import Path

from cutover.core import killpoint

LONGEST_PAUSE = 60.0  # seconds


def install_from_environment() -> None:
    """Installs what the variables ask for."""
    asked = {name: os.environ.get(f"CUTOVER_KILL_{name}", "") for name in ("TRACE", "AT", "PAUSE", "PAUSED")}
    if not any(asked.values()):
        return
    seen: Counter[str] = Counter()

    def hook(name: str) -> None:
        seen[name] += 1
        if asked["TRACE"]:
            with open(asked["TRACE"], "a", encoding="utf-8") as file:
                file.write(f"{name}#{seen[name]}\n")
        if _is_here(asked["AT"], name, seen[name]):
            os.kill(os.getpid(), signal.SIGKILL)
        for place in asked["PAUSE"].split(";"):
            if _is_here(place, name, seen[name]):
                _pause(Path(asked["PAUSED"]), place)

    killpoint.install(hook)


def _is_here(place: str, name: str, times: int) -> bool:
    wanted, _, number = place.partition("#")
    return name == wanted and times == int(number or 1)


def _pause(file: Path, place: str) -> None:
    file.write_text(place, encoding="utf-8")
    end = time.monotonic() + LONGEST_PAUSE
    while file.exists() and time.monotonic() < end:
        time.sleep(0.01)
