"""What a log's lines amount to, step by step of time, in bounded memory."""

from collections import Counter
from dataclasses import dataclass, field
from math import ceil, exp, log, nan

PRECISION = 0.01  # relative; a quantile is kept as a count of logarithmic bins, however many lines there are
_BASE = log(1 + 2 * PRECISION)


@dataclass
class Bin:
    """The lines of one step."""

    lines: int = 0
    matching: int = 0
    total: float = 0.0
    numbers: int = 0
    least: float = nan
    most: float = nan
    sizes: Counter[int] = field(default_factory=Counter)
    not_above_zero: int = 0

    def add(self, value: float | None) -> None:
        """Counts a line that matches, with its field's number where one is asked for."""
        self.matching += 1
        if value is None:
            return
        self.total += value
        self.numbers += 1
        self.least = value if self.numbers == 1 else min(self.least, value)
        self.most = value if self.numbers == 1 else max(self.most, value)
        if value > 0:
            self.sizes[ceil(log(value) / _BASE)] += 1
        else:
            self.not_above_zero += 1

    def quantile(self, share: float) -> float:
        """The value that `share` of the numbers keep within, 1 % off at most; NaN where there are none."""
        if not self.numbers:
            return nan
        rank = max(1, ceil(share * self.numbers))
        if rank <= self.not_above_zero:
            return min(self.least, 0.0)
        seen = self.not_above_zero
        for size in sorted(self.sizes):
            seen += self.sizes[size]
            if seen >= rank:
                # The middle of the bin, and never outside of what was seen.
                return min(max(exp((size - 0.5) * _BASE), self.least), self.most)
        return self.most

    def value(self, what: str | float, step: float) -> float:
        """The answer for this step; NaN where it would be of nothing."""
        match what:
            case "count":
                return float(self.matching)
            case "rate":
                return self.matching / step
            case "share":
                return 100 * self.matching / self.lines if self.lines else nan
            case "sum":
                return self.total
            case "avg":
                return self.total / self.numbers if self.numbers else nan
            case "min":
                return self.least
            case "max":
                return self.most
            case float() as share:
                return self.quantile(share)
        raise ValueError(what)
