"""What a checkpoint looks at: cheap, and reading only (a marker row of our own is written where figures move meanwhile)."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from cutover.core.gate import Finding
from cutover.core.series import Span
from cutover.environment.figures import known_figures
from cutover.metrics.figures import BLUE, GREEN
from cutover.plans.checks import together
from cutover.plans.databases import all_of, ways_back
from cutover.plans.means import Means
from cutover.plans.parts import Parts
from cutover.plans.triggered import Triggered, recorded_baseline, triggers
from cutover.postgres.business import BusinessCheck, business_figures
from cutover.state.chain import JournalBroken

CATCH_UP = 10.0  # seconds that a side may take to follow a figure that moves
LOOKED_BACK = 600.0  # seconds of a figure whose mean is compared with before
Questions = list[tuple[str, Callable[[], Finding]]]


def suite(means: Means) -> Questions:
    """Every question of this environment by name, in the order in which they are asked."""
    databases: Questions = [
        ("business-figures", partial(_business, means)),
        ("way-back", lambda: all_of(ways_back(means)).look()),
    ]
    asked: Questions = [
        *(databases if means.pairs else ()),
        ("figures-as-before", partial(_as_before, means)),
        ("triggers", partial(_triggers, means)),
    ]
    smoke = Parts(means).smoke("green")
    if smoke is not None:
        asked.append(("smoke", replace(smoke, read_only=True).look))
    asked.append(("audit-trail", partial(_audit, means)))
    return asked


def _business(means: Means) -> Finding:
    """The figures of the business on both sides; green has the writes."""
    found: list[tuple[str, Finding]] = []
    for pair in means.pairs:
        checks = [BusinessCheck(one.name, one.sql, one.within / 100) for one in means.words(pair).validation.checks]
        for figure in business_figures(pair.green, pair.blue, checks, catch_up=CATCH_UP):
            found.append((pair.named(figure.name), _verdict_of(figure.verdict, figure.seen)))
    return together(found) if found else Finding.passed("none is named: database.validation.checks")


def _verdict_of(word: str, seen: str) -> Finding:
    if word == "equal":
        return Finding.passed(seen)
    return Finding.failed(seen) if word == "differs" else Finding.blind(seen)


def _as_before(means: Means) -> Finding:
    """Figures beside their recorded baseline; what is off is a warning, because another hour is another hour."""
    words = means.environment.checkpoints
    wanted = words.figures if words is not None else {}
    known, before, now = known_figures(means.environment.model_dump()), recorded_baseline(means), time.time()
    found: list[tuple[str, Finding]] = []
    for name, within in wanted.items():
        side = BLUE if known[name].side == BLUE else GREEN
        span = Span(now - max(LOOKED_BACK, 10 * known[name].step), now, known[name].step)
        reading = means.figures().read(name, side, span)
        if name not in before:
            found.append((name, Finding.blind("no baseline was recorded")))
        elif reading.gap is not None or not reading.samples:
            found.append((name, Finding.blind(f"{reading.gap.value if reading.gap else 'no data'}: {reading.seen}")))
        else:
            mean = sum(one.value for one in reading.samples) / len(reading.samples)
            seen = f"{mean:.4g}, before the cutover {before[name]:.4g}, allowed {within:g} % from it"
            near = abs(mean - before[name]) <= abs(before[name]) * within / 100
            found.append((name, Finding.passed(seen) if near else Finding.not_yet(seen)))
    return together(found) if found else Finding.passed("none is named: checkpoints.figures")


def _triggers(means: Means) -> Finding:
    found = [
        (rule.name, Triggered(rule=rule, environment=means.environment.name, figures=means.figures).look())
        for rule in triggers(means)
        if len(rule.condition.sides) == 1  # against blue there is nothing to say when all traffic is green's
    ]
    return together(found) if found else Finding.passed("none is written")


def _audit(means: Means) -> Finding:
    """The journal's chain holds, from its first entry on."""
    try:
        entries = means.history()
    except JournalBroken as error:
        return Finding.failed(error.message)
    return Finding.passed(f"the journal's chain is unbroken; {len(entries)} entries are of this run")
