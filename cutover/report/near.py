"""How near each trigger came: the worst measured value against its bound, and what the journal says that it started."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cutover.core.journal import Entry
from cutover.core.series import Sample
from cutover.curves import Curve
from cutover.metrics.bounds import BASELINE, LEGACY, Unbounded
from cutover.metrics.clauses import Around, Clause, Growth, Limit, beside
from cutover.metrics.figures import BLUE
from cutover.metrics.rule import Rule
from cutover.plans.triggered import BASELINE as RECORDED
from cutover.report.timeline import LegSpan

NEAR = 0.8  # of the bound, from which a trigger came near
GUARD = "trigger-"
STARTED = ("guard-failed", "standing", "standing-ended", "guard-cleared")
APART = "each was over, at different times"
NO_BOUND = "has no single bound to come near to"

Spans = Sequence[tuple[float, float]]


def triggers(
    rules: Sequence[Rule], legs: Sequence[LegSpan], entries: Sequence[Entry], curves: Sequence[Curve], now: float
) -> list[dict[str, Any]]:
    """Every trigger with its clauses, the nearest first."""
    by_name = {(one.figure, one.side): one for one in curves}
    baselines = _baselines(entries)
    found = []
    for rule in rules:
        spans = _watched(rule, legs, now)
        looked = [_clause(one, by_name, baselines, spans) for one in rule.condition.clauses]
        clauses = [told for told, _ in looked]
        started = _started(GUARD + rule.name, entries)
        of_bound = _at_once(
            [parts for _, parts in looked], max(one.figure.known.step for one in rule.condition.clauses)
        )
        each_over = all((one["of_bound"] or 0.0) >= 1 for one in clauses)
        found.append(
            {
                "trigger": rule.name,
                "says": rule.words(),
                "clauses": clauses,
                "of_bound": of_bound,
                "verdict": _verdict(started, of_bound, each_over, spans),
                "started": started,
            }
        )
    return sorted(found, key=lambda one: (-len(one["started"]), -(one["of_bound"] or 0.0)))


def others(rules: Sequence[Rule], entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """What guards that are no trigger of the environment started: of the databases, checkpoints, the comparison."""
    known = {GUARD + rule.name for rule in rules}
    names = dict.fromkeys(str(one.data["guard"]) for one in entries if one.kind in STARTED and one.data.get("guard"))
    return [{"guard": name, "started": _started(name, entries)} for name in names if name not in known]


def _started(guard: str, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    return [
        {"at": one.at, "kind": one.kind, "seen": str(one.data.get("seen") or one.data.get("reason") or "")}
        | {"starts": str(one.data.get("policy") or one.data.get("then") or one.data.get("outcome") or "")}
        for one in entries
        if one.kind in STARTED and one.data.get("guard") == guard
    ]


def _verdict(started: Sequence[Mapping[str, Any]], of_bound: float | None, each_over: bool, spans: Spans) -> str:
    if any(one["kind"] in ("guard-failed", "standing") for one in started):
        return "started something"
    if not spans:
        return "never watched in this run"
    if each_over and (of_bound is None or of_bound < 1):
        return APART
    if of_bound is None:
        return "not known how near"
    if of_bound >= 1:
        return "over its bound, not for long enough"
    return "came near" if of_bound >= NEAR else "far from it"


def _at_once(clauses: Sequence[Sequence[Sample]], step: float) -> float | None:
    """How near it came with all of its clauses at once: at each moment it is as near as the one that is farthest away."""
    together, *others = clauses
    for parts in others:
        together = [Sample(one.at, min(one.value, other)) for one, other in beside(together, parts, step)]
    return max((one.value for one in together), default=None)


def _watched(rule: Rule, legs: Sequence[LegSpan], now: float) -> Spans:
    forward = [leg for leg in legs if leg.direction == "forward" and leg.plan == "cutover"]
    phases = [phase for leg in forward for phase in leg.phases if rule.watches(phase.name)]
    return [(one.began, now if one.ended is None else one.ended) for one in phases]


def _baselines(entries: Sequence[Entry]) -> Mapping[str, float]:
    for entry in reversed(entries):
        if entry.kind == "passed" and entry.data.get("gate") == RECORDED:
            return {str(name): float(value) for name, value in entry.data["data"]["baseline"].items()}
    return {}


def _clause(
    clause: Clause, curves: Mapping[tuple[str, str], Curve], baselines: Mapping[str, float], spans: Spans
) -> tuple[dict[str, Any], Sequence[Sample]]:
    """What is told of it, and the part of its bound that it reached at each moment."""
    figure = clause.figure
    told: dict[str, Any] = {
        "clause": str(clause),
        "figure": figure.name,
        "side": figure.side,
        "unit": figure.known.unit,
    }
    # A bound that is the same at every moment can be drawn, and is known without any sample.
    fixed = isinstance(clause, Limit) and not clause.bound.reference
    bound = clause.bound.value(figure.known.unit, None) if isinstance(clause, Limit) and fixed else None
    told["fixed"] = fixed
    nothing = {"worst": None, "at": None, "bound": bound, "of_bound": None, "samples": 0}
    if isinstance(clause, Growth):
        return {**told, **nothing, "missing": f"how fast it grew {NO_BOUND}: read its picture"}, ()
    if isinstance(clause, Limit) and clause.sign in ("=", "!="):
        return {**told, **nothing, "missing": f"`{clause.sign}` {NO_BOUND}"}, ()
    if not spans:
        return {**told, **nothing, "missing": "no phase in which it is watched was entered"}, ()
    mine = _within(curves.get((figure.name, figure.side)), spans)
    if not mine:
        return {**told, **nothing, "missing": _gap(curves.get((figure.name, figure.side)))}, ()
    found = list(_held(clause, mine, curves, baselines, spans))
    judged = [(part, sample, bound) for part, sample, bound in found if part is not None]
    if not judged:
        return {**told, **nothing, "missing": f"nothing to hold it against: {clause.bound.reference or 'no bound'}"}, ()
    parts = [Sample(sample.at, part) for part, sample, _ in judged]
    part, worst, held_to = max(judged, key=lambda one: one[0])
    missing = _gap(curves.get((figure.name, figure.side)), "")
    return {
        **told,
        "worst": worst.value,
        "at": worst.at,
        "bound": held_to,
        "of_bound": part,
        "samples": len(judged),
        "missing": missing,
    }, parts


def _held(
    clause: Limit | Around,
    mine: Sequence[Sample],
    curves: Mapping[tuple[str, str], Curve],
    baselines: Mapping[str, float],
    spans: Spans,
) -> Iterator[tuple[float | None, Sample, float]]:
    """Each sample with the part of the bound that it reached (1 and more: it is so), and the bound."""
    figure, reference = clause.figure, clause.bound.reference
    if reference == LEGACY:
        theirs = _within(curves.get((figure.name, BLUE)), spans)
        pairs: list[tuple[Sample, float | None]] = list(beside(mine, theirs, figure.known.step)) if theirs else []
    elif reference == BASELINE:
        pairs = [(one, baselines[figure.name]) for one in mine] if figure.name in baselines else []
    else:
        pairs = [(one, None) for one in mine]
    for sample, other in pairs:
        if isinstance(clause, Around):
            away = None if not other else 100 * abs(sample.value - other) / abs(other) / clause.percent
            yield away, sample, clause.percent
            continue
        try:
            so = clause.so(sample.value, other)
        except Unbounded:
            continue
        bound = clause.bound.value(figure.known.unit, other)
        yield _part(clause.sign, sample.value, bound, so), sample, bound


def _part(sign: str, value: float, bound: float, so: bool) -> float:
    """How much of the way to its bound a value has come; a bound of 0 is reached at once, or not at all."""
    top, bottom = (value, bound) if sign.startswith(">") else (bound, value)
    part = top / bottom if bottom > 0 and top >= 0 else 0.0
    return max(1.0, part) if so else min(part, 0.999_999)


def _within(curve: Curve | None, spans: Spans) -> list[Sample]:
    if curve is None:
        return []
    return [Sample(at, value) for at, value in curve.samples if any(a <= at <= b for a, b in spans)]


def _gap(curve: Curve | None, nothing: str = "no samples of the time in which it was watched") -> str:
    if curve is None:
        return "its figure was not read"
    return f"{curve.gap}: {curve.seen}" if curve.gap else nothing
