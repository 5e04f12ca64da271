"""How the DNS server and the edge follow the state of the local AWS: a short poll of a control path.

The control paths are used instead of boto3 so that following costs one small request per round and the record of AWS
calls holds only what somebody really asked of AWS.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

from cutover.world import ready_file

POLL = 0.1


async def follow(world: Path, path: str, took: Callable[[Any], Awaitable[None]]) -> None:
    """Hand each new state at `path` to `took`, for ever; while AWS does not answer, the last state stays in force."""
    last = b""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        while True:
            port = ready_file.facts_of(world, "aws").get("port")
            content = await _fetch(session, f"http://127.0.0.1:{port}{path}") if port else None
            if content is not None and content != last:
                await took(json.loads(content))
                last = content
            await asyncio.sleep(POLL)


async def _fetch(session: aiohttp.ClientSession, url: str) -> bytes | None:
    try:
        async with session.get(url) as response:
            return await response.read() if response.status == 200 else None
    except (aiohttp.ClientError, TimeoutError):
        return None
