"""A connection that ends in time, whatever still trickles in: a socket's own timeout begins anew with every byte."""

import socket
import threading
from contextlib import suppress


class Limit:
    """Ends the connections that were given to it `seconds` from now; `ended` says that it did."""

    def __init__(self, seconds: float) -> None:
        self.ended = False
        self._held: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(max(0.0, seconds), self._end)
        self._timer.daemon = True
        self._timer.start()

    def hold(self, opened: socket.socket) -> None:
        """Ends this one too when the time is over."""
        with self._lock:
            # A second handle of the same connection: TLS takes the first one over.
            self._held.append(opened.dup())
            if self.ended:
                self._shut()

    def close(self) -> None:
        """The work is over; nothing is ended any more."""
        self._timer.cancel()
        self._timer.join()
        with self._lock:
            for held in self._held:
                held.close()
            self._held.clear()

    def _end(self) -> None:
        with self._lock:
            self.ended = True
            self._shut()

    def _shut(self) -> None:
        for held in self._held:
            with suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)
