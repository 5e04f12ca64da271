"""A password that was rotated while we remembered the old one is read again, once, by the connection that needs it."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from cutover.core.errors import Unreachable
from cutover.postgres.session import Database


@contextmanager
def server(password: str) -> Iterator[int]:
    """Speaks only the beginning of the protocol: asks for a password, and refuses every other one in its own language."""

    def serve(peer: socket.socket) -> None:
        with peer, suppress(OSError), peer.makefile("rb") as words:
            words.read(struct.unpack("!I", words.read(4))[0] - 4)
            peer.sendall(b"R" + struct.pack("!II", 8, 3))  # AuthenticationCleartextPassword
            kind, size = words.read(1), struct.unpack("!I", words.read(4))[0]
            given = words.read(size - 4).rstrip(b"\x00").decode()
            if kind == b"p" and given == password:
                peer.sendall(b"R" + struct.pack("!II", 8, 0) + b"Z" + struct.pack("!I", 5) + b"I")
                words.read()
                return
            text = b"SFATAL\x00VFATAL\x00C28P01\x00MPasswort falsch\x00\x00"
            peer.sendall(b"E" + struct.pack("!I", len(text) + 4) + text)

    def listen() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


class Remembered:
    """As the secrets of a process: what was read is kept until it is forgotten."""

    def __init__(self, port: int, *passwords: str) -> None:
        self.port, self.passwords, self.forgotten = port, list(passwords), 0

    def dsn(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=u dbname=d sslmode=disable password={self.passwords[0]}"

    def forget(self) -> bool:
        self.forgotten += 1
        if len(self.passwords) > 1:
            del self.passwords[0]
        return True

    def database(self) -> Database:
        return Database("blue", "BLUE_DSN", self.dsn, forget=self.forget)


def test_a_refused_password_is_read_again() -> None:
    with server("new") as port:
        kept = Remembered(port, "old", "new")
        kept.database().connect().close()
        assert kept.forgotten == 1
        kept.database().connect().close()
        assert kept.forgotten == 1


def test_a_wrong_one_is_refused_after_one_more_try() -> None:
    with server("new") as port:
        kept = Remembered(port, "old", "older")
        with pytest.raises(Unreachable, match="Passwort falsch"):
            kept.database().connect()
        assert kept.forgotten == 1


def test_a_server_that_is_not_there_costs_no_call() -> None:
    with server("new") as port:
        pass
    kept = Remembered(port, "new")
    with pytest.raises(Unreachable):
        kept.database().connect()
    assert kept.forgotten == 0
