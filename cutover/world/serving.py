"""The end of a component's life: SIGTERM or SIGINT, or the failure of the work it does in the background."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import Any


async def until_told_to_end(background: asyncio.Task[Any]) -> None:
    """Returns on SIGTERM or SIGINT, with the background task cancelled; raises what the background task raised."""
    told = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, told.set)
    waiting = asyncio.create_task(told.wait())
    await asyncio.wait({waiting, background}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if background.done():
        background.result()
    background.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await background
