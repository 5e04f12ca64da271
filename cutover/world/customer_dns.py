"""How one customer finds a host: through DNS, with a cache of its own that keeps an answer exactly for its TTL."""

from __future__ import annotations

import asyncio
import http.client
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import dns.asyncquery
import dns.exception
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset

ATTEMPTS = 3
PATIENCE = 0.7  # seconds per question
STALE = 1.0  # seconds


class NotFound(Exception):
    """The name did not lead to an address and a port."""


class Unanswered(NotFound):
    """No server said anything."""


@dataclass
class Resolver:
    """A stub resolver with a cache; `servers` are (address, port), asked in turn."""

    servers: Sequence[tuple[str, int]]
    _known: dict[str, tuple[float, str]] = field(default_factory=dict)
    _turns: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def base_url(self, host: str) -> str:
        """The URL that serves the host now; NotFound when DNS has never said.

        An answer whose TTL is over is used on while DNS does not answer, as resolvers do (RFC 8767), and asked for again
        after STALE seconds.
        """
        async with self._turns.setdefault(
            host, asyncio.Lock()
        ):  # one question at a time, its answer serves all who wait
            until, url = self._known.get(host, (0.0, ""))
            if time.monotonic() < until:
                return url
            try:
                lifetime, url = await self._found(host)
            except Unanswered:
                if not url:
                    raise
                lifetime = STALE
            self._known[host] = (time.monotonic() + lifetime, url)
            return url

    async def _found(self, host: str) -> tuple[float, str]:
        chain = await self._ask(host, "A")
        addresses = [rrset for rrset in chain if rrset.rdtype == dns.rdatatype.A]
        if not addresses:
            raise NotFound(f"{host} has no address")
        # The load balancer's name, at the end of the CNAME chain, also says where its port 80 is in this world.
        balancer = addresses[0].name.to_text()
        services = [r for r in await self._ask(f"_http._tcp.{balancer}", "SRV") if r.rdtype == dns.rdatatype.SRV]
        if not services:
            raise NotFound(f"{balancer} has no port")
        url = f"http://{addresses[0][0].to_text()}:{services[0][0].port}"
        return min(rrset.ttl for rrset in [*chain, *services]), url

    async def _ask(self, name: str, kind: str) -> list[dns.rrset.RRset]:
        question = dns.message.make_query(name, kind)
        for attempt in range(ATTEMPTS):
            address, port = self.servers[attempt % len(self.servers)]
            try:
                answer = await dns.asyncquery.udp(question, address, timeout=PATIENCE, port=port)
            except (dns.exception.DNSException, OSError) as error:
                lost: Exception = error
            else:
                return list(answer.answer)
        raise Unanswered(f"{name}: {type(lost).__name__}: {lost}")


def servers(listed: str) -> list[tuple[str, int]]:
    """Reads `address:port,address:port`."""
    pairs = [entry.strip().rpartition(":") for entry in listed.split(",")]
    return [(address, int(port)) for address, _, port in pairs]


def wait_until_served(listed: str, hosts: Sequence[str], *, deadline: float) -> None:
    """Waits until each of the hostnames leads to a shop that says it is healthy; TimeoutError after `deadline` seconds."""
    end = time.monotonic() + deadline
    for host in hosts:
        while True:
            try:
                status = _health(asyncio.run(Resolver(servers(listed)).base_url(host)), host)
            except (NotFound, OSError, http.client.HTTPException) as error:
                seen = f"{type(error).__name__}: {error}"
            else:
                if status == 200:
                    break
                seen = f"status {status}"
            if time.monotonic() >= end:
                raise TimeoutError(f"{host} after {deadline:g} s: {seen}")
            time.sleep(0.05)


def _health(url: str, host: str) -> int:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=3)
    try:
        connection.request("GET", "/health", headers={"Host": host})
        return connection.getresponse().status
    finally:
        connection.close()
