"""A service of the demo shop that is routed by a flag: `python -m cutover.world.suggestions --world WORLD`.

Suggestions come from a scan of the catalogue (legacy) or from an index of it (candidate); cutover.routing decides for each
user, by the flag `suggestions` in the store that SHOP_FLAGS names. What is wrong with green's shop is wrong with the candidate.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from cutover.routing import Flag, Flags, Router, Store, open_store
from cutover.world.faults import SHOPS, Suffered
from cutover.world.ready_file import publish
from cutover.world.serving import until_told_to_end

NAME, FLAG = "suggestions", "suggestions"
BUDGET = 0.25  # seconds for the candidate; then legacy answers
CATALOGUE = (
    "blue teapot", "brown teapot", "cake stand", "coffee pot", "cream jug", "cup and saucer", "egg cup", "green teapot",
    "milk jug", "salt cellar", "soup bowl", "sugar bowl", "tea cosy", "tea strainer", "teapot", "tray",
)  # fmt: skip


class Failed(Exception):
    """The candidate is made to fail."""


class Suggestions:
    """Both implementations, and the router between them."""

    def __init__(self, store: Store, suffered: Suffered) -> None:
        self._suffered = suffered
        self._index: dict[str, list[str]] = defaultdict(list)
        for name in CATALOGUE:
            for end in range(1, len(name) + 1):
                self._index[name[:end]].append(name)
        self.router = Router(
            FLAG,
            legacy=self.by_scan,
            candidate=self.by_index,
            key=lambda user, beginning: user,
            flags=Flags(store),
            budget=BUDGET,
        )

    async def by_scan(self, user: str, beginning: str) -> tuple[str, Sequence[str]]:
        """The legacy one."""
        return "legacy", [name for name in CATALOGUE if name.startswith(beginning)]

    async def by_index(self, user: str, beginning: str) -> tuple[str, Sequence[str]]:
        """The candidate."""
        faults = self._suffered.now()
        if faults.latency:
            await asyncio.sleep(faults.latency)
        if self._suffered.errors.falls_on(faults.errors):
            raise Failed("made to fail")
        return "candidate", self._index.get(beginning, [])

    async def suggest(self, request: web.Request) -> web.Response:
        side, found = await self.router(request.query.get("user", ""), request.query.get("q", ""))
        return web.json_response({"suggestions": list(found), "side": side})

    async def snapshot(self, request: web.Request) -> web.Response:
        return web.json_response(self.router.snapshot().document())

    def application(self) -> web.Application:
        found = web.Application()
        found.add_routes([web.get("/suggestions", self.suggest), web.get("/snapshot", self.snapshot)])
        return found


async def serve(world: Path, port: int) -> None:
    store = open_store(os.environ["SHOP_FLAGS"])
    if FLAG not in store.all():
        store.put(Flag(name=FLAG, description="Suggestions from the index instead of a scan"), 0)
    service = Suggestions(store, Suffered(world, SHOPS["green"]))
    runner = web.AppRunner(service.application(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    publish(world, NAME, {"port": runner.addresses[0][1]})
    await until_told_to_end(asyncio.create_task(asyncio.Event().wait()))
    await runner.cleanup()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--world", type=Path, required=True)
    arguments.add_argument("--port", type=int, default=0)
    given = arguments.parse_args()
    asyncio.run(serve(given.world, given.port))


if __name__ == "__main__":
    main()
