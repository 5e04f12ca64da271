"""What the stores that keep one row a flag have in common: the row as a flag, and the end of a call that hangs."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from cutover.routing.flag import Flag, FlagWrong


def flag_of(name: str, version: Any, text: Any) -> Flag | FlagWrong:
    """The flag of a row; its column `version` counts, not the one in the text, which a person may have left as it was."""
    found = Flag.read(text if isinstance(text, (str, bytes)) else str(text), name)
    if isinstance(found, FlagWrong):
        return found
    try:
        return replace(found, version=version)
    except FlagWrong as wrong:
        return wrong


@contextmanager
def limited(fileno: int, seconds: float, fired: list[bool]) -> Iterator[None]:
    """While the body runs, shuts the socket down after so many seconds; `fired` then holds True.

    No timeout of a client library ends a call whose packets a link swallows; this does.
    """
    handle = socket.socket(fileno=os.dup(fileno))  # the number of a closed descriptor may already be somebody else's

    def end() -> None:
        fired.append(True)
        with suppress(OSError):
            handle.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        handle.close()
