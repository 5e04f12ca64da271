"""Evidence that traffic really moved: what a witness saw, held against the share that was asked for."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from shlex import quote
from typing import ClassVar

from cutover.core.binomial import absent_below, bounds, draws_for, interval, p_value
from cutover.core.clock import Deadline
from cutover.core.gate import Check, Finding
from cutover.core.plain import text
from cutover.core.share import Share

SLICE = 1.0  # seconds of drawing in one look: guards and the operator's wishes are heeded in between
FEWEST = 30  # draws below which nothing is concluded
STRAY = 20  # one draw in so many may tell no side before the others count for nothing


@dataclass(frozen=True)
class Tally:
    """What a witness saw: answers or requests on each side; `other` told no side.

    `complete` is False for counts that are still coming in; `remark` is for the person who reads the finding.
    """

    blue: int = 0
    green: int = 0
    other: int = 0
    remark: str = ""
    complete: bool = True

    @property
    def told(self) -> int:
        return self.blue + self.green

    def __add__(self, more: "Tally") -> "Tally":
        remark = more.remark or self.remark
        return Tally(self.blue + more.blue, self.green + more.green, self.other + more.other, remark)


class Witness(ABC):
    """Somebody other than the provider's API who can say which side answers."""

    counts: ClassVar[bool] = False
    """Whether it counts visitors' requests, and does not draw by itself.

    Visitors' requests are no independent draws (connections live on, sessions stick, resolvers remember), so a share near
    the one that was asked for agrees with it.
    """

    @property
    @abstractmethod
    def called(self) -> str:
        """What a finding calls it."""

    @property
    def longest(self) -> float:
        """Seconds after which a count is complete with whatever came; 0 for draws."""
        return 0.0

    @abstractmethod
    def seen(self, draws: int, deadline: Deadline) -> Tally:
        """Up to `draws` draws before `deadline`, or the count so far; raises Unreachable when it cannot be asked."""

    @abstractmethod
    def shell(self, draws: int) -> str:
        """The same in bash: lines of `SIDE` or `SIDE COUNT`."""


@dataclass
class _Kept:
    """What one check remembers: its sample is taken once, in as many looks as that needs, and judged once."""

    began: float | None = None
    drawing: float = 0.0
    tally: Tally = field(default_factory=Tally)
    verdict: Finding | None = None


