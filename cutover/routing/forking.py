"""What a forked child must begin anew: threads do not come along, and a lock may be held by one that did not."""

import os
import weakref
from typing import Protocol


class Forked(Protocol):
    def forked(self) -> None:
        """Called in the child, while it has one thread: new locks, no threads, counts from 0."""


_all: "weakref.WeakSet[Forked]" = weakref.WeakSet()


def remember(one: Forked) -> None:
    """From now on `one.forked()` is called in every forked child."""
    _all.add(one)


def _in_child() -> None:
    for one in list(_all):
        one.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
