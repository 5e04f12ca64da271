"""What a trigger would have done in the past: how often it would have gone back for nothing, and how fast for something."""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cutover.core.gate import Verdict
from cutover.core.series import Reading, Sample, Span, judged

Judge = Callable[[Mapping[str, Reading], float], Verdict]
"""What is said of the readings as they were known at a time (seconds since the epoch)."""
REST = 3600.0  # seconds after a rollback in which no second one is begun


@dataclass(frozen=True)
class Past:
    """The samples of one figure over the whole time and in its order, their distance, and how late the source has them (seconds)."""

    samples: tuple[Sample, ...]
    step: float
    delay: float = 0.0

    def known(self, at: float, window: float) -> Reading:
        """What the source would have answered then for the `window` seconds before, its gaps and its delay among it."""
        first = bisect_right(self.samples, at - window, key=_at)
        last = bisect_right(self.samples, at - self.delay, key=_at)
        return judged(self.samples[first:last], Span(at - window, at, self.step), delay=self.delay)


def _at(sample: Sample) -> float:
    return sample.at


@dataclass(frozen=True)
class Incident:
    """A trouble that is known to have been, which should have been found; times in seconds since the epoch."""

    name: str
    begin: float
    end: float

    def __post_init__(self) -> None:
        if not self.begin < self.end:
            raise ValueError(f"incident {self.name} ends before it begins")


def replay(judge: Judge, past: Mapping[str, Past], span: Span, window: float) -> list[tuple[float, Verdict]]:
    """(time, verdict) at every step of the span; each look knows nothing that came later. `window` is what a look asks for.

    A check of production is judged by `lambda readings, at: check_made_of(readings, at).look().verdict`.
    """
    looks = math.floor((span.until - span.since) / span.step + 1e-9)
    times = [span.since + number * span.step for number in range(looks + 1)]
    return [(at, judge({name: one.known(at, window) for name, one in past.items()}, at)) for at in times]


def rollbacks(said: Sequence[tuple[float, Verdict]], rest: float = REST) -> Iterator[float]:
    """When green would have been taken back: at a fail, but not again before `rest` seconds and a look that did not fail."""
    last, failing = -math.inf, False
    for at, verdict in said:
        if verdict is Verdict.FAIL and not failing and at - last >= rest:
            last = at
            yield at
        failing = verdict is Verdict.FAIL


@dataclass(frozen=True)
class Backtest:
    """The outcome: false rollbacks, the delay in which each incident was found (None: not), and looks that saw nothing."""

    days: float
    false: tuple[float, ...]
    delays: Mapping[str, float | None]
    looks: Mapping[Verdict, int]

    def rows(self) -> list[tuple[str, str]]:
        """(what, how much) for a table."""
        found = sorted(delay for delay in self.delays.values() if delay is not None)
        total = sum(self.looks.values())
        rows = [
            ("time looked at", f"{self.days:.1f} days, {total:,} looks"),
            ("false rollbacks", f"{len(self.false)} ({len(self.false) / self.days * 7:.1f} a week)"),
        ]
        if self.delays:
            middle = f", median {_seconds(found[(len(found) - 1) // 2])}" if found else ""
            rows.append(("incidents found", f"{len(found)} of {len(self.delays)}{middle}"))
        rows += [
            (f"  {name}", "not found" if delay is None else f"after {_seconds(delay)}")
            for name, delay in self.delays.items()
        ]
        rows += [
            (f"looks that were {verdict.value}", f"{self.looks.get(verdict, 0) / max(1, total):.1%}")
            for verdict in (Verdict.INSUFFICIENT, Verdict.BLIND)
        ]
        return rows

    def __str__(self) -> str:
        width = max(len(what) for what, _ in self.rows())
        return "\n".join(f"{what.ljust(width)}  {much}" for what, much in self.rows())


def backtest(said: Sequence[tuple[float, Verdict]], incidents: Sequence[Incident], rest: float = REST) -> Backtest:
    """Rollbacks held against the incidents: one that begins outside all of them is false. Raises ValueError without two looks.

    An incident is found by the first fail in it, whether or not a false rollback came just before: what is asked is how fast
    the trigger sees, not how lucky the day was.
    """
    if len(said) < 2:
        raise ValueError("nothing to look back at: fewer than two looks")
    fails = [at for at, verdict in said if verdict is Verdict.FAIL]
    delays = {one.name: next((at - one.begin for at in fails if one.begin <= at <= one.end), None) for one in incidents}
    false = tuple(at for at in rollbacks(said, rest) if not any(one.begin <= at <= one.end for one in incidents))
    looks = {verdict: sum(one is verdict for _, one in said) for verdict in Verdict}
    return Backtest((said[-1][0] - said[0][0]) / 86_400, false, delays, looks)


def _seconds(seconds: float) -> str:
    return f"{seconds:,.0f} s"
