"""Ready files: how the processes of the local world tell each other that they serve, and where."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def publish(world: Path, name: str, facts: Mapping[str, object]) -> None:
    """Write WORLD/NAME.json in one atomic move, so that a reader never sees half of it."""
    target = world / f"{name}.json"
    draft = world / f".{name}.json.{os.getpid()}"
    draft.write_text(json.dumps({"pid": os.getpid(), **facts}, indent=1) + "\n", encoding="utf-8")
    os.replace(draft, target)


def facts_of(world: Path, name: str) -> dict[str, Any]:
    """What WORLD/NAME.json says now; empty when there is no such file."""
    try:
        text = (world / f"{name}.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    facts: dict[str, Any] = json.loads(text)
    return facts


def wait_for(world: Path, name: str, *, seconds: float) -> dict[str, Any]:
    """The facts of NAME as soon as it is ready; TimeoutError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (facts := facts_of(world, name)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{world / name}.json did not appear within {seconds:g} s")
        time.sleep(0.02)
    return facts
