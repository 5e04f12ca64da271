"""A TCP link between the program and one server, that can be made bad: a proxy on 127.0.0.1, in threads of this process."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

BLOCK = 65536
CONNECT = 5.0  # seconds to the server behind it
LOOK = 0.05  # seconds between two looks at whether the mode changed
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: close sends a reset


class Mode(StrEnum):
    """What a link does with what passes."""

    PASS = "pass"
    BLACK_HOLE = "black-hole"
    """Accepts and acknowledges everything, passes nothing on, answers nothing."""
    RESET = "reset"
    """Connections are reset, those that stand and those that come."""
    SLOW = "slow"
    """Each block waits, in both directions."""
    HALF_OPEN = "half-open"
    """What the program sends arrives, and no answer comes back."""
    CUT = "cut"
    """The next message that holds the pattern arrives, is carried out, and its connection is reset before the answer."""


@dataclass(eq=False)
class _Pair:
    """The two sockets of one connection."""

    near: socket.socket
    far: socket.socket
    cut: bool = False
    """The pattern has passed to the server: its answer does not come back."""
    ended: int = 0

    def reset(self) -> None:
        for end in (self.near, self.far):
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            with suppress(OSError):
                end.shutdown(socket.SHUT_RD)  # wakes who reads
            end.close()


class Link:
    """Listens on `port` and leads to `host:target`; `mode` may be changed at any time and holds for all connections."""

    def __init__(self, name: str, target: int, host: str = "127.0.0.1") -> None:
        self.name, self.mode, self.delay = name, Mode.PASS, 0.3
        self.pattern = b"COMMIT"
        self.cuts = 0
        """How many answers were lost to the pattern."""
        self._target = (host, target)
        self._pairs: set[_Pair] = set()
        self._lock = threading.Lock()
        self._over = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, name=f"link {name}", daemon=True).start()

    def set(self, mode: Mode) -> None:
        """Makes the link so; what a black hole swallowed stays lost, so its connections end when it passes again."""
        before, self.mode = self.mode, mode
        if mode is Mode.RESET or (mode is Mode.PASS and before in (Mode.BLACK_HOLE, Mode.HALF_OPEN)):
            self._reset_all()

    def close(self) -> None:
        """Ends the link and all that passes over it."""
        self._over = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._reset_all()

    def _accept(self) -> None:
        while not self._over:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(near,), name=f"link {self.name}", daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        if self.mode is Mode.RESET:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            near.close()
            return
        try:
            far = socket.create_connection(self._target, timeout=CONNECT)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = _Pair(near, far)
        with self._lock:
            self._pairs.add(pair)
        ways: tuple[tuple[socket.socket, socket.socket, Callable[[_Pair, bytes], bool]], ...] = (
            (near, far, self._to_server),
            (far, near, self._to_program),
        )
        for source, sink, passes in ways:
            threading.Thread(target=self._pump, args=(pair, source, sink, passes), daemon=True).start()

    def _pump(
        self, pair: _Pair, source: socket.socket, sink: socket.socket, passes: Callable[[_Pair, bytes], bool]
    ) -> None:
        try:
            while block := source.recv(BLOCK):
                if self.mode is Mode.SLOW:
                    time.sleep(self.delay)
                if passes(pair, block):
                    sink.sendall(block)
            # Who sits behind a black hole does not hear that the other side has hung up, either.
            while self.mode in (Mode.BLACK_HOLE, Mode.HALF_OPEN) and not self._over:
                time.sleep(LOOK)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            self._end(pair)
        else:
            self._half_ended(pair)

    def _to_server(self, pair: _Pair, block: bytes) -> bool:
        if self.mode is Mode.CUT and self.pattern in block:
            pair.cut = True
        return self.mode is not Mode.BLACK_HOLE

    def _to_program(self, pair: _Pair, block: bytes) -> bool:
        if pair.cut:
            self.cuts += 1
            raise ConnectionResetError("its answer is lost on demand")
        return self.mode not in (Mode.BLACK_HOLE, Mode.HALF_OPEN)

    def _half_ended(self, pair: _Pair) -> None:
        """One direction is at its end; after both the connection is closed in good order, and nothing under way is lost."""
        with self._lock:
            pair.ended += 1
            over = pair.ended == 2
            if over:
                self._pairs.discard(pair)
        if over:
            pair.near.close()
            pair.far.close()

    def _end(self, pair: _Pair) -> None:
        with self._lock:
            self._pairs.discard(pair)
        pair.reset()

    def _reset_all(self) -> None:
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            pair.reset()
