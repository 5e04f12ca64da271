"""Triggers as guards, what they compare with, and the soak that does not pass while one of them is not well."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from shlex import quote

from cutover.core.gate import Check, Finding, Gate, Guard, Policy, Verdict
from cutover.core.series import Span
from cutover.environment import rules
from cutover.environment.figures import known_figures
from cutover.metrics.figures import BLUE, GREEN, Figures
from cutover.metrics.rule import Rule
from cutover.plans.means import Means

BASELINE = "baseline"
BASELINE_SECONDS = 600.0  # what was in these seconds before the cutover is what it is compared with
EVERY = 5.0  # seconds between two looks at one trigger; less where its figures have samples more often
LEAST = 1.0
PATIENCE = 60.0  # seconds without a verdict before `blind` or `insufficient` starts something
MISSED = 4  # samples that are missed before that, where it comes sooner
PAUSES = ("window", "work")
WHOLE = ("shift-100", "bake")  # where all traffic is green's
SHORTEST_WAIT = 900.0


def triggers(means: Means) -> tuple[Rule, ...]:
    """Every rule of the environment, in the order of the file."""
    environment = means.environment
    return rules(environment.triggers, known_figures(environment.model_dump())) if environment.triggers else ()


def trigger_guards(means: Means, phases: Sequence[str]) -> list[Guard]:
    """One guard for each rule; `phases` are the names of the plan's phases."""
    return [_guard(means, rule, [phase for phase in phases if rule.watches(phase)]) for rule in triggers(means)]


def _guard(means: Means, rule: Rule, during: Sequence[str]) -> Guard:
    action = rule.action
    step = max((asked.span.step for asked in rule.condition.spans(0.0)), default=EVERY)
    return Guard(
        name=f"trigger-{rule.name}",
        check=Triggered(rule=rule, environment=means.environment.name, figures=means.figures),
        policy=action.then if action.then is not None else action.first,
        every=min(EVERY, max(LEAST, step)),
        during=tuple(during),
        investigate=action.after or 0.0,
        # Where writes or background work wait nothing stands still: there a hold comes after the phase.
        stands=not set(PAUSES) & set(during),
        # Whose figures come each second is missed sooner than one that comes each minute.
        patience=min(PATIENCE, MISSED * step),
        on_blind=undecided(rule.blind) or Policy.NOTIFY,
        on_insufficient=undecided(rule.insufficient),
    )


def undecided(word: str) -> Policy | None:
    """What `blind` or `insufficient` starts, by its word; None for `wait`."""
    return None if word == "wait" else Policy(word)


@dataclass(frozen=True, kw_only=True)
class Triggered(Check):
    """What must not be while green has traffic. Without data, or with too little, it neither fires nor counts as well."""

    rule: Rule
    environment: str
    figures: Callable[[], Figures] = field(compare=False, repr=False)
    now: Callable[[], float] = field(default=time.time, compare=False, repr=False)

    def look(self) -> Finding:
        found = self.rule.condition.judge(self.figures(), self.now())
        return found if found.verdict is not Verdict.FAIL else _because(self.rule, found)

    def shell(self) -> str:
        return f"# {self.rule.words()}\ninvoke triggers --env {quote(self.environment)} --name {quote(self.rule.name)}"


def _because(rule: Rule, found: Finding) -> Finding:
    return Finding(found.verdict, f"{found.seen} ({rule.condition})", found.hint, found.data)


@dataclass(frozen=True, kw_only=True)
class TriggersWell(Check):
    """A share is passed on only when each trigger has a verdict, and it is well: nobody goes on blind."""

    checks: tuple[Triggered, ...]

    def look(self) -> Finding:
        found = {one.rule.name: one.look() for one in self.checks}
        for verdict in (Verdict.BLIND, Verdict.FAIL, Verdict.INSUFFICIENT):
            seen = [f"{name}: {finding.seen}" for name, finding in found.items() if finding.verdict is verdict]
            if seen and verdict is Verdict.BLIND:
                return Finding.blind("; ".join(seen))
            if seen:  # what fires is the guard's to answer, and here it is only not well
                return Finding.not_yet("; ".join(seen))
        return Finding.passed(f"{len(found)} triggers are well")

    def shell(self) -> str:
        return "\n".join(one.shell() for one in self.checks)


