"""The seam by which the fault tests end the program at a named place; without the variables it does nothing.

CUTOVER_KILL_TRACE=FILE writes each place as it is reached; CUTOVER_KILL_AT="PLACE" or "PLACE#N" is `kill -9` of ourselves
when PLACE is reached (for the Nth time).
"""

import os
import signal
from collections import Counter

from cutover.core import killpoint


def install_from_environment() -> None:
    """Installs what the two variables ask for."""
    place, trace = os.environ.get("CUTOVER_KILL_AT"), os.environ.get("CUTOVER_KILL_TRACE")
    if not place and not trace:
        return
    wanted, _, number = (place or "").partition("#")
    seen: Counter[str] = Counter()

    def hook(name: str) -> None:
        seen[name] += 1
        if trace:
            with open(trace, "a", encoding="utf-8") as file:
                file.write(f"{name}#{seen[name]}\n")
        if place and name == wanted and seen[name] == int(number or 1):
            os.kill(os.getpid(), signal.SIGKILL)

    killpoint.install(hook)
