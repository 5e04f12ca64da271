"""The local world's load balancers: each listener on its own free port, `python -m cutover.world.edge`.

Obeys the local AWS: rules by priority, weights, group stickiness (a client with the cookie AWSALBTG keeps its group), fixed
responses, target health (fail open inside a group, 503 for an empty one). A change is in force within 0.2 s; requests in flight finish on the target that has them. WORLD/edge.json
says pid, port (of the control paths), load_balancers (DNS name to the port of its lowest listener) and listeners
("NAME:LISTENER_PORT" to port). On the control port: GET /_world/counters, requests per target group since the start.
The requests of each second are CloudWatch data (AWS/ApplicationELB, RequestCount) a moment after it.

Like the real one, a fixed response has a status, a content type and a body, and no headers of its own (so no
Retry-After). Unlike the real one, answers of targets carry x-cutover-target-group. Redirect and authentication actions
are answered with 501.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
from pathlib import Path
from typing import Any

from aiohttp import web

from cutover.world import aws_view, edge_counts, ready_file
from cutover.world.edge_proxy import Proxy


def main() -> None:
    parser = argparse.ArgumentParser(description="load balancers of the local world")
    parser.add_argument("--world", type=Path, required=True)
    asyncio.run(_serve(parser.parse_args().world))


async def _serve(world: Path) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    async with Proxy() as proxy:
        edge = Edge(world, proxy)
        await edge.open()
        following = loop.create_task(aws_view.follow(world, "/_world/traffic", edge.took_traffic))
        telling = loop.create_task(edge_counts.tell(world, proxy.counts))
        stopping = loop.create_task(stop.wait())
        done, rest = await asyncio.wait([following, telling, stopping], return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        await edge.close()
        for task in done:
            task.result()


class Edge:
    """The open listeners, kept equal to the AWS state."""

    def __init__(self, world: Path, proxy: Proxy) -> None:
        self._world = world
        self._proxy = proxy
        self._sites: dict[tuple[str, int], tuple[web.SockSite, int]] = {}
        self._control_port = 0
        self._announced: dict[str, object] = {}
        # Ports of an edge that died are taken up again where they are free: clients keep them as long as the SRV TTL.
        self._former: dict[str, int] = ready_file.facts_of(world, "edge").get("listeners", {})
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)

    async def open(self) -> None:
        await self._runner.setup()
        _, self._control_port = await self._listen()

    async def close(self) -> None:
        await self._runner.cleanup()

    async def took_traffic(self, traffic: Any) -> None:
        """Put a new AWS state in force: rules first, then new listeners, then away with old ones, then the ready file."""
        wanted = {
            (balancer["dns_name"].lower(), listener["port"]): listener["rules"]
            for balancer in traffic["load_balancers"]
            for listener in balancer["listeners"]
        }
        arns = {balancer["dns_name"].lower(): balancer["arn"] for balancer in traffic["load_balancers"]}
        for key in wanted.keys() - self._sites.keys():
            self._sites[key] = await self._listen(self._former.get(f"{key[0]}:{key[1]}", 0))
        gone = [self._sites.pop(key) for key in self._sites.keys() - wanted.keys()]
        self._proxy.obey(
            {self._sites[key][1]: rules for key, rules in wanted.items()},
            traffic["target_groups"],
            {self._sites[key][1]: arns[key[0]] for key in wanted},
        )
        for site, _ in gone:
            await site.stop()
        self._announce()

    async def _listen(self, wish: int = 0) -> tuple[web.SockSite, int]:
        try:
            listening = socket.create_server(("127.0.0.1", wish), backlog=512)
        except OSError:
            listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        site = web.SockSite(self._runner, listening)
        await site.start()
        return site, listening.getsockname()[1]

    def _announce(self) -> None:
        listeners = {key: self._sites[key][1] for key in sorted(self._sites, reverse=True)}
        facts: dict[str, object] = {
            "port": self._control_port,
            "load_balancers": {name: port for (name, _), port in listeners.items()},
            "listeners": {f"{name}:{number}": port for (name, number), port in listeners.items()},
        }
        if facts != self._announced:
            ready_file.publish(self._world, "edge", facts)
            self._announced = facts

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.transport is None:
            raise web.HTTPServiceUnavailable
        port: int = request.transport.get_extra_info("sockname")[1]
        if port != self._control_port:
            return await self._proxy.handle(request, port)
        if request.path == "/_world/counters":
            return web.json_response(self._proxy.counters())
        return web.json_response({"error": f"no {request.method} {request.path}"}, status=404)


if __name__ == "__main__":
    main()
