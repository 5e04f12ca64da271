"""The shop's way to its database: finds the writable side by itself, and turns a lost side into a short wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]

# OperationalError covers 57P01 (session ended), 57014 (cancelled), 40P01 (deadlock), refused, no writable host.
LOST = (psycopg.OperationalError, psycopg.InterfaceError, errors.ReadOnlySqlTransaction)

FIRST_BACKOFF = 0.005
LONGEST_BACKOFF = 0.05


class Pool:
    """A few connections of one kind; `forget` drops all of them as soon as one proved that its side is gone."""

    def __init__(self, connect: Callable[[], Awaitable[AsyncConnection]], size: int) -> None:
        self._connect = connect
        self._places = asyncio.Semaphore(size)
        self._searching = asyncio.Lock()
        self._idle: list[AsyncConnection] = []
        self._generation = 0

    async def use(self, work: Work[T]) -> T:
        """Runs `work` on a connection; a connection that saw any error is not used again."""
        async with self._places:
            connection = await self._take()
            generation = self._generation
            try:
                result = await work(connection)
            except BaseException:
                await connection.close()
                raise
            if generation == self._generation:
                self._idle.append(connection)
            else:
                await connection.close()
            return result

    async def _take(self) -> AsyncConnection:
        if self._idle:
            return self._idle.pop()
        # One at a time: while no side is writable, one search knocks at the servers instead of every request.
        async with self._searching:
            backoff = FIRST_BACKOFF
            while not self._idle:
                try:
                    return await self._connect()
                except psycopg.OperationalError:
                    await asyncio.sleep(backoff)
                    backoff = min(backoff * 2, LONGEST_BACKOFF)
            return self._idle.pop()

    async def forget(self) -> None:
        """Closes idle connections now and busy ones when they come back."""
        self._generation += 1
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close()


class Database:
    """Reads and writes with a deadline; what is lost in between is repeated, so `work` must be safe to run twice."""

    # Few connections: after a switch each new session fills its caches anew; many at once make everybody wait longer.
    def __init__(self, dsn: str, *, name: str, size: int = 3) -> None:
        self._dsn = make_conninfo(dsn, application_name=name, connect_timeout=2)
        self._hosts = len(str(conninfo_to_dict(self._dsn).get("host", "")).split(","))
        self._writers = Pool(self._connect_writable, size)
        self._readers = Pool(self._connect_readable, size)
        self._moved = False
        self.retries = 0

    async def write(self, work: Work[T], deadline: float) -> T:
        """Runs `work` on the writable side; TimeoutError after `deadline` seconds."""
        return await self._retried(self._writers, work, deadline)

    async def read(self, work: Work[T], deadline: float) -> T:
        """Runs `work` where it can be read; while both sides refuse writes, either has everything."""
        return await self._retried(self._readers, work, deadline)

    async def _retried(self, pool: Pool, work: Work[T], deadline: float) -> T:
        backoff = FIRST_BACKOFF
        async with asyncio.timeout(deadline):
            while True:
                try:
                    return await pool.use(work)
                except LOST:
                    self.retries += 1
                    self._moved = self._moved or pool is self._writers
                    await pool.forget()
                    await asyncio.sleep(backoff)
                    backoff = min(backoff * 2, LONGEST_BACKOFF)

    async def _connect_writable(self) -> AsyncConnection:
        connection = await self._connect("read-write")
        if self._moved:
            # Readers that still sit on the side that was left would show an ever older state.
            self._moved = False
            await self._readers.forget()
        return connection

    async def _connect_readable(self) -> AsyncConnection:
        try:
            return await self._connect("read-write")
        except psycopg.OperationalError as error:
            # Only when every host answered that it is fenced: a side that merely follows a dead one may be behind.
            if not _all_refuse_writes(error, self._hosts):
                raise
            self._moved = True
            return await self._connect("any")

    async def _connect(self, wanted: str) -> AsyncConnection:
        dsn = make_conninfo(self._dsn, target_session_attrs=wanted)
        return await AsyncConnection.connect(dsn, autocommit=True, prepare_threshold=None)

    async def close(self) -> None:
        await self._writers.forget()
        await self._readers.forget()


def _all_refuse_writes(error: psycopg.OperationalError, hosts: int) -> bool:
    """Whether each host was reached and said that it is read-only; psycopg lists the hosts when there are several."""
    lines = str(error).splitlines()
    verdicts = [line for line in lines if line.startswith("- host:")] or lines[:1]
    return len(verdicts) == hosts and all("session is read-only" in verdict for verdict in verdicts)