def all_well(means: Means, phase: str) -> list[Gate]:
    """The gate at the end of a phase that every trigger of it is well; none where nothing is watched in it.

    It waits where there is too little to judge; when that lasts, a person decides, and nothing is taken back.
    """
    watched = [rule for rule in triggers(means) if rule.watches(phase) and not _without_blue(rule, phase)]
    checks = tuple(Triggered(rule=rule, environment=means.environment.name, figures=means.figures) for rule in watched)
    if not checks:
        return []
    longest = max(asked.span.until - asked.span.since for rule in watched for asked in rule.condition.spans(0.0))
    return [
        Gate(
            name=f"triggers-{phase.removeprefix('shift-')}",
            check=TriggersWell(checks=checks),
            deadline=max(SHORTEST_WAIT, 2 * longest),
            on_fail=Policy.HOLD,
        )
    ]


def _without_blue(rule: Rule, phase: str) -> bool:
    """Whether the rule compares with blue where blue has no traffic any more."""
    return phase in WHOLE and len(rule.condition.sides) > 1


@dataclass(frozen=True, kw_only=True)
class BaselineSeen(Check):
    """What green is compared with is measured before anything changes; what cannot be measured now cannot be judged later."""

    names: tuple[tuple[str, str, float], ...]
    """Each figure with its side and the distance of its samples."""
    environment: str
    figures: Callable[[], Figures] = field(compare=False, repr=False)
    now: Callable[[], float] = field(default=time.time, compare=False, repr=False)

    def look(self) -> Finding:
        now, found = self.now(), dict[str, float]()
        gaps = []
        for name, side, step in self.names:
            span = Span(now - max(BASELINE_SECONDS, 10 * step), now, step)
            reading = self.figures().read(name, side, span)
            if reading.gap is not None or not reading.samples:
                gaps.append(f"{name} on {side}: {reading.gap.value if reading.gap else 'no data'}: {reading.seen}")
            else:
                found[name] = sum(one.value for one in reading.samples) / len(reading.samples)
        if gaps:
            return Finding.not_yet("; ".join(gaps), f"invoke metrics --env {self.environment}")
        return Finding.passed(", ".join(f"{name} {value:.4g}" for name, value in found.items()), baseline=found)

    def shell(self) -> str:
        return f"invoke metrics --env {quote(self.environment)}"


def baseline(means: Means) -> list[Gate]:
    """The gate that records what some trigger compares with; none where none does."""
    wanted: dict[str, tuple[str, str, float]] = {}
    for rule in triggers(means):
        needs = rule.condition.needs_baseline
        for figure in rule.condition.figures:
            if figure.name in needs:
                side = GREEN if figure.known.side == GREEN else BLUE
                wanted[figure.name] = (figure.name, side, figure.known.step)
    for name in means.environment.checkpoints.figures if means.environment.checkpoints is not None else ():
        known = known_figures(means.environment.model_dump())[name]
        wanted[name] = (name, GREEN if known.side == GREEN else BLUE, known.step)
    if not wanted:
        return []
    check = BaselineSeen(names=tuple(wanted.values()), environment=means.environment.name, figures=means.figures)
    return [Gate(name=BASELINE, check=check, deadline=1200.0)]


def recorded_baseline(means: Means) -> dict[str, float]:
    """What the gate recorded last in the run under way, or in the last one."""
    journal = means.journal()
    entries = journal.entries() if journal is not None else means.history()
    for entry in reversed(entries):
        if entry.kind == "passed" and entry.data.get("gate") == BASELINE:
            return {str(name): float(value) for name, value in entry.data["data"]["baseline"].items()}
    return {}
