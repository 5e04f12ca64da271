"""Ends a PostgreSQL call by its deadline, whatever the network does.

With every libpq and server timeout set, a query through a link that swallows packets still hangs, and so does
cancelling it; shutting the socket down does not (measured with psycopg 3.3.9).
"""

import heapq
import itertools
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Watchdog:
    """One thread for all connections of the process; it sleeps until the earliest deadline."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._heap: list[tuple[float, int]] = []
        self._sockets: dict[int, socket.socket] = {}
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None

    @contextmanager
    def limit(self, fileno: int, seconds: float, fired: list[bool]) -> Iterator[None]:
        """While the body runs, shuts the socket behind `fileno` down after `seconds`; `fired` then holds True."""
        # A dup: the number of a closed descriptor may already be somebody else's.
        handle = socket.socket(fileno=os.dup(fileno))
        number = next(self._numbers)
        with self._wake:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._watch, name="postgres-watchdog", daemon=True)
                self._thread.start()
            self._sockets[number] = handle
            heapq.heappush(self._heap, (time.monotonic() + seconds, number))
            self._wake.notify()
        try:
            yield
        finally:
            with self._wake:
                if self._sockets.pop(number, None) is None:
                    fired.append(True)
            handle.close()

    def _watch(self) -> None:
        while True:
            with self._wake:
                while not self._heap or self._heap[0][0] > time.monotonic():
                    self._wake.wait(self._heap[0][0] - time.monotonic() if self._heap else None)
                _, number = heapq.heappop(self._heap)
                handle = self._sockets.pop(number, None)
                if handle is not None:
                    try:
                        handle.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass  # the other side has closed it already: the call ends by itself


watchdog = Watchdog()
