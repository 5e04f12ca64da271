"""Replays an environment's triggers over the past of its figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cutover.app import App
from cutover.core.clock import Deadline
from cutover.core.errors import ConfigurationRefused
from cutover.core.gate import Verdict
from cutover.core.series import Reading, Sample, Span, judged
from cutover.environment.reading import seconds
from cutover.figures import Figures
from cutover.metrics.backtest import Backtest, Incident, Past, backtest, replay
from cutover.metrics.figures import BLUE
from cutover.metrics.rule import Rule
from cutover.plans.triggered import BASELINE_SECONDS, triggers

PATIENCE = 120.0
CHUNK = (
    2000  # samples that are asked for at once: Prometheus gives 11,000 at most, CloudWatch 1,440 of a minute each day
)
LOOKS = 60.0  # seconds between two looks at least


@dataclass(frozen=True)
class Backtested:
    """The outcome of each trigger that could be replayed, and why the others could not."""

    tested: Mapping[str, Backtest]
    untested: Mapping[str, str]


class _AsThen:
    """What the figures were at one time; the side that there was stands for both."""

    def __init__(self, readings: Mapping[str, Reading], baselines: Mapping[str, float]) -> None:
        self._readings, self._baselines = readings, baselines

    def read(self, name: str, side: str, span: Span) -> Reading:
        whole = self._readings[name]
        kept = [one for one in whole.samples if one.at >= span.since]
        return whole if whole.gap is not None else judged(kept, span, delay=span.until - whole.samples[-1].at)

    def baseline(self, name: str) -> float | None:
        return self._baselines.get(name)


def backtested(app: App, since: float, until: float, incidents: Sequence[Incident], *, side: str = BLUE) -> Backtested:
    """Every trigger over the time, judged by the figures of one side; what is compared with blue is left out, and said.

    The baseline is what the figure was in the first minutes of the time.
    """
    figures = Figures(app.means, writes=False)
    tested: dict[str, Backtest] = {}
    untested: dict[str, str] = {}
    pasts: dict[str, Past | str] = {}
    for rule in triggers(app.means):
        reason = _why_not(rule, figures, side)
        for figure in () if reason else rule.condition.figures:
            if figure.name not in pasts:
                step = max(LOOKS, figure.known.step)
                pasts[figure.name] = _past(figures, figure.name, side, Span(since, until, step), figure.known.delay)
            found = pasts[figure.name]
            reason = reason or (found if isinstance(found, str) else "")
        if reason:
            untested[rule.name] = reason
            continue
        known = {one.name: past for one in rule.condition.figures if isinstance(past := pasts[one.name], Past)}
        tested[rule.name] = _tested(rule, known, Span(since, until, max(one.step for one in known.values())), incidents)
    return Backtested(tested, untested)


def _why_not(rule: Rule, figures: Figures, side: str) -> str:
    if len(rule.condition.sides) > 1:
        return "it compares green with blue, and there is one side only to look back at"
    missing = [one.name for one in rule.condition.figures if (one.name, side) not in figures.asked]
    return f"{', '.join(missing)} is not measured on {side}" if missing else ""


def _past(figures: Figures, name: str, side: str, span: Span, delay: float) -> Past | str:
    """The samples of one figure, asked in parts; or why there are none."""
    samples: list[Sample] = []
    begin = span.since
    while begin < span.until:
        end = min(span.until, begin + CHUNK * span.step)
        reading = figures.read_all({(name, side): Span(begin, end, span.step)}, Deadline.after(PATIENCE))[name, side]
        if not reading.samples and reading.gap is not None and reading.gap.value == "unreachable":
            return f"{name}: {reading.seen}"
        samples += [one for one in reading.samples if not samples or one.at > samples[-1].at]
        begin = end
    if len(samples) < 2:
        return f"{name} has no past: its source remembers nothing of that time"
    return Past(tuple(samples), span.step, delay)


def _tested(rule: Rule, known: Mapping[str, Past], span: Span, incidents: Sequence[Incident]) -> Backtest:
    first = {name: _mean(past, span.since) for name, past in known.items()}
    condition = rule.condition
    window = max(asked.span.until - asked.span.since for asked in condition.spans(0.0)) + 2 * span.step

    def judge(readings: Mapping[str, Reading], at: float) -> Verdict:
        return condition.judge(_AsThen(readings, first), at).verdict

    said = replay(judge, known, replace(span, since=span.since + window), window)
    return backtest(said, incidents)


def _mean(past: Past, since: float) -> float:
    values = [one.value for one in past.samples if one.at <= since + BASELINE_SECONDS] or [past.samples[0].value]
    return sum(values) / len(values)


def seconds_of(written: str) -> float:
    """A duration as in an environment file; raises ConfigurationRefused."""
    try:
        found = seconds(written)
    except ValueError as error:
        raise ConfigurationRefused([f"--since: {error}"]) from None
    if not found:
        raise ConfigurationRefused(["--since: there is no past in 0 s"])
    return found


def incidents_of(written: Sequence[str]) -> list[Incident]:
    """NAME=BEGIN/END, ISO 8601, UTC where no zone is written; raises ConfigurationRefused."""
    found = []
    for one in written:
        name, _, times = one.partition("=")
        begin, _, end = times.partition("/")
        try:
            found.append(Incident(name, _time(begin), _time(end)))
        except ValueError as error:
            raise ConfigurationRefused([f"--incident {one}: wants NAME=BEGIN/END: {error}"]) from None
    return found


def _time(written: str) -> float:
    at = datetime.fromisoformat(written)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
