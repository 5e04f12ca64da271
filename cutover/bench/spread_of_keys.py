"""Whether keys fall evenly and flags choose independently, and what a router weighs and costs to import."""

import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence

from cutover.bench.figures import BenchFailed, Limit, Line, Reference, Spread
from cutover.bench.routed_calls import at, router
from cutover.routing.keys import bucket, prefix

Z_99, Z_OF_FOUR = 2.3263, 2.8070  # of the normal distribution, at 0.99 and at 0.9975
SALTS = ("suggestions", "new-search", "checkout-2026", "Größe")
PAIRS = (("suggestions", "new-search"), ("suggestions", "suggestions2"), ("a", "b"))


def bound(freedom: int, z: float) -> float:
    """χ² at the quantile that z stands for (Wilson and Hilferty 1931; at 99 degrees of freedom off by less than 0.1)."""
    part = 2 / (9 * freedom)
    return float(freedom * (1 - part + z * part**0.5) ** 3)


def even(ids: int) -> Iterator[Line]:
    """χ² over 100 classes of 100 buckets, for ids in a row, by salt."""
    values = []
    for salt in SALTS:
        hashed = prefix(salt)
        values.append(_chi(Counter(bucket(hashed, f"user-{number}") // 100 for number in range(ids)), 100, ids))
    seen = ", ".join(f"{salt} {value:.1f}" for salt, value in zip(SALTS, values, strict=True))
    over = sum(value > bound(99, Z_99) for value in values)
    seen += f"; {over} of {len(SALTS)} above {bound(99, Z_99):.1f}, which is the 99 % bound of a single one"
    # All within the 99 % bound of the largest of so many: each at 1 - 0.01 / 4.
    limits = [Limit("worst", round(bound(99, Z_OF_FOUR), 1))]
    figure = f"χ² of {ids:,} ids, 99 degrees of freedom, {len(SALTS)} salts"
    yield Line(figure, Spread.of(values, ""), limits=limits, seen=seen)
    freedom = 99 * len(SALTS)
    together = [Limit("worst", round(bound(freedom, Z_99), 1))]
    yield Line(f"χ² of all salts together, {freedom} degrees of freedom", Spread.of([sum(values)], ""), limits=together)


def independent(ids: int) -> Iterator[Line]:
    """χ² of ten classes of one flag by ten of another, for the same ids."""
    values = []
    for one, other in PAIRS:
        first, second = prefix(one), prefix(other)
        cells: Counter[tuple[int, int]] = Counter()
        for number in range(ids):
            key = f"user-{number}"
            cells[bucket(first, key) // 1000, bucket(second, key) // 1000] += 1
        values.append(_independence(cells, ids))
    seen = ", ".join(f"{one} by {other} {value:.1f}" for (one, other), value in zip(PAIRS, values, strict=True))
    limits = [Limit("worst", round(bound(81, Z_99), 1))]
    yield Line(f"χ² of two flags, {ids:,} ids, 81 degrees of freedom", Spread.of(values, ""), limits=limits, seen=seen)


def _chi(counts: Counter[int], cells: int, total: int) -> float:
    expected = total / cells
    return sum((counts[cell] - expected) ** 2 / expected for cell in range(cells))


def _independence(cells: Counter[tuple[int, int]], total: int) -> float:
    rows, columns = Counter[int](), Counter[int]()
    for (row, column), count in cells.items():
        rows[row] += count
        columns[column] += count
    return sum(
        (cells[row, column] - (expected := rows[row] * columns[column] / total)) ** 2 / expected
        for row in rows
        for column in columns
    )


def weight(rounds: int) -> Iterator[Line]:
    """What a flag with its router takes once eight threads have called both sides."""
    kib = []
    for _ in range(rounds):
        flags = at(50)
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            routed = router(flags)
            _called_by_eight(routed)
            kib.append((tracemalloc.get_traced_memory()[0] - before) / 1024)
        finally:
            tracemalloc.stop()
        seen = routed.snapshot()
        if not seen.legacy.requests or not seen.candidate.requests:
            raise BenchFailed("a side was never called")
    yield Line("memory of a flag, 8 threads", Spread.of(kib, "KiB"), limits=[Limit("worst", 64)])


def _called_by_eight(routed: object) -> None:
    called, leave = threading.Barrier(9), threading.Event()

    def work() -> None:
        for number in range(1000):
            routed(f"user-{number}")  # type: ignore[operator]
        called.wait()
        leave.wait()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    called.wait()
    leave.set()
    for thread in threads:
        thread.join()


def importing(rounds: int) -> Iterator[Line]:
    """What a start costs more than a bare interpreter, beside the others."""
    asked = {
        "ours": "from cutover.routing import Router",
        "import asyncio": "import asyncio",
        "UnleashClient": "import UnleashClient",
        "OpenFeature": "from openfeature import api",
    }
    found: dict[str, list[float]] = {name: [] for name in asked}
    missing = {name for name, code in asked.items() if _started(code) is None}
    if "ours" in missing:
        raise BenchFailed("a bare interpreter cannot import it")
    for _ in range(rounds):
        bare = _started("pass") or 0.0
        for name, code in asked.items():
            if name not in missing:
                found[name].append(((_started(code) or 0.0) - bare) * 1000)
    references = [
        Reference(f"{name} not measured: pip install -e '.[bench-routing]'")
        if name in missing
        else Reference(name, Spread.of(found[name]))
        for name in asked
        if name != "ours"
    ]
    yield Line("from cutover.routing import Router", Spread.of(found["ours"]), references)


def _started(code: str) -> float | None:
    """Seconds of the best of three starts; None when it fails."""
    times: Sequence[float] = []
    for _ in range(3):
        began = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, env=os.environ)
        if done.returncode:
            return None
        times = [*times, time.perf_counter() - began]
    return min(times)
