"""What a dashboard shows: five views of a cutover and the state of the infrastructure, made of the figures that there are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cutover.metrics.clauses import Limit
from cutover.metrics.rule import Rule
from cutover.metrics.units import PERCENT, RATES, TIMES, Quantity

LATENCY = ("ms", "s")
MIGRATION = ("lag", "replication", "mismatch", "integrity", "fallback", "validation", "copied")
INFRASTRUCTURE = "Infrastructure"


@dataclass(frozen=True)
class Shown:
    """A figure as dashboards know it: `kind` is its source's, `preset` may be empty."""

    name: str
    unit: str
    sides: tuple[str, ...]
    kind: str
    preset: str = ""

    def speaks_of(self, *words: str) -> bool:
        return any(word in self.name or word in self.preset for word in words)

    def is_called(self, *names: str) -> bool:
        """Whether it is this figure, by its preset (`alb-p95` is a `p95`) or by its name."""
        return any(
            self.preset == name or self.preset.endswith(f"-{name}") or self.name == name.replace("-", "_")
            for name in names
        )


@dataclass(frozen=True)
class Panel:
    """One figure of both sides, with the values from which it is a warning, and critical; both in the figure's unit."""

    title: str
    figure: Shown
    warn: float | None = None
    critical: float | None = None
    below: bool = False
    """Whether it is too little that is wrong."""


@dataclass(frozen=True)
class View:
    """Panels under one heading; `absent` says what a reader would look for and nobody measures."""

    title: str
    panels: tuple[Panel, ...]
    absent: tuple[str, ...] = ()


def views(figures: Sequence[Shown], rules: Sequence[Rule]) -> tuple[View, ...]:
    """The five views and the infrastructure, always all of them."""

    def those(wanted: Callable[[Shown], bool]) -> tuple[Panel, ...]:
        return tuple(Panel(one.name, one) for one in figures if wanted(one))

    made = {
        "Rollout status": those(lambda one: _is_rate(one) or one.speaks_of("active_alerts", "active-alerts")),
        "Error rate": those(lambda one: one.speaks_of("error", "fail", "fallback")),
        "Performance": those(
            lambda one: (one.unit in LATENCY and not one.speaks_of("lag")) or one.speaks_of("memory", "cpu", "slow")
        ),
        "Migration": those(lambda one: one.speaks_of(*MIGRATION)),
        "SLO": _objectives(figures, rules),
    }
    infrastructure = _infrastructure(figures)
    seen = {panel.figure for panels in (*made.values(), infrastructure.panels) for panel in panels}
    # What has no view of its own is not left out: how a business does is how the rollout stands.
    made["Rollout status"] += those(lambda one: one not in seen)
    nothing = "no figure under metrics.figures belongs here"
    found = [View(title, panels, () if panels else (nothing,)) for title, panels in made.items()]
    return (*found, infrastructure)


def _is_rate(one: Shown) -> bool:
    return one.unit in RATES and not one.speaks_of(*MIGRATION, "error", "fail")


def _is_requests(one: Shown) -> bool:
    return one.unit in RATES and one.is_called("request-rate", "requests")


def _objectives(figures: Sequence[Shown], rules: Sequence[Rule]) -> tuple[Panel, ...]:
    """What a trigger bounds by a fixed value, with that value as a line."""
    known = {one.name: one for one in figures}
    found: dict[str, Panel] = {}
    for rule in rules:
        for clause in rule.condition.clauses:
            if isinstance(clause, Limit) and not clause.bound.reference and clause.figure.name in known:
                bound = clause.bound.value(clause.figure.known.unit, None)
                title = f"{rule.name}: {rule.condition}"
                found.setdefault(
                    title, Panel(title, known[clause.figure.name], None, bound, below=clause.sign.startswith("<"))
                )
    return tuple(found.values())


_STATE: Mapping[str, tuple[Callable[[Shown], bool], Quantity, Quantity]] = {
    "request rate": (_is_requests, Quantity(1000, "/s"), Quantity(2000, "/s")),
    "error rate": (
        lambda one: one.unit == PERCENT and one.is_called("error-rate"),
        Quantity(1, PERCENT),
        Quantity(5, PERCENT),
    ),
    "p95": (lambda one: one.unit in TIMES and one.is_called("p95"), Quantity(0.5, "s"), Quantity(2, "s")),
    "database connections": (
        lambda one: one.unit == PERCENT and one.speaks_of("connections"),
        Quantity(80, PERCENT),
        Quantity(95, PERCENT),
    ),
    "Redis memory": (
        lambda one: one.unit == PERCENT and one.is_called("memory-used") and (one.kind == "redis" or one.speaks_of("redis", "cache")),
        Quantity(70, PERCENT),
        Quantity(90, PERCENT),
    ),
}  # fmt: skip


def _infrastructure(figures: Sequence[Shown]) -> View:
    panels, absent = [], []
    for title, (wanted, warn, critical) in _STATE.items():
        found = [one for one in figures if wanted(one)]
        panels += [Panel(title, one, warn.in_unit(one.unit), critical.in_unit(one.unit)) for one in found]
        if not found:
            absent.append(f"{title} is not measured")
    return View(INFRASTRUCTURE, tuple(panels), tuple(absent))
