"""Figures whose every value a test has written: synthetic series, with the reading that their source would give."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cutover.core.gate import Finding
from cutover.core.series import Reading, Sample, Span, judged
from cutover.metrics.conditions import Condition
from cutover.metrics.figures import Known
from cutover.metrics.parsing import parse

NOW = 1_000_000.0
KNOWN = {
    "error_rate": Known("%"),
    "p95": Known("ms"),
    "p99": Known("ms"),
    "memory": Known("MB"),
    "cpu": Known("%"),
    "payment_errors": Known("", "green"),
    "kpi": Known("orders"),
    "requests": Known("/s"),
    "hits": Known(""),
    "blue_connections": Known("", "blue"),
    "uptime": Known("h"),
    "disk": Known("GB", "green", step=60.0, delay=120.0),
}


def steady(value: float, *, seconds: float = 7200.0, step: float = 15.0, until: float = NOW) -> list[Sample]:
    """The same value at every step."""
    return course(lambda _: value, seconds=seconds, step=step, until=until)


def course(
    value: Callable[[float], float], *, seconds: float = 7200.0, step: float = 15.0, until: float = NOW
) -> list[Sample]:
    """A value at every step, by how many seconds before now it is."""
    count = int(seconds / step)
    return [Sample(until - step * (count - n), value(NOW - (until - step * (count - n)))) for n in range(count + 1)]


@dataclass
class Written:
    """Figures by name and side; a Reading stands for itself, and what is not written has no data."""

    series: dict[tuple[str, str], Sequence[Sample] | Reading] = field(default_factory=dict)
    baselines: dict[str, float] = field(default_factory=dict)
    known: dict[str, Known] = field(default_factory=lambda: KNOWN)
    asked: list[tuple[str, str, Span]] = field(default_factory=list)

    def read(self, name: str, side: str, span: Span) -> Reading:
        self.asked.append((name, side, span))
        found = self.series.get((name, side), ())
        if isinstance(found, Reading):
            return found
        inside = [one for one in found if span.since <= one.at <= span.until]
        return judged(inside, span, delay=self.known[name].delay)

    def baseline(self, name: str) -> float | None:
        return self.baselines.get(name)


def green(**series: Sequence[Sample] | Reading) -> Written:
    """Figures of green."""
    return Written({(name, "green"): samples for name, samples in series.items()})


def condition(text: str) -> Condition:
    return parse(text, KNOWN)


def judge(text: str, figures: Written) -> Finding:
    """What the condition says now; it reads what it has said that it would, and nothing else."""
    made = condition(text)
    found = made.judge(figures, NOW)
    assert set(figures.asked) <= {(one.name, one.side, one.span) for one in made.spans(NOW)}
    return found
