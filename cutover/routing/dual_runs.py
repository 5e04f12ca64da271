"""How dual runs are made: which share of the calls asks both sides, what it may cost, and what counts as the same."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from cutover.routing.workers import LONGEST_BUDGET

LONGEST_EXCERPT = 500


@dataclass(frozen=True, kw_only=True)
class DualRun:
    """How dual runs are made; see `dual_run`."""

    comparator: Callable[[Any, Any], object]
    sample: float
    budget: float
    concurrently: bool
    copier: Callable[[Any], Any] | None
    threads: int


def dual_run(
    *,
    comparator: Callable[[Any, Any], object] | None = None,
    sample: float = 0.01,
    budget: float = 0.1,
    concurrently: bool = True,
    copier: Callable[[Any], Any] | None = deepcopy,
    threads: int = 4,
) -> DualRun:
    """For `Router(dual_run=...)`: a part `sample` (0 to 1) of the calls asks the other side too, which must have no effects.

    The other side works on a deep copy of (args, kwargs); what cannot be copied is skipped and counted. `copier=None` shares
    them, and the answers. It runs in one of `threads` daemon threads, or as a task, at the same time, and the caller waits only
    for the copying. With `concurrently=False` one runs after the other, in random order, which is fairer to their response
    times, and the caller waits for at most `budget` seconds more. What takes longer is left alone and not compared.

    `comparator(legacy's answer, candidate's)` runs in a thread afterwards, and says None or True where they are the same, else
    False or a text for the log (the usual one: `Comparison()`). Two exceptions of one type are the same. Nothing that the other
    side or the comparator do reaches the caller. Raises ValueError for a sample or a budget that is none, TypeError for what cannot be called.
    """
    if not 0 <= sample <= 1 or not 0 < budget <= LONGEST_BUDGET:
        raise ValueError(f"no dual run: a sample of 0 to 1, not {sample}, and a budget above 0 seconds, not {budget}")
    if not all(one is None or callable(one) for one in (comparator, copier)):
        raise TypeError("comparator and copier are functions")
    if comparator is None:
        from cutover.routing.comparing import Comparison

        comparator = Comparison()
    return DualRun(
        comparator=comparator,
        sample=sample,
        budget=budget,
        concurrently=concurrently,
        copier=copier,
        threads=threads,
    )


@dataclass(frozen=True)
class Outcome:
    """What one side did: it answered, or it raised."""

    answer: Any = None
    raised: Exception | None = None


def difference(comparator: Callable[[Any, Any], object], legacy: Outcome, candidate: Outcome) -> str | None:
    """In words, or None where both did the same; raises whatever the comparator raises."""
    if legacy.raised is None and candidate.raised is None:
        found = comparator(legacy.answer, candidate.answer)
        if isinstance(found, str):
            return found[:LONGEST_EXCERPT] or "they differ"
        return None if found is None or bool(found) else "they differ"
    did = [type(one.raised).__name__ if one.raised else "an answer" for one in (legacy, candidate)]
    return None if did[0] == did[1] else f"legacy: {did[0]}, candidate: {did[1]}"
