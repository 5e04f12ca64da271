"""The output of COPY at the speed of libpq: row by row through psycopg's own objects it takes four times as long."""

import select
from collections.abc import Iterator

from psycopg import errors
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult

BLOCK = 1 << 20  # bytes that are passed on at once


def copied_out(pgconn: PGconn, sql: str, stall: float) -> Iterator[bytes]:
    """The answer of COPY … TO STDOUT in blocks of about 1 MB; raises TimeoutError when nothing comes for `stall` seconds."""
    pgconn.send_query(sql.encode())
    _expect(_result(pgconn, stall), ExecStatus.COPY_OUT)
    parts: list[memoryview] = []
    size = 0
    while True:
        # Never the blocking call: it keeps every other thread from running, the watchdog included.
        length, data = pgconn.get_copy_data(1)
        if length > 0:
            parts.append(data)
            size += length
            if size < BLOCK:
                continue
            yield b"".join(parts)
            parts, size = [], 0
        elif length == 0:
            _more(pgconn, stall)
        else:
            break
    if parts:
        yield b"".join(parts)
    _expect(_result(pgconn, stall), ExecStatus.COMMAND_OK)
    while _result(pgconn, stall) is not None:
        pass


def _result(pgconn: PGconn, stall: float) -> PGresult | None:
    while pgconn.is_busy():
        _more(pgconn, stall)
    return pgconn.get_result()


def _more(pgconn: PGconn, stall: float) -> None:
    pgconn.flush()
    wait = select.poll()
    wait.register(pgconn.socket, select.POLLIN)
    if not wait.poll(stall * 1000):
        raise TimeoutError
    pgconn.consume_input()


def _expect(result: PGresult | None, status: ExecStatus) -> None:
    if result is None or result.status != status:
        if result is None:
            raise errors.OperationalError("COPY ended without a result")
        raise errors.error_from_result(result)
