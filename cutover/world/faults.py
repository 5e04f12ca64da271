"""What can be made to go wrong in the shop of one side: written by `world.fault`, obeyed by the shop within 0.2 s."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cutover.world.processes import WorldError, write_atomically

SHOPS = {"blue": "shop-v1", "green": "shop-v2"}
LOOK_EVERY = 0.1  # seconds
AMOUNT = re.compile(r"(?P<number>[0-9]+(\.[0-9]+)?) ?(?P<unit>[A-Za-z%/]*)")
UNITS = {
    "errors": {"%": 1.0},
    "payments": {"%": 1.0},
    "latency": {"ms": 0.001, "s": 1.0},
    "leak": {"MB/s": 1e6, "kB/s": 1e3},
}
EXAMPLES = {"errors": "12%", "payments": "5%", "latency": "150ms", "leak": "20MB/s"}


@dataclass(frozen=True)
class Faults:
    """`errors` and `payments` in percent, `latency` in seconds, `leak` in bytes per second since `since` (Unix time)."""

    errors: float = 0.0
    """Of the requests of customers, answered 500 before anything is done."""
    payments: float = 0.0
    """Of the checkouts, refused by the payment provider (502) and counted as shop_payment_errors_total."""
    latency: float = 0.0
    """Added to every request of customers."""
    leak: float = 0.0
    """Shown as memory of the process; not really taken from this machine."""
    silent: bool = False
    """/metrics is answered 503."""
    since: float = 0.0

    def leaked(self, now: float) -> float:
        return self.leak * max(0.0, now - self.since)

    def __str__(self) -> str:
        said = {
            f"{self.errors:g} % errors": self.errors,
            f"{self.payments:g} % of the payments refused": self.payments,
            f"{1000 * self.latency:g} ms more": self.latency,
            f"{self.leak / 1e6:g} MB/s leaked": self.leak,
            "no metrics": self.silent,
        }
        return ", ".join(words for words, so in said.items() if so) or "none"


def amount(fault: str, text: str) -> float:
    """A fault's size as an operator writes it; raises WorldError."""
    units = UNITS[fault]
    found = AMOUNT.fullmatch(text.strip())
    if found is None or found["unit"] not in units:
        raise WorldError(f"--{fault} wants a number with {' or '.join(units)}, such as {EXAMPLES[fault]}, not {text!r}")
    size = float(found["number"]) * units[found["unit"]]
    if "%" in units and size > 100:
        raise WorldError(f"--{fault} is at most 100%, not {text}")
    return size


def shop_of(side: str) -> str:
    """The part of the world that is the shop of this side; raises WorldError."""
    if side not in SHOPS:
        raise WorldError(f"--side is blue or green, not {side!r}")
    return SHOPS[side]


def read(world: Path, name: str) -> Faults:
    """What is wrong with this shop now."""
    try:
        return Faults(**json.loads(_file(world, name).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Faults()


def inject(world: Path, name: str, changes: Mapping[str, float | bool]) -> Faults:
    """Adds to what is wrong already; a leak begins now."""
    begun = {"since": time.time()} if "leak" in changes else {}
    found = replace(read(world, name), **changes, **begun)  # type: ignore[arg-type]
    write_atomically(_file(world, name), json.dumps(asdict(found)) + "\n")
    return found


def heal(world: Path, name: str) -> None:
    """Nothing is wrong any more."""
    _file(world, name).unlink(missing_ok=True)


def _file(world: Path, name: str) -> Path:
    return world / f"{name}.faults"


class Share:
    """Says yes to a percentage of the times that it is asked, evenly spread: 12 % are 12 of each 100, and never by luck 20."""

    def __init__(self) -> None:
        self._owed = 0.0

    def falls_on(self, percent: float) -> bool:
        self._owed += percent / 100
        if self._owed < 1.0 - 1e-9:
            return False
        self._owed -= 1.0
        return True


class Suffered:
    """The faults of one running shop, looked up at most ten times a second."""

    def __init__(self, world: Path, name: str) -> None:
        self._world, self._name = world, name
        self._looked, self._now = float("-inf"), Faults()
        self.errors, self.payments = Share(), Share()

    def now(self) -> Faults:
        if time.monotonic() - self._looked >= LOOK_EVERY:
            self._looked, self._now = time.monotonic(), read(self._world, self._name)
        return self._now
