"""The check that compares green with blue while both serve, or with what blue was when it served."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cutover.core.gate import Check, Finding
from cutover.metrics import bets
from cutover.metrics.bets import SHARE_PART, STAKES, Margin
from cutover.metrics.compared import Counted, Counts, Evidence, Rule, Unknown, evidence
from cutover.metrics.family import part_of_pass
from cutover.metrics.tally import Histogram, Tally

SPREAD = 1.6  # times the requests that are needed on average: finds in 95 of 100 cases what is worth finding
QUANTILE = 0.95  # that is told; all are compared


@dataclass(frozen=True, kw_only=True)
class GreenNoWorse(Check):
    """Green must not fail more often than blue does in the same minutes, nor be slower, beyond a stated margin.

    Requests are counted on both sides since the phase began. A trouble that both sides share (a database's hiccup) is no
    fault of green and does not fail this check; errors that only green has do, also where blue has none at all. However often
    this is looked at, at most `alpha` of healthy phases fail. With few requests it waits and says how many more are needed.

    `blue` and `green` say what was counted in a span; `since` is when the phase began, with the share at rest (None: not yet).
    `slower` compares latencies too: green may take that many seconds longer, and beyond that be slow as often as blue within
    `slow_margin`; alpha is then halved between the two. `share` is green's, where it is known to be set and requests are divided
    one by one: fewer are then enough (the bound of the share is at most a tenth above it).
    `worth` is the least difference of error rates that must not be missed (0.05: five points), which says how many requests
    are enough. `baseline` is what blue counted when it still served, for a phase in which it does not: then an incident cannot be
    told from green's fault, and `spared` errors are not held against green.
    """

    name: str = "green is no worse than blue"
    blue: Counted = field(repr=False)
    green: Counted = field(repr=False)
    since: Callable[[], float | None] = field(repr=False)
    alpha: float
    margin: Margin = field(default_factory=Margin)
    slower: float | None = None
    slow_margin: Margin = field(default_factory=lambda: Margin(points=0.002))
    worth: float = 0.05
    together: float = 1.0
    share: float | None = None
    baseline: Tally | None = None
    spared: int = 0
    passes: Callable[[], int] | None = field(default=None, repr=False)
    """The number of the phase's pass, from 1: alpha is then that of all its passes together."""
    now: Callable[[], float] = field(default=time.time, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1 or self.together < 1 or self.spared < 0 or (self.slower or 0) < 0:
            raise ValueError(
                f"alpha lies between 0 and 1, together is 1 or more, spared and slower are not negative: {self}"
            )
        if not self.margin.points < self.worth < 1:
            raise ValueError(f"what is worth finding ({self.worth}) lies above the margin ({self.margin})")

    def rules(self) -> tuple[Rule, ...]:
        """Errors, and latencies where they are compared; each with its part of alpha."""
        asked: tuple[float | None, ...] = (None,) if self.slower is None else (None, self.slower)
        passed = 1.0 if self.passes is None else part_of_pass(max(1, self.passes()))
        alpha = self.alpha * passed / len(asked)
        margins = (self.margin, self.slow_margin)
        return tuple(
            Rule(alpha, margin, one, self.together, self.share, self.baseline, self.spared)
            for margin, one in zip(margins, asked, strict=False)
        )

    def look(self) -> Finding:
        since = self.since()
        now = self.now()
        if since is None or since >= now:
            return Finding.not_yet("the phase has not begun to count")
        counts = Counts(self.blue, self.green, now)
        rules = self.rules()
        try:
            found = [evidence(rule, counts, since) for rule in rules]
        except Unknown as unknown:
            return Finding.blind(str(unknown), "mend the source of the metrics; nothing is taken for healthy meanwhile")
        seen = "; ".join(self._told(rule, one, now) for rule, one in zip(rules, found, strict=True))
        data = _record(found, since, now) | {"alpha": [rule.alpha for rule in rules]}
        if self.passes is not None:
            data["pass"] = self.passes()
        if any(one.proven for one in found):
            return Finding.failed(
                seen, "green is worse than blue; look at green's logs before the next attempt", **data
            )
        wanted = self.needed(found[0])
        if found[0].green.requests < wanted:
            return Finding.not_yet(f"{seen}; {self._lack(found[0], wanted, now - since)}", **data)
        return Finding.passed(seen, **data)

    def needed(self, found: Evidence) -> float:
        """Requests on green that find `worth` more errors in 95 of 100 cases, with the rate and share that were seen."""
        rate = found.blue.rate
        if found.limit is not None:
            gain = bets.growth_against(found.limit, min(1.0, rate + self.worth))
        elif found.share < 1:
            gain = bets.growth(rate, min(1.0, rate + self.worth), found.share, self.margin)
        else:
            gain = 0.0
        price = found.threshold + math.log(2 * len(STAKES))
        return math.ceil(SPREAD * self.together * price / gain) if gain > 0 else math.inf

    def _lack(self, found: Evidence, wanted: float, seconds: float) -> str:
        if not found.blue.requests:
            return "nothing to compare with: no requests on blue, and no baseline"
        if wanted == math.inf:
            return f"{self.worth * 100:g} points more could not be found with these counts"
        if not found.green.requests:
            return f"no requests on green yet, {wanted:,.0f} needed"
        more = wanted - found.green.requests
        time_left = more * seconds / found.green.requests / 60
        return f"{more:,.0f} more requests on green needed (as they come now, {time_left:,.0f} min)"

    def _told(self, rule: Rule, found: Evidence, now: float) -> str:
        other = "baseline" if rule.baseline else "blue"
        worst = f", worst in the last {now - found.onset:,.0f} s" if found.proven else ""
        if rule.slower is not None:
            ours, others = _quantile(found.green.latencies), _quantile(found.blue.latencies)
            return f"p95 green {ours}, {other} {others}, allowed {rule.slower:g} s more; {found}{worst}"
        limit = found.limit if found.limit is not None else rule.margin.allowed(found.blue.rate)
        return f"green {found.green}, {other} {found.blue}, allowed {limit:.2%}; {found}{worst}"

    def shell(self) -> str:
        return _SHELL.format(
            alpha=self.rules()[0].alpha,
            part=SHARE_PART,
            points=self.margin.points,
            more=self.margin.percent / 100,
            together=self.together,
            first=STAKES[0],
            rungs=len(STAKES),
            spared=self.spared,
            recorded="True" if self.baseline else "False",
            blue_requests=_asked("BLUE_REQUESTS", "requests on blue since the phase began", self.baseline, "requests"),
            blue_errors=_asked("BLUE_ERRORS", "errors on blue since then", self.baseline, "errors"),
            green_requests=_asked("GREEN_REQUESTS", "requests on green since the phase began", None, ""),
            green_errors=_asked("GREEN_ERRORS", "errors on green since then", None, ""),
        )


def _asked(word: str, what: str, known: Tally | None, part: str) -> str:
    return f"{word}={getattr(known, part)}" if known else f': "${{{word}:?set it to the {what}}}"'


def _quantile(histogram: Histogram | None) -> str:
    return "unknown" if histogram is None or not histogram.total else f"≤ {histogram.quantile(QUANTILE):g} s"


def _record(found: list[Evidence], since: float, now: float) -> dict[str, Any]:
    first = found[0]
    return {
        "since": since,
        "until": now,
        "blue": [first.blue.requests, first.blue.errors],
        "green": [first.green.requests, first.green.errors],
        "log_evidence": [None if one.log == -math.inf else round(one.log, 6) for one in found],
        "log_threshold": round(first.threshold, 6),
    }


_SHELL = """\
{blue_requests}
{blue_errors}
{green_requests}
{green_errors}
export BLUE_REQUESTS BLUE_ERRORS GREEN_REQUESTS GREEN_ERRORS
python3 - <<'PYTHON'
from math import exp, lgamma, log, pi
from os import environ
n, x, m, y = (int(environ[one]) for one in ("BLUE_REQUESTS", "BLUE_ERRORS", "GREEN_REQUESTS", "GREEN_ERRORS"))
alpha, part, d, t, k, spared, recorded = {alpha!r}, {part!r}, {points!r}, {more!r}, {together!r}, {spared!r}, {recorded}
def highest(low, holds):
    high = 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return high
def few(p, n, x):
    return sum(exp(lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) + i * log(p) + (n - i) * log(1 - p)) for i in range(x + 1))
logs = []
if recorded:
    cn, cx = int(n // k), -int(-x // k)
    d = min(1.0, highest(cx / cn, lambda p: p < 1 and few(p, cn, cx) > alpha * part) * (1 + t) + d) if cx < cn else 1.0
    x, y = 0, max(0, y - spared)
else:
    a, b = m / k, n / k
    mixed = lgamma(a + .5) + lgamma(b + .5) - lgamma(a + b + 1) - log(pi)
    w = highest(a / (a + b), lambda w: 0 == w or w < 1 and mixed - a * log(w) - b * log(1 - w) < -log(alpha * part)) if n else 1
for stake in ({first!r} * 2**rung for rung in range({rungs})):
    if d * (1 + stake) >= 1:
        continue
    g = 1.0 if recorded else 0 if w >= 1 else 1 - w * (1 + t) * stake / ((1 - w) * (1 - d))
    if g > 0:
        logs.append((y * log(1 + stake) + (m - y) * log((1 - d * (1 + stake)) / (1 - d)) + x * log(g)) / k)
most = max(logs, default=float("-inf"))
won = most + log(sum(exp(one - most) for one in logs) / {rungs} / 2) if logs else most
print(f"log evidence {{won:.6f}}, proof from {{-log(alpha * (1 - part)):.6f}} on: green is", "worse" if won >= -log(alpha * (1 - part)) else "not proven worse")
PYTHON"""
