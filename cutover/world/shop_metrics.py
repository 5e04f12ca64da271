"""The shop's counters in the Prometheus text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats)."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds


class Metrics:
    """Requests by method, route and status, with their durations."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets: Counter[float] = Counter()
        self._seconds = 0.0
        self.payment_errors = 0

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Notes one finished request."""
        self._requests[method, route, status] += 1
        self._seconds += seconds
        for bound in BUCKETS:
            if seconds <= bound:
                self._buckets[bound] += 1

    def text(self, *, database_retries: int, memory: float = 0.0) -> str:
        """Everything counted since the start."""
        version = f'version="{self._version}"'
        lines = [
            "# HELP shop_requests_total Requests answered.",
            "# TYPE shop_requests_total counter",
        ]
        lines += [
            f'shop_requests_total{{{version},method="{method}",route="{route}",status="{status}"}} {count}'
            for (method, route, status), count in sorted(self._requests.items())
        ]
        total = self._requests.total()
        lines += [
            "# HELP shop_request_seconds Time to answer.",
            "# TYPE shop_request_seconds histogram",
        ]
        lines += [
            f'shop_request_seconds_bucket{{{version},le="{bound:g}"}} {self._buckets[bound]}' for bound in BUCKETS
        ]
        lines += [
            f'shop_request_seconds_bucket{{{version},le="+Inf"}} {total}',
            f"shop_request_seconds_sum{{{version}}} {self._seconds:.6f}",
            f"shop_request_seconds_count{{{version}}} {total}",
            "# HELP shop_database_retries_total Attempts that were repeated on another connection.",
            "# TYPE shop_database_retries_total counter",
            f"shop_database_retries_total{{{version}}} {database_retries}",
            "# HELP shop_payment_errors_total Checkouts that the payment provider refused.",
            "# TYPE shop_payment_errors_total counter",
            f"shop_payment_errors_total{{{version}}} {self.payment_errors}",
            "# HELP process_resident_memory_bytes Resident memory size in bytes.",
            "# TYPE process_resident_memory_bytes gauge",
            f"process_resident_memory_bytes {memory:.0f}",
            "# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.",
            "# TYPE process_cpu_seconds_total counter",
            f"process_cpu_seconds_total {time.process_time():.2f}",
        ]
        return "\n".join(lines) + "\n"


def resident_bytes() -> float:
    """The memory that this process has (proc(5), statm); 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0.0
    return float(pages * os.sysconf("SC_PAGE_SIZE"))
