"""The customers' own record of their requests: what was acknowledged, what failed or was slow, how long writes paused.

One JSON object per line, written when a request has ended: `at` (start) and `ack` (end) in seconds since the epoch,
`kind` ("write" or "read"), `key` (idempotency key of a write), `host`, `status`, `tries`, `ok`, `slow`, `error`,
`version`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

WRITTEN: dict[str, type | tuple[type, ...]] = {
    "at": (int, float),
    "ack": (int, float),
    "kind": str,
    "ok": (bool, int),
    "slow": (bool, int),
}
LONGEST_REQUEST = 60.0  # seconds; a line that ended later than this after t1 cannot have begun before t1


@dataclass(frozen=True)
class LedgerSummary:
    """What happened to the requests of one span of time; milliseconds, None where nothing was there to measure."""

    requests: int
    reads: int
    writes: int
    failed_reads: int
    failed_writes: int
    slow: int
    acknowledged: list[str]
    write_gap_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True)
class Ledger:
    """A ledger file that may still be growing; a half-written last line is left for the next look."""

    path: Path | str

    def between(self, t0: float, t1: float, *, begun_after: float = 0.0) -> LedgerSummary:
        """Sums up the requests that were under way in [t0, t1] and began after `begun_after`.

        `acknowledged` holds the keys of the writes whose acknowledgement came within the span, and `write_gap_ms`
        the longest time between two of them that follow each other. Lines that are no ledger lines raise ValueError.
        """
        requests = reads = failed_reads = failed_writes = slow = 0
        took: list[float] = []
        acknowledged: list[tuple[float, str]] = []
        for line in self.lines(t0, t1):
            at, ack = float(line["at"]), float(line["ack"])
            if at > t1 or ack < t0 or at < begun_after:
                continue
            requests += 1
            slow += bool(line["slow"])
            if line["ok"]:
                took.append((ack - at) * 1000)
            if line["kind"] == "read":
                reads += 1
                failed_reads += not line["ok"]
            elif not line["ok"]:
                failed_writes += 1
            elif t0 <= ack <= t1:
                acknowledged.append((ack, str(line["key"])))
        acknowledged.sort()
        gaps = [(later[0] - earlier[0]) * 1000 for earlier, later in pairwise(acknowledged)]
        took.sort()
        return LedgerSummary(
            requests=requests,
            reads=reads,
            writes=requests - reads,
            failed_reads=failed_reads,
            failed_writes=failed_writes,
            slow=slow,
            acknowledged=[key for _, key in acknowledged],
            write_gap_ms=max(gaps, default=None),
            p50_ms=_percentile(took, 50),
            p95_ms=_percentile(took, 95),
            p99_ms=_percentile(took, 99),
        )

    def lines(self, t0: float, t1: float) -> Iterator[dict[str, Any]]:
        """The lines of the requests that were under way in [t0, t1], and of some around them, in the order of their `ack`."""
        try:
            file = open(self.path, "rb")  # noqa: SIM115 - closed by the with below; absent means that nothing was noted yet
        except FileNotFoundError:
            return
        with file:
            file.seek(_first_line_ending_at_or_after(file, t0))
            for raw in file:
                if not raw.endswith(b"\n"):
                    return
                line = _parsed(raw)
                if line["ack"] > t1 + LONGEST_REQUEST:
                    return
                yield line


def _first_line_ending_at_or_after(file: BinaryIO, moment: float) -> int:
    """The offset to read from: lines are in the order of their `ack`, so a long file is not read from its start."""
    low, high = 0, file.seek(0, 2)
    while high - low > 65536:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()  # the rest of a line that began before
        start, raw = file.tell(), file.readline()
        if (
            raw.endswith(b"\n") and _parsed(raw)["ack"] < moment - 1
        ):  # a second of slack for lines that overtook each other
            low = start
        else:
            high = middle
    return low


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except RecursionError:
        found = None
    if (
        not isinstance(found, dict)
        or "key" not in found
        or any(not isinstance(found.get(name), kind) for name, kind in WRITTEN.items())
    ):
        raise ValueError(f"not a ledger line: {raw[:80]!r}")
    return found


def _percentile(ordered: Sequence[float], percent: int) -> float | None:
    """The nearest-rank percentile of values that are sorted already."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else None