@dataclass(frozen=True, kw_only=True)
class ShareObserved(Check):
    """A weight that was written is not yet traffic that moved: what really answers is drawn, and held against what was asked.

    How many draws are taken is decided before the first one and the sum is judged once: looking until it fits would find
    what it looks for, and looking until it does not would stop a healthy shift.
    """

    host: str
    asked: Share
    witness: Witness
    effective: Callable[[], object]
    """What the provider says that it carries now."""
    effective_shell: str
    """What comes before the draws in bash, such as `test … &&`."""
    alpha: float
    """How often this one look may doubt a share that is right."""
    precision: float = 0.2
    requests: int = 2000
    seconds: float = 10.0
    """For drawing; then what was drawn is judged, if it is not too few: the clock does not look at the answers."""
    settle: float = 0.0
    """Seconds until a change that the API shows is in force everywhere."""
    now: Callable[[], float] = field(default=time.monotonic, repr=False)
    _kept: _Kept = field(default_factory=_Kept, init=False, repr=False, compare=False)

    @property
    def chance(self) -> float:
        return float(self.asked.percent) / 100

    @property
    def draws(self) -> int:
        return min(self.requests, draws_for(self.chance, self.precision))

    @property
    def band(self) -> tuple[float, float]:
        """The true shares that agree with the one that was asked for."""
        if not self.witness.counts:
            return self.chance, self.chance
        rarer = min(self.chance, 1 - self.chance)
        # A hundredth is always near, but no share is so small that none at all agrees with it.
        near = min(max(rarer * self.precision, 0.01), rarer / 2) if rarer else 0.01
        return max(0.0, self.chance - near), min(1.0, self.chance + near)

    def look(self) -> Finding:
        kept = self._kept
        if kept.verdict is not None:
            return kept.verdict
        kept.began = self.now() if kept.began is None else kept.began
        left = self.settle - (self.now() - kept.began)
        if left > 0:
            return Finding.not_yet(f"{self._who}: in force everywhere {self.settle:g} s after the first look")
        carried = text(self.effective())
        if carried != text(self.asked):
            return self._final(
                Finding.failed(f"{self.host}: the provider shows {carried}, asked was {self.asked}", NEXT)
            )
        return self._drawn(kept)

    def _drawn(self, kept: _Kept) -> Finding:
        begun = self.now()
        left = self.seconds - kept.drawing
        deadline = Deadline.after(
            min(SLICE, left) if left > 0 else SLICE
        )  # after the time, only what is too few goes on
        wanted = self.draws if self.witness.counts else self.draws - kept.tally.told
        found = self.witness.seen(wanted, deadline)
        kept.drawing += self.now() - begun
        kept.tally = found if self.witness.counts else kept.tally + found
        told = kept.tally.told
        if self.witness.counts:
            enough = found.complete and self._tells(told)
        else:
            enough = told >= self.draws or (kept.drawing >= self.seconds and told >= FEWEST)
        if not enough:
            of = "" if self.witness.counts else f" of {self.draws}"
            few = "; too few to tell the share by" if self.witness.counts and found.complete else ""
            return Finding.not_yet(f"{self._who}: {told}{of} so far{few}{_also(kept.tally)}")
        if kept.tally.other * STRAY > told:
            stray, kept.tally, kept.drawing = kept.tally, Tally(), 0.0  # begun anew: the sides have not been looked at
            return Finding.not_yet(
                f"{self._who}: {told} answers told a side and {stray.other} none{_also(stray)}; too little to judge by"
            )
        return self._final(self._judged(kept.tally))

    def _tells(self, told: int) -> bool:
        """Whether so many visitors' requests can contradict the share: nobody may pass because hardly anybody came."""
        return told >= FEWEST and (self.asked.percent == 0 or bounds(told, *self.band, self.alpha)[0] > 0)

    def _judged(self, tally: Tally) -> Finding:
        told, (least, most) = tally.told, self.band
        low, high = bounds(told, least, most, self.alpha)
        p = p_value(tally.green, told, least, most)
        nearest, farthest = interval(tally.green, told, self.alpha)
        seen = (
            f"{self._who}: {tally.green} of {told} on green ({100 * tally.green / told:.4g} %); "
            f"{low} to {high} fit {self.asked}{self._absent(tally)}{_also(tally)}"
        )
        data = {
            "host": self.host,
            "witness": self.witness.called,
            "asked": str(self.asked),
            "blue": tally.blue,
            "green": tally.green,
            "other": tally.other,
            "bounds": [low, high],
            "interval": [round(nearest, 6), round(farthest, 6)],
            "p": p,
            "alpha": self.alpha,
        }
        if low == 0 and self.asked.percent > 0:
            seen += "; so few cannot tell it from no green at all"
        if p >= self.alpha:
            return Finding.passed(seen, **data)
        return Finding.failed(seen, NEXT, **data)

    def _absent(self, tally: Tally) -> str:
        gone = "blue" if tally.blue == 0 else "green" if tally.green == 0 else ""
        return f", {gone} below {100 * absent_below(tally.told):.2g} % (95 %)" if gone else ""

    def _final(self, finding: Finding) -> Finding:
        self._kept.verdict = finding
        return finding

    @property
    def _who(self) -> str:
        return f"{self.host} by {self.witness.called}"

    def shell(self) -> str:
        (least, most), draws = self.band, self.draws
        low, high = bounds(draws, least, most, self.alpha)
        fits = f"n == {draws} && green >= {low} && green <= {high}"
        told = f'green + 0 " of " n " on green; {low} to {high} of {draws} fit {self.asked}"'
        judge = f"awk '{{ n += /blue|green/; green += /green/ }} END {{ print {told}; exit !({fits}) }}'"
        if self.witness.counts:
            words = f"{self.chance:g} {least:g} {most:g} {self.alpha:g}"
            judge = f"python3 -c {quote(JUDGE)} {words}"
        return f"{self.effective_shell}\n{{\n{self.witness.shell(draws)}\n}} | {judge}"


NEXT = (
    "what answers is not what was asked for: look who else moves this traffic (a rule of higher priority, sticky sessions, "
    "another record, a deployment); then resume, or roll back"
)

# For counts, whose number is not known before. Its arguments: the share that was asked, the least and the most that agree
# with it, and alpha. Equal-tailed and exact; so few that they could not contradict the share are none.
JUDGE = """\
import math, sys
asked, least, most, alpha = map(float, sys.argv[1:])
seen = {"blue": 0, "green": 0}
for side, *count in map(str.split, sys.stdin):
    seen[side] = seen.get(side, 0) + int(float(count[0]) if count else 1)
green, n = seen["green"], seen["blue"] + seen["green"]
def at_most(k, p):
    if p in (0, 1) or k >= n: return float(p == 0 or k >= n)
    log = lambda i: math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * math.log(p) + (n - i) * math.log1p(-p)
    return math.fsum(math.exp(log(i)) for i in range(k + 1))
tail = at_most(green, least) if green < n * least else at_most(n - green, 1 - most) if green > n * most else 1
print(seen, f"asked {asked:.2%} on green, p {min(1, 2 * tail):.2g}, alpha {alpha:g}")
few = n < 30 or asked > 0 and 2 * at_most(0, least) >= alpha
if few: print("too few to tell the share by")
sys.exit(few or 2 * tail < alpha)"""


def _also(tally: Tally) -> str:
    stray = f"; {tally.other} told no side" if tally.other else ""
    return stray + (f" ({tally.remark})" if tally.remark else "")
