"""How visitors fare, from the ledger of the customers' own requests."""

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutover.core.gate import Check, Finding
from cutover.net.ledger import Ledger


@dataclass(frozen=True, kw_only=True)
class TrafficHealthy(Check):
    """Counts what visitors themselves saw in the last seconds: failed requests and slow ones.

    A side can be healthy by its own account and fail its visitors. Too few requests prove nothing and are never `well`.
    """

    ledger: Callable[[], Path | str]
    ledger_shell: str = "$SHOP_LEDGER"
    seconds: float = 10.0
    error_rate: float = 5.0
    """Percent of requests."""
    p95_ms: float = 2000.0
    at_least: int = 20
    now: Callable[[], float] = time.time

    def look(self) -> Finding:
        now = self.now()
        try:
            since = now - self.seconds
            # A request that waited through the window began long ago and says nothing about the side that answers now;
            # a side that is as slow as that leaves too few requests, which is never `well`.
            summary = Ledger(self.ledger()).between(since, now, begun_after=since - self.p95_ms / 1000)
        except (OSError, ValueError, KeyError, TypeError) as error:
            return Finding.blind(f"the ledger cannot be read: {type(error).__name__}: {error}")
        failed = summary.failed_reads + summary.failed_writes
        rate = 100 * failed / summary.requests if summary.requests else 0.0
        p95 = summary.p95_ms
        seen = (
            f"{summary.requests} requests in {self.seconds:g} s, {failed} failed ({rate:.1f} %, limit {self.error_rate:g} %), "
            f"p95 {'unknown' if p95 is None else f'{p95:.0f} ms'} (limit {self.p95_ms:g} ms)"
        )
        data: dict[str, Any] = {"requests": summary.requests, "failed": failed, "p95_ms": p95}
        if summary.requests < self.at_least:
            return Finding.not_yet(f"{seen}; at least {self.at_least} requests wanted", **data)
        if rate > self.error_rate:
            return Finding.failed(seen, "look at the side's log for the failing requests", **data)
        if p95 is not None and p95 > self.p95_ms:
            return Finding.failed(seen, "the side is too slow", **data)
        return Finding.passed(seen, **data)

    def shell(self) -> str:
        limits = f"{self.seconds:g} {self.error_rate:g} {self.p95_ms:g} {self.at_least}"
        return f'tail -n 20000 "{self.ledger_shell}" | python3 -c {shlex.quote(COUNT)} {limits}'


# Its arguments are the seconds to look back, and the limits: failed percent, p95 in ms, and the fewest requests.
COUNT = """\
import json, sys, time
seconds, rate, slow, fewest = map(float, sys.argv[1:])
lines = [one for one in map(json.loads, sys.stdin) if one["ack"] >= time.time() - seconds]
took = sorted(1000 * (one["ack"] - one["at"]) for one in lines if one["ok"])
failed, p95 = sum(not one["ok"] for one in lines), took[int(len(took) * 0.95)] if took else None
print(len(lines), "requests,", failed, "failed, p95 ms:", p95)
sys.exit(len(lines) < fewest or 100 * failed > rate * len(lines) or (p95 or 0) > slow)"""
