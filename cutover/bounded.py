"""Asks several things at the same time and waits for none of them longer than it may."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from cutover.core.watch import reason

T = TypeVar("T")


def at_the_same_time(asked: Mapping[str, Callable[[], T]], seconds: float) -> dict[str, T | str]:
    """What each of these answers, or in a line why it did not; whoever hangs is not waited for any longer than that."""
    found: dict[str, T | str] = {}

    def work(name: str, ask: Callable[[], T]) -> None:
        try:
            found[name] = ask()
        except Exception as error:  # noqa: BLE001 - any technology's: what cannot be had must not cost the rest
            found[name] = reason(error)

    # Not a pool: it waits at the end for whatever hangs.
    threads = [threading.Thread(target=work, args=one, name="bounded", daemon=True) for one in asked.items()]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    late = f"no answer within {seconds:g} s"
    return {name: found.get(name, late) for name in asked}
