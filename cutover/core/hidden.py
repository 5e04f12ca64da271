"""The secrets that this process has read, and the places where text leaves it: none of them passes there.

A secret is known from the moment when its reference is read. What is hidden is its value, and that as JSON, as a part of an
address, in base64 and in hexadecimal; what somebody makes of it in another way is not known to be one.
"""

import json
import sys
import traceback
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from types import TracebackType
from typing import IO, Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

HIDDEN = "***"
SHORTEST = (
    8  # characters; a shorter password is a word like others, and hiding it would garble what people have to read
)
_shapes: dict[str, None] = {}
_listed: tuple[str, ...] = ()


def remember(value: str, *, address: bool = False) -> None:
    """From now on the value is hidden; of an `address` (also one that turns out to be) only what is secret in it."""
    global _listed
    for part in _parts(value, address):
        if len(part) >= SHORTEST:
            _shapes.update(dict.fromkeys(_written(part)))
    if len(_shapes) != len(_listed):
        _listed = tuple(sorted(_shapes, key=lambda one: (-len(one), one)))


def hidden(text: str) -> str:
    """The text without any of them."""
    for secret in _listed:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return text


def hidden_in(value: Any) -> Any:
    """JSON types without any of them, in keys and in values."""
    if not _listed:
        return value
    match value:
        case str():
            return hidden(value)
        case dict():
            return {hidden(key): hidden_in(one) for key, one in value.items()}
        case list():
            return [hidden_in(one) for one in value]
    return value


def hidden_bytes(body: bytes) -> bytes:
    """The same for a body whose length was promised already: as many stars as the secret has bytes."""
    for secret in _listed:
        body = body.replace(secret.encode(), b"*" * len(secret.encode()))
    return body


@contextmanager
def hiding() -> Iterator[None]:
    """While it lasts nothing that is printed has one of them, and ever after no traceback of what nobody foresaw."""
    before = sys.stdout, sys.stderr
    sys.excepthook = _told
    sys.stdout, sys.stderr = _Stream(before[0]), _Stream(before[1])
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class _Stream:
    """A stream that writes what is left of a text."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(hidden(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _told(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, where)
        return
    print(hidden("".join(traceback.format_exception(kind, error, where))), end="", file=sys.stderr)


def _parts(value: str, address: bool) -> Iterator[str]:
    """What is secret of a value: the password of an address, the path of a webhook, else the whole of it."""
    words = dict(word.split("=", 1) for word in value.split() if "=" in word)
    if "password" in words:
        yield words["password"].strip("'")
        return
    if "://" not in value:
        if not address:
            yield value
        return
    # Not urlsplit alone: a password with `/` or `#` in it is none for a parser, and is one for who reads the error.
    login = value.partition("://")[2].rpartition("@")[0]
    password = login.partition(":")[2]
    if login:
        yield from (password, unquote(password))
    elif value.startswith("http") and not address:
        try:
            yield urlsplit(value).path
        except ValueError:
            yield value


def _written(part: str) -> Iterator[str]:
    yield from (part, quote(part, safe=""), quote(part), quote_plus(part), escape(part), repr(part)[1:-1])
    yield from (json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1])
    raw = part.encode("utf-8", "surrogatepass")
    yield from (b64encode(raw).decode(), raw.hex())
