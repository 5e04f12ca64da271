"""An answer that comes byte by byte is none: one draw may not last as long as somebody likes."""

import socket
import threading
import time
from contextlib import suppress

import pytest

from cutover.core.clock import Deadline
from cutover.core.errors import Unreachable
from cutover.net import tagged

LONGEST = 8.0  # seconds after which the answer would be whole


def _trickle(listener: socket.socket) -> None:
    with suppress(OSError):
        peer, _ = listener.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
            end = time.monotonic() + LONGEST
            while time.monotonic() < end:
                peer.sendall(b" ")
                time.sleep(0.05)
            peer.sendall(b'{"version": "v1"}')


def test_a_trickling_answer_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagged, "TIMEOUT", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_trickle, args=(listener,))
        thread.start()
        witness = tagged.TaggedResponses(
            host="localhost", tag="version", in_body=True, blue="v1", green="v2", scheme="http",
            port=listener.getsockname()[1],
        )  # fmt: skip
        try:
            with pytest.raises(Unreachable, match="no whole answer within 2 s"):
                witness.seen(1, Deadline.after(1))
        finally:
            thread.join()
