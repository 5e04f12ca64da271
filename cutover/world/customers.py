"""The customers of the demo shop: `python -m cutover.world.customers --world WORLD --rate N`.

They keep reading and writing on both hostnames, half and half, evenly spread over time, through DNS and the edge, and
note every request that ended in the ledger. `WORLD/rate` changes the rate (requests per second, all together) while
they run. A write is repeated with the same idempotency key until it is acknowledged; a read is never repeated.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO
from uuid import uuid4

import aiohttp

from cutover.world.customer_dns import NotFound, Resolver, servers
from cutover.world.ready_file import publish
from cutover.world.serving import until_told_to_end
from cutover.world.sites import hosts_of

ORDERED = 0.5
"""Of all their requests so many are orders."""
RESOLVERS = 8  # customers sit behind different resolvers, so their caches run out at different times
GIVE_UP = 30.0  # seconds after which a write that nobody acknowledged counts as failed
SLOW = 1.0  # seconds from which a request that succeeded counts as slow; so does every one that needed a second try
ATTEMPT = aiohttp.ClientTimeout(total=10, sock_connect=2)
LOST = (aiohttp.ClientError, TimeoutError, NotFound, OSError)


@dataclass
class Outcome:
    """How one request went, as the ledger wants it."""

    kind: str
    host: str
    key: str | None
    at: float = field(default_factory=time.time)
    began: float = field(default_factory=time.monotonic)
    tries: int = 0
    status: int = 0
    ok: bool = False
    error: str | None = None
    version: str | None = None

    def line(self) -> str:
        # The duration comes from the monotonic clock: a clock that is set in between must not make a pause or hide one.
        took = time.monotonic() - self.began
        entry: dict[str, Any] = {"at": round(self.at, 6), "ack": round(self.at + took, 6)}
        entry |= {"kind": self.kind, "key": self.key, "host": self.host, "status": self.status, "tries": self.tries}
        slow = self.ok and (self.tries > 1 or took > SLOW)
        entry |= {"ok": self.ok, "slow": slow, "error": self.error, "version": self.version}
        return json.dumps(entry) + "\n"


class Customers:
    """All customers together; one task per request that is under way."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        resolvers: Sequence[Resolver],
        ledger: TextIO,
        hosts: Sequence[str],
        suggestions: str = "",
    ) -> None:
        self._session = session
        self._hosts = hosts
        self._suggestions = suggestions
        self._resolvers = resolvers
        self._ledger = ledger
        self._under_way: set[asyncio.Task[None]] = set()
        self._dice = random.Random()

    async def shop_until_told(self, rate_file: Path) -> None:
        """Starts requests evenly at the wanted rate; what is under way never delays the next one."""
        rate, looked, due = 0.0, 0.0, time.monotonic()
        for number in itertools.count():
            while True:
                now = time.monotonic()
                if now - looked >= 0.2:
                    looked, wanted = now, _rate(rate_file, rate)
                    due = min(due, now) if wanted != rate else due
                    rate = wanted
                if rate and due <= now:
                    break
                await asyncio.sleep(min(0.2, due - now) if rate else 0.2)
            # After a stall of our own, go on at the rate; a burst to make up for it is load that nobody asked for.
            due = max(due, now - 0.5) + 1 / rate
            task = asyncio.create_task(self._shop(number))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def leave(self, patience: float) -> None:
        """Waits for what is under way; an unanswered write is neither acknowledged nor failed: not noted."""
        if self._under_way:
            _, unfinished = await asyncio.wait(self._under_way, timeout=patience)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)

    async def _shop(self, number: int) -> None:
        if self._suggestions and number % 4 == 0:
            asked = Outcome("read", "suggestions", None)
            await self._suggest(asked)
            self._note(asked)
        resolver, host = (
            self._resolvers[number // 4 % len(self._resolvers)],
            self._hosts[number // 2 % len(self._hosts)],
        )
        if number % 2:
            outcome = Outcome("write", host, str(uuid4()))
            await self._write(outcome, resolver)
        else:
            outcome = Outcome("read", host, None)
            await self._read(outcome, resolver)
        self._note(outcome)

    def _note(self, outcome: Outcome) -> None:
        self._ledger.write(outcome.line())
        self._ledger.flush()

    async def _suggest(self, outcome: Outcome) -> None:
        """Asks what to look for; the service is asked where it is, and its flag decides which side answers."""
        words = {"user": str(self._dice.randrange(10_000)), "q": self._dice.choice(("t", "tea", "cup"))}
        with suppress(*LOST):
            outcome.tries = 1
            async with self._session.get(f"{self._suggestions}/suggestions", params=words, timeout=ATTEMPT) as answer:
                outcome.status, body = answer.status, await answer.read()
                outcome.ok = answer.status == 200
                outcome.version = json.loads(body)["side"] if outcome.ok else None

    async def _read(self, outcome: Outcome, resolver: Resolver) -> None:
        choice = self._dice.random()
        product = self._dice.randrange(1, 10)
        path = (
            f"/api/products/{product}" if choice < 0.8 else "/api/search?q=teapot" if choice < 0.95 else "/creators/1"
        )
        with suppress(*LOST):
            await self._attempt(outcome, resolver, "GET", path, None)
        outcome.ok = outcome.status == 200 and outcome.error is None

    async def _write(self, outcome: Outcome, resolver: Resolver) -> None:
        order = {
            "idempotency_key": outcome.key,
            "customer_id": self._dice.randrange(1, 100),
            "lines": [{"product_id": self._dice.randrange(1, 10), "quantity": 1 + n} for n in range(2)],
        }
        while True:
            pause = min(0.01 * 2**outcome.tries, 0.2)
            with suppress(*LOST):
                pause = await self._attempt(outcome, resolver, "POST", "/api/checkout", order) or pause
                outcome.ok = outcome.status in (200, 201)
                if outcome.ok or (outcome.status < 500 and outcome.status not in (408, 409, 429)):
                    return  # acknowledged, or refused for good
            if time.monotonic() - outcome.began + pause > GIVE_UP:
                return
            await asyncio.sleep(pause)

    async def _attempt(
        self, outcome: Outcome, resolver: Resolver, method: str, path: str, body: dict[str, Any] | None
    ) -> float:
        """Sends once and reads the whole answer; returns how long the answer asks to wait, at most 0.2 s."""
        outcome.tries += 1
        outcome.status = 0
        outcome.error = None
        try:
            url = await resolver.base_url(outcome.host)
            headers = {"Host": outcome.host}
            async with self._session.request(method, url + path, json=body, headers=headers, timeout=ATTEMPT) as answer:
                text = await answer.read()
                outcome.status = answer.status
                outcome.version = answer.headers.get("x-shop-version")
                if answer.status >= 400:
                    outcome.error = text[:200].decode(errors="replace")
                asked = answer.headers.get("Retry-After", "")
                return min(float(asked), 0.2) if asked.isdecimal() else 0.0
        except LOST as error:
            outcome.error = f"{type(error).__name__}: {error}"
            raise


def open_session() -> aiohttp.ClientSession:
    """A session without a limit of connections, and one that never repeats a request behind the ledger's back."""
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    session._retry_connection = False  # aiohttp has no public switch for this
    return session


def _rate(file: Path, current: float) -> float:
    try:
        return max(0.0, float(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return current


async def serve(world: Path, rate: float) -> None:
    rate_file = world / "rate"
    rate_file.write_text(f"{rate:g}\n", encoding="utf-8")
    dns_servers = servers(os.environ["SHOP_DNS_SERVERS"])
    resolvers = [
        Resolver(dns_servers[n % len(dns_servers) :] + dns_servers[: n % len(dns_servers)]) for n in range(RESOLVERS)
    ]
    with Path(os.environ["SHOP_LEDGER"]).open("a", encoding="utf-8") as ledger:  # noqa: ASYNC230 - once, before the loop is busy
        async with open_session() as session:
            suggestions = os.environ.get("SHOP_SUGGESTIONS_URL", "")
            customers = Customers(session, resolvers, ledger, hosts_of(os.environ), suggestions)
            shopping = asyncio.create_task(customers.shop_until_told(rate_file))
            publish(world, "customers", {"port": 0})
            await until_told_to_end(shopping)
            await customers.leave(1.5)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--world", type=Path, required=True)
    arguments.add_argument("--rate", type=float, required=True)
    given = arguments.parse_args()
    asyncio.run(serve(given.world, given.rate))


if __name__ == "__main__":
    main()
