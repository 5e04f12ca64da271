"""Commands as an operator types them, and interrupts."""

from __future__ import annotations

import os
import signal

from cutover.bench.typed import PLENTY, Done, Running

__all__ = ["PLENTY", "Done", "Running", "interrupt"]


def interrupt(running: Running, number: signal.Signals = signal.SIGINT) -> None:
    """Sends the signal to the command's process alone."""
    os.kill(running.pid, number)
