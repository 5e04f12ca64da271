"""What the console sees of the world itself: the step at hand, shares, lag, triggers and figures; it only ever reads."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cutover.app import App
from cutover.console.beside import Beside
from cutover.core.clock import Deadline
from cutover.core.gate import Finding
from cutover.core.guarding import found
from cutover.core.journal import Entry, Position
from cutover.core.plain import text
from cutover.core.plan import Item, Phase
from cutover.core.share import Share
from cutover.core.step import Step
from cutover.core.walk import observed
from cutover.curves import MOST, Curve, curves
from cutover.metrics.rule import Rule
from cutover.plans.rollback_cost import RollbackCost, cost_now
from cutover.plans.triggered import Triggered, triggers
from cutover.postgres.behind import Behind, behind

STEP, LAG, TRIGGERS, FIGURES, SHARES, COST = 2.0, 5.0, 2.0, 5.0, 10.0, 10.0  # seconds between two questions
WITHIN = 8.0  # seconds that one round of figures may take
BEFORE = 60.0  # seconds before the run that the curves begin


@dataclass(frozen=True)
class Wanted:
    """What the page needs to be seen, by where the run is; `paused` where writes or background work wait: then nobody asks."""

    item: Item | None = None
    phase: Phase | None = None
    position: Position | None = None
    entries: Sequence[Entry] = ()
    began: float = 0.0
    ended: float | None = None
    rolls_back: bool = False
    running: bool = False

    @property
    def paused(self) -> bool:
        return self.running and self.phase is not None and self.phase.supervised


class Looked:
    """Asks for what is wanted while somebody looks; `changed` is called, from any thread, when something new was seen."""

    def __init__(self, app: App, changed: Callable[[], None]) -> None:
        self._app = app
        self._wanted = Wanted()
        self._rules: tuple[Rule, ...] = triggers(app.means)
        self._watched = {rule.name for rule in self._rules}
        self.step: Beside[tuple[str, str]] = Beside("step", self._step, STEP, changed)
        self.lag: Beside[list[Behind]] = Beside("lag", self._lag, LAG, changed)
        self.shares: Beside[Mapping[str, str]] = Beside("shares", self._shares, SHARES, changed)
        self.cost: Beside[RollbackCost | None] = Beside("cost", self._cost, COST, changed)
        self.triggers: Beside[Mapping[str, Finding]] = Beside("triggers", self._triggers, TRIGGERS, changed)
        self.figures: Beside[list[Curve]] = Beside("figures", self._figures, FIGURES, changed)

    @property
    def rules(self) -> Sequence[Rule]:
        return self._rules

    def want(self, wanted: Wanted, *, watched: bool) -> None:
        """What is to be seen from now on; nothing while nobody has the page open (`watched`)."""
        self._wanted = wanted
        may = watched and wanted.position is not None and not wanted.paused
        self.step.want(may and isinstance(wanted.item, Step))
        self.lag.want(may and bool(self._app.means.pairs) and not wanted.rolls_back and wanted.running)
        self.shares.want(may)
        self.cost.want(may and wanted.rolls_back)
        self.triggers.want(may and bool(self._rules) and (wanted.running or wanted.rolls_back))
        self.figures.want(may and bool(self._app.environment.metrics.figures))

    def close(self) -> None:
        for one in (self.step, self.lag, self.shares, self.cost, self.triggers, self.figures):
            one.close()
        self._app.close()

    def _step(self) -> tuple[str, str]:
        item = self._wanted.item
        return (item.name, text(observed(item))) if isinstance(item, Step) else ("", "")

    def _lag(self) -> list[Behind]:
        return [behind(pair.blue, pair.green) for pair in self._app.means.pairs]

    def _shares(self) -> dict[str, str]:
        seen: dict[str, str] = {}
        for _, step in self._app.plan.steps():
            if isinstance(step.after, Share) and step.resource not in seen:
                seen[step.resource] = text(observed(step))
        return seen

    def _cost(self) -> RollbackCost | None:
        wanted = self._wanted
        if wanted.position is None:
            return None
        return cost_now(self._app.means, self._app.plan, wanted.position, wanted.entries)

    def _triggers(self) -> dict[str, Finding]:
        figures, now = self._app.means.figures(), time.time()
        if self._app.looks is not None:
            self._app.looks.want([asked for rule in self._rules for asked in rule.condition.spans(now)])
        checks = {
            rule.name: Triggered(rule=rule, environment=self._app.environment.name, figures=lambda: figures)
            for rule in self._rules
        }
        return {name: found(check) for name, check in checks.items()}

    def _figures(self) -> list[Curve]:
        wanted = self._wanted
        # A run of days has its samples minutes apart: to ask for them more often shows nothing new, and may be paid for.
        self.figures.every = max(FIGURES, (time.time() - wanted.began) / MOST)
        until = time.time() if wanted.ended is None else min(time.time(), wanted.ended + BEFORE)
        return curves(self._app.means, wanted.began - BEFORE, until, Deadline.after(WITHIN))
