"""What one call costs: batches of calls, all subjects in turn in the same round, so that what disturbs one disturbs all."""

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cutover.bench.figures import Spread

BEST_OF = 5
SLICE = 1000  # µs
Call = Callable[[Any], object]


def timed(
    subjects: Mapping[str, Call], arguments: Callable[[], Sequence[object]], rounds: int
) -> dict[str, list[float]]:
    """Microseconds of one call of each subject, one sample a round: the best of BEST_OF batches, the loop itself taken off.

    Each batch calls with `arguments()`, which are made anew for it, so that keys may be ones never seen.
    """
    found: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, call in subjects.items():
            found[name].append(_best(call, arguments))
    return found


def over(ours: Sequence[float], plain: Sequence[float]) -> Spread:
    """What ours costs more than the plain call of the same round."""
    return Spread.of([one - other for one, other in zip(ours, plain, strict=True)], "µs")


def _best(call: Call, arguments: Callable[[], Sequence[object]]) -> float:
    guess, _ = _batch(call, arguments()[:10])
    # A batch of a slow call fits into a slice of time too, or on a busy machine its own waiting would be told as its cost.
    size = max(10, int(SLICE / guess))
    batches = [_batch(call, arguments()[:size]) for _ in range(BEST_OF)]
    # Each for itself: a loop that was interrupted would make the calls beside it look cheap.
    return max(min(with_call for with_call, _ in batches) - min(loop for _, loop in batches), 1e-4)


def _batch(call: Call, arguments: Sequence[object]) -> tuple[float, float]:
    """Microseconds for each argument, with the call and of the loop alone."""
    collecting = gc.isenabled()
    gc.disable()  # a collection in one batch of many would be told as its cost
    try:
        began = time.perf_counter()
        for one in arguments:
            pass
        empty = time.perf_counter() - began
        began = time.perf_counter()
        for one in arguments:
            call(one)
        took = time.perf_counter() - began
        return took / len(arguments) * 1e6, empty / len(arguments) * 1e6
    finally:
        if collecting:
            gc.enable()
