"""The proof that a channel works: a test message that was delivered, kept with its time where the journal is."""

import time
from collections.abc import Mapping
from typing import Any

from cutover.core.journal import State

PROOF = "notify"
"""The wishes under this word are proofs that a channel works: they belong to no run, and need no lease."""


def prove(state: State, channel: str, who: str, error: str) -> None:
    """Keeps what came of a test message, with its time."""
    state.wish(PROOF, "tested", {"channel": channel, "who": who, "at": time.time(), "error": error})


def proofs(state: State) -> dict[str, Mapping[str, Any]]:
    """The newest proof of each channel: who tried it, when (seconds since the epoch), and what went wrong, if anything."""
    return {str(data["channel"]): data for kind, data in state.wishes(PROOF) if kind == "tested"}
