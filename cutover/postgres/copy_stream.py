"""The output of COPY at the speed of libpq: row by row through psycopg's own objects it takes four times as long."""

import select
import time
from collections.abc import Iterator

from psycopg import errors
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult

BLOCK = 1 << 20  # bytes that are passed on at once
LOOK = 0.05  # seconds


def copied_out(pgconn: PGconn, sql: str, stall: float) -> Iterator[bytes]:
    """The answer of COPY … TO STDOUT in blocks of about 1 MB; raises TimeoutError when nothing comes for `stall` seconds."""
    pgconn.send_query(sql.encode())
    _expect(_result(pgconn, stall), ExecStatus.COPY_OUT)
    parts: list[memoryview] = []
    size = 0
    patience = _Patience(pgconn, stall)
    while True:
        # Never the blocking call: it keeps every other thread from running, the watchdog included.
        length, data = pgconn.get_copy_data(1)
        if length > 0:
            patience.renew()
            parts.append(data)
            size += length
            if size < BLOCK:
                continue
            yield b"".join(parts)
            parts, size = [], 0
            patience.renew()  # whoever took the block may have been slow
        elif length == 0:
            patience.wait()
        else:
            break
    if parts:
        yield b"".join(parts)
    _expect(_result(pgconn, stall), ExecStatus.COMMAND_OK)
    while _result(pgconn, stall) is not None:
        pass


class _Patience:
    """Waits for what the server sends, until nothing has come for `stall` seconds."""

    def __init__(self, pgconn: PGconn, stall: float) -> None:
        self._pgconn, self._stall = pgconn, stall
        self._ready = select.poll()
        self._ready.register(pgconn.socket, select.POLLIN)
        self.renew()

    def renew(self) -> None:
        self._until = time.monotonic() + self._stall

    def wait(self) -> None:
        # Read after a moment, too: with TLS the rest may be here already, where the socket does not show it.
        self._pgconn.flush()
        self._ready.poll(LOOK * 1000)
        self._pgconn.consume_input()
        if time.monotonic() > self._until:
            raise TimeoutError


def _result(pgconn: PGconn, stall: float) -> PGresult | None:
    patience = _Patience(pgconn, stall)
    while pgconn.is_busy():
        patience.wait()
    return pgconn.get_result()


def _expect(result: PGresult | None, status: ExecStatus) -> None:
    if result is None:
        raise errors.OperationalError("COPY ended without a result")
    if result.status != status:
        raise errors.error_from_result(result)
