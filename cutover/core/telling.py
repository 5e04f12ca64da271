"""What work says while it is going on: whoever runs it may listen, and may end it by raising. Each thread has its own ears."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Said = Callable[[str], None]
Noted = Callable[[str, str], None]


class _Ears(threading.local):
    def __init__(self) -> None:
        self.listeners: list[Said] = []
        self.notes: list[Noted] = []


_ears = _Ears()
_otherwise: list[Said] = []


def say(seen: str) -> None:
    """Tells how far the work has come, at least every few seconds where it takes long; raises what ends the wait."""
    if _ears.listeners:
        _ears.listeners[-1](seen)
    elif _otherwise:
        _otherwise[-1](seen)


def tried_again(call: str, why: str) -> None:
    """Tells that a call met passing trouble and is made once more, for whoever keeps the record."""
    if _ears.notes:
        _ears.notes[-1](call, why)


@contextmanager
def heard(listener: Said) -> Iterator[None]:
    """What the body says goes to `listener`; called in the thread that runs the body, and only there."""
    _ears.listeners.append(listener)
    try:
        yield
    finally:
        _ears.listeners.pop()


@contextmanager
def noted(note: Noted) -> Iterator[None]:
    """Which calls the body makes once more, and why, goes to `note`."""
    _ears.notes.append(note)
    try:
        yield
    finally:
        _ears.notes.pop()


def otherwise(listener: Said) -> None:
    """Who hears what nobody else listens to, from now on and in every thread."""
    _otherwise[:] = [listener]
