"""What one flag's router has counted so far, as a value: for exporters, commands and checks."""

from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from cutover.routing.flag import FlagWrong, parsed
from cutover.routing.histogram import ERROR, Histogram

SCHEMA = "cutover.routing/1"
ROLLOUT_PERCENTAGE = "cutover.rollout_percentage"
"""Gauge by flag: the share that holds, in percent."""
REQUESTS_TOTAL = "cutover.requests_total"
ERRORS_TOTAL = "cutover.errors_total"
FALLBACKS_TOTAL = "cutover.fallbacks_total"
"""Counters by flag and side (legacy, candidate)."""
RESPONSE_TIME = "cutover.response_time"
"""Histogram by flag and side, in seconds."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one side did; all but the response times are counts since the process began."""

    requests: int = 0
    """Calls of this side's function that ended; where the other side stands in, both have one."""
    errors: int = 0
    """Of these, the ones that raised an exception or ran out of their time."""
    timeouts: int = 0
    """Of the errors, those that ran out of their time."""
    shadows: int = 0
    """Of the requests, those of dual runs: nobody got their answer or their error."""
    fallbacks: int = 0
    """Keys that the flag gave to this side and the other one answered: after an error, or because this side was spared."""
    spared: int = 0
    """Of the fallbacks, those without a call of this side: it failed too often, or too many of its calls hang."""
    response_time: Histogram = field(default_factory=Histogram)

    @property
    def error_rate(self) -> float | None:
        """Errors by requests; None without a request."""
        return self.errors / self.requests if self.requests else None

    @property
    def fallback_rate(self) -> float | None:
        """Fallbacks by keys that the flag gave to this side; None without one."""
        asked = self.requests - self.shadows + self.spared
        return self.fallbacks / asked if asked else None

    def __add__(self, other: "Side") -> "Side":
        return Side(**{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)})

    def document(self) -> dict[str, Any]:
        """As JSON: the counts, p50, p95 and p99 in seconds, and the bins."""
        times = self.response_time
        counts = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "response_time"}
        quantiles = {name: times.quantile(q) for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}
        bins = {str(number): count for number, count in sorted(times.counts.items())}
        return {**counts, "response_time": {**quantiles, "error": ERROR, "seconds": times.seconds, "bins": bins}}

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Side":
        """From JSON; the quantiles are computed anew."""
        times = document["response_time"]
        histogram = Histogram({int(number): count for number, count in times["bins"].items()}, times["seconds"])
        counts = {one.name: document[one.name] for one in fields(cls) if one.name != "response_time"}
        return cls(**counts, response_time=histogram)


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One flag in one process, or added up over several; times are seconds since the epoch."""

    flag: str
    share: Decimal
    """The effective share in percent: after the override, and 0 when the flag is off; the smallest where processes differ."""
    began_at: float
    taken_at: float
    legacy: Side = field(default_factory=Side)
    candidate: Side = field(default_factory=Side)
    hanging: int = 0
    """Gauge: calls that ran out of their budget and have not ended yet; each holds a thread, or a task."""
    odd_keys: int = 0
    """Keys of a kind that cannot be hashed, and key functions that raised: legacy answered."""
    compared: int = 0
    mismatches: int = 0
    skipped: int = 0
    """Dual runs that were chosen and not made or not finished: arguments that cannot be copied, budget, no free thread."""
    uncomparable: int = 0
    """Dual runs whose comparator raised, or ran out of the budget."""

    def __add__(self, other: "Snapshot") -> "Snapshot":
        """Both together; raises ValueError for two flags."""
        if self.flag != other.flag:
            raise ValueError(f"{self.flag} and {other.flag} are two flags")
        counts = {name: getattr(self, name) + getattr(other, name) for name in _COUNTS}
        return Snapshot(
            flag=self.flag,
            share=min(self.share, other.share),
            began_at=min(self.began_at, other.began_at),
            taken_at=max(self.taken_at, other.taken_at),
            legacy=self.legacy + other.legacy,
            candidate=self.candidate + other.candidate,
            **counts,
        )

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "schema": SCHEMA,
            "flag": self.flag,
            "share": float(self.share),
            "began_at": self.began_at,
            "taken_at": self.taken_at,
            "legacy": self.legacy.document(),
            "candidate": self.candidate.document(),
            **{name: getattr(self, name) for name in _COUNTS},
        }

    @classmethod
    def parse(cls, text: str | bytes) -> "Snapshot":
        """From the JSON text; raises FlagWrong."""
        found = parsed(text, "snapshot")
        try:
            if found["schema"] != SCHEMA:
                raise FlagWrong(f"snapshot: schema is {found['schema']!r}, not {SCHEMA}")
            return cls(
                flag=found["flag"],
                share=Decimal(str(found["share"])),
                began_at=found["began_at"],
                taken_at=found["taken_at"],
                legacy=Side.of(found["legacy"]),
                candidate=Side.of(found["candidate"]),
                **{name: found[name] for name in _COUNTS},
            )
        except (KeyError, TypeError, AttributeError, ArithmeticError) as error:
            raise FlagWrong(f"snapshot: {type(error).__name__}: {error}") from error


_COUNTS = ("hanging", "odd_keys", "compared", "mismatches", "skipped", "uncomparable")
