"""The shop's access log: JSON lines, one for each request that it has answered."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

FOLDER = "SHOP_LOGS"
"""The variable with the folder of the logs; without it a shop writes none."""
FIELDS = ("time", "level", "event", "outcome", "method", "route", "status", "duration_ms", "version")
CHECKOUT = "/api/checkout"


def file_of(name: str) -> str:
    """The log of one shop, in the folder of all."""
    return f"{name}.jsonl"


class AccessLog:
    """One line for each request; a checkout is a payment, too, with its outcome."""

    def __init__(self, path: Path, version: str) -> None:
        self._version = version
        # Whole lines only: who reads it meanwhile never sees half of one.
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Writes one finished request."""
        line: dict[str, object] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": "error" if status >= 500 else "info",
            "event": "payment" if route == CHECKOUT else "request",
        }
        if route == CHECKOUT:
            line["outcome"] = "captured" if status < 400 else "failed" if status == 502 else "not tried"
        line |= {"method": method, "route": route, "status": status}
        line |= {"duration_ms": round(seconds * 1000, 1), "version": self._version}
        self._file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        self._file.close()
