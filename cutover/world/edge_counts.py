"""Requests that the edge sent to each target group, told to the local AWS second by second, as its CloudWatch data."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from cutover.world import ready_file

Counted = list[tuple[int, str, str, int]]


@dataclass
class Counts:
    """Requests by second, load balancer and target group (ARNs) that nobody was told of yet."""

    clock: Callable[[], float] = time.time
    _counted: Counter[tuple[int, str, str]] = field(default_factory=Counter)

    def add(self, balancer: str, group: str) -> None:
        self._counted[int(self.clock()), balancer, group] += 1

    def take(self) -> Counted:
        """What was counted in the seconds that are over; it is not given a second time."""
        over = [key for key in self._counted if key[0] < int(self.clock())]
        return [(*key, self._counted.pop(key)) for key in sorted(over)]

    def back(self, counted: Counted) -> None:
        """Puts back what could not be told."""
        for second, balancer, group, count in counted:
            self._counted[second, balancer, group] += count


async def tell(world: Path, counts: Counts) -> None:
    """Tells the AWS endpoint at the beginning of each second, for ever; what it does not hear is told the next time."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        while True:
            await asyncio.sleep(1.02 - time.time() % 1)
            counted = counts.take()
            port = ready_file.facts_of(world, "aws").get("port")
            if counted and not (port and await _told(session, f"http://127.0.0.1:{port}/_world/requests", counted)):
                counts.back(counted)


async def _told(session: aiohttp.ClientSession, url: str, counted: Counted) -> bool:
    try:
        async with session.post(url, json=counted) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
