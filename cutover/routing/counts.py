"""What a router counts, each thread in a shard of its own: no lock is taken while requests are served."""

import threading
import time
import weakref
from array import array
from collections import Counter
from decimal import Decimal
from math import ceil, log
from typing import Any

from cutover.routing import forking
from cutover.routing.histogram import BINS, LONGEST, PER_LOG, SHIFT, SHORTEST, Histogram
from cutover.routing.snapshot import Side, Snapshot


class Tally:
    """One side in one thread; only that thread writes."""

    __slots__ = ("bins", "errors", "fallbacks", "seconds", "shadows", "spared", "spilt", "timeouts")

    def __init__(self) -> None:
        self.bins = array("I", bytes(4 * BINS))
        self.seconds = 0.0
        self.errors = self.timeouts = self.fallbacks = self.spared = self.shadows = 0
        self.spilt: Counter[int] = Counter()

    def took(self, seconds: float) -> None:
        """One call of this side ended after so long."""
        # bin_of, written out: a call less for each request
        if SHORTEST < seconds < LONGEST:
            number = ceil(log(seconds) * PER_LOG - SHIFT)
        else:
            number = BINS - 1 if seconds >= LONGEST else 0
        try:
            self.bins[number] += 1
        except OverflowError:
            self.spilt[number] += self.bins[number] + 1
            self.bins[number] = 0
        except IndexError:
            self.bins[BINS - 1] += 1  # rounding at the upper edge
        self.seconds += seconds

    def read(self) -> Side:
        counts = Counter({number: count for number, count in enumerate(self.bins) if count})
        counts.update(self.spilt)
        return Side(
            requests=counts.total(),
            errors=self.errors,
            timeouts=self.timeouts,
            shadows=self.shadows,
            fallbacks=self.fallbacks,
            spared=self.spared,
            response_time=Histogram(counts, self.seconds),
        )


class Shard:
    """Both sides in one thread; a side that it never calls costs nothing."""

    __slots__ = ("compared", "mismatches", "odd_keys", "owner", "sides", "skipped", "uncomparable")

    def __init__(self) -> None:
        self.sides: list[Tally | None] = [None, None]
        self.odd_keys = self.compared = self.mismatches = self.skipped = self.uncomparable = 0
        self.owner: Any = None

    def side(self, number: int) -> Tally:
        found = self.sides[number]
        if found is None:
            found = self.sides[number] = Tally()
        return found


class _Owner:
    """Lives as long as the thread whose local storage holds it."""

    __slots__ = ("__weakref__",)


LEGACY, CANDIDATE = 0, 1


class Counts:
    """All shards of one router. A thread that ended leaves its shard, with what it counted, to the next new one."""

    def __init__(self) -> None:
        self.forked()
        forking.remember(self)

    def forked(self) -> None:
        self.began_at = time.time()
        self.local = threading.local()
        self._shards: list[Shard] = []
        self._lock = threading.Lock()

    def shard(self) -> Shard:
        """This thread's, kept as `local.shard`."""
        owner = _Owner()
        with self._lock:
            for shard in self._shards:
                if shard.owner() is None:
                    break
            else:
                shard = Shard()
                self._shards = [*self._shards, shard]
            shard.owner = weakref.ref(owner)
        self.local.owner, self.local.shard = owner, shard
        return shard

    def shard_here(self) -> Shard:
        """This thread's shard."""
        try:
            return self.local.shard  # type: ignore[no-any-return]
        except AttributeError:
            return self.shard()

    def requests(self, number: int) -> int:
        """How many calls of one side have ended."""
        tallies = [tally for shard in self._shards if (tally := shard.sides[number])]
        return sum(sum(tally.bins) + tally.spilt.total() for tally in tallies)

    def snapshot(self, flag: str, share: Decimal) -> Snapshot:
        """Everything so far; what other threads count meanwhile is in it or not."""
        sides = [Side(), Side()]
        totals: Counter[str] = Counter()
        for shard in self._shards:
            for number, tally in enumerate(shard.sides):
                if tally is not None:
                    sides[number] += tally.read()
            for name in ("odd_keys", "compared", "mismatches", "skipped", "uncomparable"):
                totals[name] += getattr(shard, name)
        return Snapshot(
            flag=flag,
            share=share,
            began_at=self.began_at,
            taken_at=time.time(),
            legacy=sides[LEGACY],
            candidate=sides[CANDIDATE],
            **{name: totals[name] for name in ("odd_keys", "compared", "mismatches", "skipped", "uncomparable")},
        )
