"""The DNS servers: silent, or answering what was true some time ago."""

import os
import signal

from cutover.faults.aws import told
from cutover.faults.fault import IN_SHIFT, Act, Fault


def _signalled(number: signal.Signals) -> Act:
    return lambda scene: os.kill(scene.ground.part("dns").pid, number)


FAULTS = (
    Fault(
        "dns-silent", "no name server answers", _signalled(signal.SIGSTOP), _signalled(signal.SIGCONT), first=IN_SHIFT
    ),
    Fault(
        "dns-stale",
        "the name servers answer what was true before",
        lambda scene: told(scene, "POST", "/_world/effect", {"frozen": True, "only": "zones"}),
        lambda scene: told(scene, "POST", "/_world/effect", {"frozen": False}),
        first=IN_SHIFT,
    ),
)
