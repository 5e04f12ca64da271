"""Figures from Redis or Valkey: what INFO says (redis.io/commands/info), over the protocol's own few bytes.

A client library is not worth its dependency for two commands, and would leave a trickling answer to itself.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedRWPair
from shlex import quote

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.series import Gap, Reading, Sample, Span, judged
from cutover.metrics.arithmetic import NotReadable, calculated
from cutover.metrics.exchange import brief

PATIENCE = 5.0
LARGEST = 1 << 20  # bytes of an INFO; a common one has 6 kB
NO_LIMIT = "maxmemory is 0: this server has no limit to be in percent of"


class _Refused(Exception):
    """The server answered with an error, or not in its protocol."""


@dataclass(frozen=True)
class RedisFigures:
    """A sum of INFO's fields, such as `100 * used_memory / maxmemory`; one sample, of now.

    The fields of a server whose `maxmemory` is 0 have no percentage: it takes what the machine has.
    """

    address: Callable[[], str]
    """host:port"""
    address_shell: str
    user: str | None = None
    password: Callable[[], str] | None = field(default=None, repr=False, compare=False)
    password_shell: str = ""
    tls: bool = False
    ca: str | None = None
    delay: float = 0.0
    now: Callable[[], float] = field(default=time.time, repr=False, compare=False)

    def read(self, query: str, span: Span, deadline: Deadline) -> Reading:
        try:
            fields = self._info(deadline.within(PATIENCE))
            value = calculated(query, fields)
        except (_Refused, NotReadable) as error:
            return Reading.unreachable(f"Redis: {error}")
        except CutoverError as error:
            return Reading.unreachable(f"Redis: {error.message}")
        except (OSError, ValueError) as error:
            return Reading.unreachable(f"Redis: {brief(error)}")
        at = self.now()
        found = judged([Sample(at, value)], span.ending(at), delay=self.delay, remembers=False)
        if found.gap is Gap.NOT_A_NUMBER and "maxmemory" in query and fields.get("maxmemory") == 0:
            return Reading(gap=Gap.NOT_A_NUMBER, seen=NO_LIMIT)
        return found

    def shell(self, query: str) -> str:
        secret = f"REDISCLI_AUTH={self.password_shell} " if self.password_shell else ""
        tls = " --tls" if self.tls else ""
        trusted = f" --cacert {quote(self.ca)}" if self.ca else ""
        user = f" --user {quote(self.user)}" if self.user else ""
        place = f"place={self.address_shell}; "
        return (
            f'{place}{secret}redis-cli -h "${{place%:*}}" -p "${{place##*:}}"{user}{tls}{trusted} INFO'
            f"   # then: {' '.join(query.split())}"
        )

    def _info(self, deadline: Deadline) -> Mapping[str, float]:
        host, _, port = self.address().rpartition(":")
        password = None if self.password is None else self.password()
        seconds = deadline.remaining()
        with socket.create_connection((host, int(port)), max(0.001, seconds)) as opened:
            ended: list[bool] = []
            # A timeout of the socket alone begins anew with every byte.
            timer = threading.Timer(deadline.remaining(), _end, (opened, ended))
            timer.daemon = True
            timer.start()
            # wrap_socket takes the descriptor away from `opened`; a second handle on it is what the timer ends.
            handle = opened.dup()
            timer.args = [handle, ended]
            try:
                talking = self._secured(opened, host)
                with talking, talking.makefile("rwb") as stream:
                    if password is not None:
                        _said(stream, "AUTH", *((self.user,) if self.user else ()), password)
                    return _fields(_said(stream, "INFO"))
            except (OSError, ValueError, _Refused):
                if ended:
                    raise _Refused(f"no whole answer within {seconds:.3g} s") from None
                raise
            finally:
                timer.cancel()
                timer.join()
                handle.close()

    def _secured(self, opened: socket.socket, host: str) -> socket.socket:
        if not self.tls:
            return opened
        return ssl.create_default_context(cafile=self.ca).wrap_socket(opened, server_hostname=host)


def _end(opened: socket.socket, ended: list[bool]) -> None:
    ended.append(True)
    with suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)


def _said(stream: BufferedRWPair, *words: str) -> bytes:
    """The answer to one command (RESP2: redis.io/docs/latest/develop/reference/protocol-spec)."""
    parts = [word.encode() for word in words]
    stream.write(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
    stream.flush()
    line: bytes = stream.readline(1024)
    if line.startswith(b"-"):
        raise _Refused(brief(ValueError(line[1:].decode("utf-8", "replace"))))
    if line.startswith(b"+"):
        return line[1:]
    if not line.startswith(b"$") or not line[1:].strip().isdigit() or int(line[1:]) > LARGEST:
        raise _Refused("its answer is not one of Redis" if line else "closed the connection without an answer")
    size = int(line[1:])
    body: bytes = stream.read(size + 2)
    if len(body) < size + 2:
        raise _Refused("the answer was cut short")
    return body


def _fields(body: bytes) -> Mapping[str, float]:
    """The numbers of INFO; all other fields are left out."""
    found: dict[str, float] = {}
    for line in body.decode("utf-8", "replace").splitlines():
        name, _, value = line.partition(":")
        with suppress(ValueError):
            found[name] = float(value)
    return found
