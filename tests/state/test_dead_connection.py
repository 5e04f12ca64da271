"""A connection that dies without a word, as behind a NAT that forgets it, costs a second of the window and not fifteen."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from places import Kept

from cutover.aws.objects import S3Objects
from cutover.aws.session import Aws


class Nat:
    """A way to a server that can forget a connection: the next one that is used. Those after it pass."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._forgetting = False
        threading.Thread(target=self._accept, daemon=True).start()

    def forget(self) -> None:
        self._forgetting = True

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._open += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        dead = False
        with suppress(OSError):
            while data := one.recv(65536):
                if self._forgetting:
                    self._forgetting, dead = False, True
                if not dead:
                    other.sendall(data)
            if not dead:
                other.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for one in [self._listener, *self._open]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@pytest.fixture
def nat(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nat]:
    found = Nat(urlsplit(endpoint).port or 0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{found.port}")
    yield found
    found.close()


def test_a_dead_connection_is_left_after_a_second(nat: Nat, s3: Kept) -> None:
    objects = S3Objects(Aws("us-east-1"), urlsplit(s3.address).netloc, uuid4().hex)
    tag = objects.put_new("lease", b"1")
    assert tag is not None
    for act, wanted in (
        (lambda: objects.replace("lease", b"2", tag), str),
        (lambda: objects.get("lease"), tuple),
        (lambda: objects.list(""), list),
    ):
        nat.forget()
        began = time.monotonic()
        assert isinstance(act(), wanted)
        assert time.monotonic() - began < 12, "it was sent again while there was time"
    assert [key for key, _ in objects.list("")] == ["lease"]
    found = objects.get("lease")
    assert found is not None
    assert found[0] == b"2"
