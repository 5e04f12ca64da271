"""What a command says while it is at work: whoever runs it may listen, and may end it by raising."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_listeners: list[Callable[[str], None]] = []


def say(seen: str) -> None:
    """Tells how far the work has come, at least every few seconds where it takes long; raises what ends the wait."""
    if _listeners:
        _listeners[-1](seen)


@contextmanager
def heard(listener: Callable[[str], None]) -> Iterator[None]:
    """What the body's commands say goes to `listener`; called in the thread that runs the command."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.pop()
