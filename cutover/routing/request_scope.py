"""What a web framework tells the routers about the request that it is serving: for whom it is, and a side that a tester asked for."""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Generic, ParamSpec, TypeVar

from cutover.routing.flag import Flag
from cutover.routing.flags import Flags
from cutover.routing.router import Router
from cutover.routing.store import MemoryStore

HEADER = "X-Cutover-Side"
"""Asks for sides: `search=candidate, checkout=legacy`."""
LONGEST = 1000
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Scope:
    """One request: its key (None: nobody is known), and the sides that were asked for, by flag."""

    key: object = None
    sides: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))


NOBODY = Scope()
_scope: ContextVar[Scope] = ContextVar("cutover-request")


@contextmanager
def request_scope(key: object, header: str | None = None, *, allowed: bool = False) -> Iterator[Scope]:
    """While this lasts, in this thread or task and what it starts, requests are for `key`.

    `header` is the value of HEADER, and is heeded where `allowed` alone: anybody can send a header, so allow testers whom the
    application knows, and nobody by default. What the header asks for and no flag or side is called, is ignored.
    """
    token = _scope.set(Scope(key, wanted(header if header and allowed else "")))
    try:
        yield _scope.get(NOBODY)
    finally:
        _scope.reset(token)


def wanted(header: str) -> Mapping[str, bool]:
    """The sides that a header asks for, by flag: True for the candidate."""
    found = {}
    for part in header[:LONGEST].split(","):
        name, _, side = (word.strip() for word in part.partition("="))
        if name and side in ("legacy", "candidate"):
            found[name] = side == "candidate"
    return MappingProxyType(found)


class RequestRouter(Generic[P, R]):
    """A router whose key is that of the request; `options` are those of Router, without `key`.

    A tester's candidate goes the same way as everybody's: it is counted, and legacy answers where it fails. It goes there although
    the flag is at 0 or off, but not where the environment variable of the flag says false. A tester's legacy is called as it
    is, and not counted. Outside of requests nobody is known.
    """

    def __init__(self, name: str, *, legacy: Callable[P, R], candidate: Callable[P, R], **options: Any) -> None:
        # First of all: a mark on the function must not stand in the place of an attribute of ours.
        functools.update_wrapper(self, legacy, updated=() if isinstance(legacy, type) else functools.WRAPPER_UPDATES)
        everybody = Flags(MemoryStore(Flag(name=name, enabled=True, share=Decimal(100))))
        self.name, self._legacy = name, legacy
        self.router: Router[P, R] = Router(name, legacy=legacy, candidate=candidate, key=_key, **options)
        options = {**options, "flags": everybody, "dual_run": None}
        self._asked_for: Router[P, R] = Router(name, legacy=legacy, candidate=candidate, key=_key, **options)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        side = _scope.get(NOBODY).sides.get(self.name)
        if side is None:
            return self.router(*args, **kwargs)
        return self._asked_for(*args, **kwargs) if side else self._legacy(*args, **kwargs)


def _key(*_args: object, **_named: object) -> object:
    return _scope.get(NOBODY).key
