"""Two implementations of one thing, and routers of them."""

import threading
from decimal import Decimal
from typing import Any

from cutover.routing import Flag, Flags, MemoryStore, Router, StormCap

NEVER = StormCap(failures=10**9)


def at(share: int, **fields: Any) -> Flags:
    store = MemoryStore(Flag(name="a", enabled=True, share=Decimal(share), version=1, **fields))
    return Flags(store, every=0.0, environ={})


def old(number: int, *, more: int = 0) -> str:
    """What the old one says."""
    return f"old {number + more}"


def new(number: int, *, more: int = 0) -> str:
    return f"new {number + more}"


def by_number(number: int, *, more: int = 0) -> int:
    return number


def fails(number: int, *, more: int = 0) -> str:
    raise LookupError(number)


def router(share: int = 100, candidate: Any = new, legacy: Any = old, **options: Any) -> Any:
    key = options.pop("key", lambda number, **more: number)
    options.setdefault("storm", NEVER)
    return Router("a", legacy=legacy, candidate=candidate, key=key, flags=at(share), **options)


class Hang:
    """A candidate that hangs until it is let go."""

    def __init__(self) -> None:
        self.go, self.calls = threading.Event(), 0

    def __call__(self, number: int) -> str:
        self.calls += 1
        self.go.wait()
        return "late"
