"""The local world's authoritative DNS server: UDP and TCP on one free port, `python -m cutover.world.dns`.

Authoritative for the hosted zones of the local AWS, as far as they are in sync (a change shows once GetChange would say
INSYNC), and for the load balancers' DNS names: A 127.0.0.1, and SRV _http._tcp.NAME with the edge's port, the world's
replacement for port 80. WORLD/dns.json says pid and port.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import signal
import socket
import struct
from pathlib import Path
from typing import Any, cast

import dns.exception
import dns.message
import dns.name
import dns.rcode

from cutover.world import aws_view, ready_file
from cutover.world.dns_answers import Authority, answer, zones_from

_EDNS_PAYLOAD = 1232
_TCP_IDLE = 10.0


def main() -> None:
    parser = argparse.ArgumentParser(description="DNS server of the local world")
    parser.add_argument("--world", type=Path, required=True)
    asyncio.run(_serve(parser.parse_args().world))


async def _serve(world: Path) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = Server(world)
    tcp_socket, udp_socket = _same_port()
    tcp = await asyncio.start_server(server.accept, sock=tcp_socket)
    udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(server), sock=udp_socket)
    tasks = [
        loop.create_task(aws_view.follow(world, "/_world/zones", server.took_zones)),
        loop.create_task(server.follow_edge()),
        loop.create_task(_announce(world, server, tcp_socket.getsockname()[1])),
    ]
    failed = [loop.create_task(stop.wait()), *tasks[:2]]
    done, _ = await asyncio.wait(failed, return_when=asyncio.FIRST_COMPLETED)
    udp.close()
    tcp.close()
    await server.hang_up()
    for task in (*tasks, *failed):
        task.cancel()
    for task in done:
        task.result()


async def _announce(world: Path, server: Server, port: int) -> None:
    await server.knows_zones.wait()
    ready_file.publish(world, "dns", {"port": port})


def _same_port() -> tuple[socket.socket, socket.socket]:
    for _ in range(50):
        tcp = socket.create_server(("127.0.0.1", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:  # somebody has the UDP port of that number
            tcp.close()
            udp.close()
            continue
        udp.setblocking(False)
        return tcp, udp
    raise OSError("no port number is free for both UDP and TCP")


class Server:
    """The state that answers come from, kept up to date from the AWS endpoint and from WORLD/edge.json."""

    def __init__(self, world: Path) -> None:
        self._world = world
        self._authority = Authority((), {})
        self._chance = random.Random()
        self._talks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.knows_zones = asyncio.Event()

    async def took_zones(self, described: Any) -> None:
        self._authority = Authority(zones_from(described), self._authority.ports)
        self.knows_zones.set()

    async def follow_edge(self) -> None:
        while True:
            balancers = ready_file.facts_of(self._world, "edge").get("load_balancers", {})
            ports = {dns.name.from_text(name): int(port) for name, port in balancers.items()}
            if ports != self._authority.ports:
                self._authority = Authority(self._authority.zones, ports)
            await asyncio.sleep(aws_view.POLL)

    def respond(self, wire: bytes, *, limit: int | None) -> bytes:
        """The wire form of the answer; `limit` None means TCP, else the largest datagram without EDNS."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            if len(wire) < 12:
                return b""
            # FORMERR with the query's id: flags QR and rcode 1, no sections
            return wire[:2] + b"\x80\x01" + bytes(8)
        response = answer(self._authority, query, self._chance)
        if query.edns >= 0:
            response.use_edns(0, payload=_EDNS_PAYLOAD)
        size = 65535 if limit is None else min(max(query.payload, limit), _EDNS_PAYLOAD)
        return response.to_wire(max_size=size, prefer_truncation=True)

    async def hang_up(self) -> None:
        """Close every TCP connection; each sees the end of its input and ends by itself."""
        for writer in self._talks.values():
            writer.close()
        if self._talks:
            await asyncio.wait(list(self._talks), timeout=1)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A new TCP connection."""
        talk = asyncio.get_running_loop().create_task(self._talk(reader, writer))
        self._talks[talk] = writer
        talk.add_done_callback(lambda ended: self._talks.pop(ended))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Two bytes of length before each message (RFC 1035, 4.2.2).
        with contextlib.suppress(TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            while True:
                async with asyncio.timeout(_TCP_IDLE):
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    wire = await reader.readexactly(length)
                reply = self.respond(wire, limit=None)
                writer.write(struct.pack("!H", len(reply)) + reply)
                await writer.drain()
        writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: Server) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = self._server.respond(data, limit=512)
        if reply and self._transport is not None:
            self._transport.sendto(reply, addr)


if __name__ == "__main__":
    main()
