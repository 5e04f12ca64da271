"""What a rehearsal must not leave behind: processes of its folder."""

import os
from pathlib import Path


def belonging_to(folder: Path) -> list[str]:
    """Whoever shows by a command line or an environment that it belongs there."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes()
            mine = str(folder).encode() in line + (entry / "environ").read_bytes()
        except OSError:
            continue
        if mine and int(entry.name) != os.getpid():
            found.append(line.replace(b"\0", b" ").decode())
    return found
