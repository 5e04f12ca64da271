"""Flags in a Redis hash: compare-and-set by a script of a few lines, changes told by PUBLISH."""

import threading
import time
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from cutover.routing import forking
from cutover.routing.flag import Flag, FlagWrong
from cutover.routing.store import Conflict, Unavailable

PATIENCE = 2.0  # seconds for the connection, and for each read of it
KEY = "cutover:flags"

# The text that was read, not a version in it, is compared: no second reader of JSON, and what a person wrote counts too.
WRITE = """
local found = redis.call('HGET', KEYS[1], ARGV[1])
if (found or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('PUBLISH', KEYS[1], ARGV[1])
return 1
"""


class RedisStore:
    """The hash `key` of a Redis or Valkey server, a field a flag; the extra `redis` has its client.

    `url` is as redis-py takes it: redis://user:password@host:6379/0, rediss:// for TLS, unix://. A change is as durable as the
    server's `appendfsync` says: with `always` it outlives a crash, with `everysec` the last second may be lost. A change by
    hand is told at once when it is published too (PUBLISH cutover:flags name), else seen at the next look.
    """

    inline = False

    def __init__(self, url: str, *, key: str = KEY, patience: float = PATIENCE) -> None:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        at = urlsplit(url)
        self.where = f"redis:{at.hostname or ''}{f':{at.port}' if at.port else ''}{at.path} {key}"
        self._key = key
        limits: dict[str, Any] = {"socket_timeout": patience, "socket_connect_timeout": patience}
        # Its own retries would send a write again whose answer was lost, and make the limit several times as long.
        self._redis: Any = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **limits)
        self._begin()
        forking.remember(self)

    def _begin(self) -> None:
        self._one_waits = threading.Lock()
        self._heard: Any = None

    def forked(self) -> None:
        self._parents = self._heard
        self._begin()

    def close(self) -> None:
        if self._heard is not None:
            self._heard.close()
        self._redis.close()

    def mark(self) -> Hashable:
        return frozenset(self._texts().items())

    def all(self) -> Mapping[str, Flag | FlagWrong]:
        named = {name.decode("utf-8", "replace"): text for name, text in self._texts().items()}
        return {name: Flag.read(text, name) for name, text in named.items()}

    def put(self, flag: Flag, expected_version: int) -> Flag:
        stored = replace(flag, version=expected_version + 1)
        with self._explained():
            while True:
                text = self._redis.hget(self._key, flag.name)
                stood = None if text is None else Flag.read(text, flag.name)
                found = stood if isinstance(stood, Flag) else None
                if (found.version if found else 0) != expected_version:
                    raise Conflict(self.where, flag, expected_version, found)
                old: bytes = text or b""
                if self._redis.eval(WRITE, 1, self._key, flag.name, old, stored.text()):
                    return stored

    def wait(self, mark: Hashable, seconds: float) -> None:
        until = time.monotonic() + seconds
        if not self._one_waits.acquire(timeout=seconds):
            return
        try:
            with self._explained():
                if self._heard is None:
                    self._heard = self._redis.pubsub()
                    self._heard.subscribe(self._key)
                    self._heard.get_message(timeout=min(seconds, 1.0))  # that we are subscribed
                    if self.mark() != mark:  # what changed before was told to nobody
                        return
                while (left := until - time.monotonic()) > 0:
                    if (said := self._heard.get_message(timeout=left)) and said["type"] == "message":
                        return
        except Unavailable:
            with suppress(Exception):
                self._heard.close()
            self._heard = None
            raise
        finally:
            self._one_waits.release()

    def _texts(self) -> Mapping[bytes, bytes]:
        with self._explained():
            found: Mapping[bytes, bytes] = self._redis.hgetall(self._key)
            return found

    @contextmanager
    def _explained(self) -> Iterator[None]:
        import redis

        try:
            yield
        except (redis.RedisError, OSError) as error:
            raise Unavailable(f"{self.where}: {str(error) or type(error).__name__}") from error
