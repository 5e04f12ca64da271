"""Everything that the page shows of one moment, as plain values: made of the journal, the lease and what was looked at."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import gmtime, strftime
from typing import Any

from cutover.app import App
from cutover.console.beside import Answer
from cutover.console.known import Known
from cutover.console.looked import Looked, Wanted
from cutover.console.timeline import Row, Timeline, timeline
from cutover.console.verbs import NEEDS, Button, buttons, command_of, typed
from cutover.core.gate import Gate
from cutover.core.guarding import unheeded
from cutover.core.journal import Position
from cutover.core.plain import span
from cutover.core.plan import Plan
from cutover.core.series import Gap
from cutover.core.share import Share
from cutover.curves import Curve
from cutover.metrics.units import shown
from cutover.plans.approval import Approved
from cutover.run_views import CANCEL, FINISHED, ROLLBACK, RunView, plain_view, zone

OLD = 60.0  # seconds after which a newest value is told with its age
ZONES = {
    CANCEL: "green has neither writes nor traffic; to stop is to cancel",
    ROLLBACK: "green has the writes, or part of the traffic; the way back is warm",
    FINISHED: "the way back is gone",
}


@dataclass(frozen=True)
class Question:
    """A gate that waits for people; `signed` and `missing` are by role."""

    gate: str
    criteria: str
    since: float
    until: float
    then: str
    signed: tuple[Mapping[str, Any], ...]
    refused: Mapping[str, str]
    missing: tuple[tuple[str, str], ...]
    answers: tuple[Button, ...]


@dataclass(frozen=True)
class SideFigure:
    """The newest value of a figure on each side, as text; `gap` says why there is none."""

    name: str
    blue: str
    green: str
    gap: str


def wanted(app: App, known: Known) -> Wanted:
    """What has to be looked at for the run as it is."""
    view = known.view
    if view is None:
        return Wanted()
    along = _along(app, known, view)
    running = view.position.under_way
    rolls_back = zone(app.plan, view.position) == ROLLBACK and view.state in ("open", "green")
    ended = None if running or rolls_back else view.ended
    item, phase = (along.now, along.phase) if along.under_way else (None, None)
    return Wanted(item, phase, view.position, known.entries, view.began, ended, rolls_back, running)


def board(app: App, known: Known, looked: Looked, now: float) -> dict[str, Any]:
    """The values for the panels' templates."""
    view = known.view
    values: dict[str, Any] = {
        "environment": app.environment.name,
        "description": app.environment.description,
        "protected": app.environment.protected,
        "trouble": known.trouble,
        "notices": list(_notices(app, known)),
        "unknown": False,
        "holder": known.holder,
        "buttons": buttons(app.plan, view, known.holder, known.wishes, protected=app.environment.protected),
        "run": None,
        "zones": ZONES,
        "now": now,
        "step": looked.step.answer,
        "figures": looked.figures.answer,
        "lag": looked.lag.answer,
        "cost": looked.cost.answer,
        "sides": list(_sides(looked.figures.answer)),
        "triggers": list(_triggers(looked, view.position.phase or "" if view is not None else "")),
        "judged": looked.triggers.answer,
        "paused": wanted(app, known).paused,
    }
    if view is None:
        blank = timeline(app.plan, Position(""), (), known.took)
        return values | {"along": blank, "leg": None, "word": None, "questions": [], "standing": [], "shares": []}
    along = _along(app, known, view)
    plan = _plan(app, view)
    leg = view.position.leg
    run = plain_view(view, app.plan)
    return values | {
        "run": run,
        "leg": leg,
        "state": _state(view, known),
        "changed": leg is not None and leg.plan == plan.name and leg.digest != plan.digest(),
        "along": along,
        "row": _row(along),
        "soak": _soak(along.now, view, watched=known.holder is not None),
        "word": _word(known, view),
        "questions": list(_questions(app, known, view)),
        "standing": list(view.position.standing.values()) if view.state == "open" else [],
        "shares": list(_shares(app.plan, view, looked.shares.answer)),
        "seen": looked.shares.answer,
    }


def _plan(app: App, view: RunView) -> Plan:
    leg = view.position.leg
    return app.plan_named(leg.plan if leg is not None else "cutover")


def _along(app: App, known: Known, view: RunView) -> Timeline:
    return timeline(_plan(app, view), view.position, view.entries, known.took)


def _state(view: RunView, known: Known) -> str:
    """In two or three words, for the top of the page."""
    leg = view.position.leg
    if leg is not None and leg.outcome is None:
        way = "going back" if leg.direction == "back" else {"cutover": "going forward"}.get(leg.plan, f"at {leg.plan}")
        return way if known.holder is not None else f"{way}, and nobody walks it"
    if view.state == "rolled-back" and view.complaints:
        return "blue serves, rolled back, but checks failed: a person is needed"
    words = {"green": "green serves", "rolled-back": "blue serves, rolled back", "finished": "finished"}
    outcome = leg.outcome if leg is not None and leg.outcome is not None else "not begun"
    return words.get(view.state, view.state if view.state != "open" else outcome)


def _row(along: Timeline) -> Row | None:
    """The row of the item that the run is at."""
    name = along.now.name if along.now is not None else ""
    rows = [row for stage in (*along.back, *along.stages) for row in stage.rows if row.name == name]
    return rows[0] if rows else None


def _notices(app: App, known: Known) -> Iterator[str]:
    """What whoever looks has to know of the page itself."""
    if known.replaced is not None:
        yield f"since {strftime('%H:%M:%S', gmtime(known.replaced))} UTC the journal is another one; it was read from its beginning"
    if known.file_changed:
        yield "the environment's file was changed since this console was started, which shows the plan of then: start it again"


def _word(known: Known, view: RunView) -> Mapping[str, Any] | None:
    """What somebody asked of the run and nobody has heeded yet; it waits for the next boundary."""
    kind, word = unheeded(known.wishes, view.position)
    if kind not in ("hold", "rollback", "previous-phase") or view.state != "open":
        return None
    return {"kind": kind, "who": word.get("who", "somebody"), **{key: word.get(key) for key in ("reason", "to", "at")}}


def _soak(item: Any, view: RunView, *, watched: bool) -> dict[str, float] | None:
    """From when to when what is at hand has to stay well; None where it does not, or where that has not begun.

    A soak without a `since` counts only the time in which somebody watches: where nobody does its end is not known.
    """
    if not isinstance(item, Gate) or item.hold <= 0:
        return None
    position = view.position
    clocked = position.converged_at.get(item.since) if item.since else None
    begun = clocked if clocked is not None else position.hold_begun.get(item.name)
    if begun is None or (clocked is None and not (watched and position.under_way)):
        return None
    return {"from": begun, "until": begun + item.hold, "seconds": item.hold}


def _questions(app: App, known: Known, view: RunView) -> Iterator[Question]:
    if view.state != "open":
        return
    for _, item in app.plan.walk():
        since = view.position.asked.get(item.name)
        if not isinstance(item, Gate) or not isinstance(item.check, Approved) or since is None:
            continue
        check = item.check
        said = check.answers(since, known.wishes)
        titles = dict(check.roles)
        missing = tuple((role, titles[role]) for role in said.missing)
        yield Question(
            item.name,
            check.criteria,
            since.at,
            since.at + item.deadline,
            (item.on_timeout or item.on_fail).value,
            said.signed,
            said.refused,
            missing,
            tuple(_answers(app, known, item.name, [role for role, _ in missing])),
        )


def _answers(app: App, known: Known, gate: str, roles: Sequence[str]) -> Iterator[Button]:
    for role in roles:
        for verb, label in (("approve", f"Yes, for {role}"), ("reject", f"No, for {role}")):
            words = {"gate": gate, "role": role, "reason": "…"}
            command = typed(command_of(verb, app.environment.name, known.holder, words))
            says = f"{verb} {gate} for {role}"
            yield Button(verb, label, says, command, needs=NEEDS[verb].value, gate=gate, role=role)


def _shares(plan: Plan, view: RunView, seen: Answer[Mapping[str, str]]) -> Iterator[tuple[str, str, str]]:
    """By what carries a hostname: the share asked for, and the one observed."""
    asked: dict[str, str] = {}
    for _, step in plan.steps():
        if isinstance(step.after, Share):
            asked.setdefault(step.resource, str(step.before))
            if step.name in view.position.done:
                asked[step.resource] = str(step.after)
    newest = max((at for name, at in view.position.converged_at.items() if name.startswith("traffic-")), default=0.0)
    fresh = seen.value if seen.value is not None and (seen.at or 0.0) > newest else {}
    for resource, share in asked.items():
        yield resource, share, fresh.get(resource, "")


def _sides(answer: Answer[list[Curve]]) -> Iterator[SideFigure]:
    by_name: dict[str, dict[str, Curve]] = {}
    for curve in answer.value or ():
        by_name.setdefault(curve.figure, {})[curve.side] = curve
    for name, sides in by_name.items():
        gaps = [f"{side}: {why}" for side, one in sides.items() if (why := _gap(one, answer.at or 0.0))]
        yield SideFigure(name, _newest(sides.get("blue")), _newest(sides.get("green")), "; ".join(gaps))


def _gap(curve: Curve, now: float) -> str:
    """Why the newest value says nothing about now; that older ones are missing is no matter here."""
    if not curve.samples or curve.gap not in (None, Gap.PARTIAL.value):
        return f"{curve.gap or 'no data'}: {curve.seen}"
    late = now - curve.samples[-1][0]
    return f"from {span(late)} before" if late > OLD else ""


def _newest(curve: Curve | None) -> str:
    if curve is None:
        return ""
    return shown(curve.samples[-1][1], curve.unit) if curve.samples else "?"


def _triggers(looked: Looked, phase: str) -> Iterator[dict[str, Any]]:
    """Each rule with its verdict; where it has a bound, how much of it is used up, in percent, and what is left of its time."""
    answer = looked.triggers.answer
    for rule in looked.rules:
        finding = (answer.value or {}).get(rule.name)
        clauses = list(finding.data.get("clauses", ())) if finding is not None else []
        yield {
            "rule": rule,
            "asked": rule.watches(phase),
            "verdict": finding.verdict.value if finding is not None else "not asked",
            "seen": finding.seen if finding is not None else answer.trouble or "is asked from the first share on",
            "used": _used(clauses),
            "left": _left(clauses, rule.condition.lasts),
        }


def _used(clauses: Sequence[Mapping[str, Any]]) -> float | None:
    """How near the nearest clause is to its bound: 100 is at it."""
    parts = [
        100.0 * float(one["value"]) / float(one["bound"])
        for one in clauses
        if isinstance(one.get("value"), int | float) and isinstance(one.get("bound"), int | float) and one["bound"] > 0
    ]
    return max(0.0, min(999.0, max(parts))) if parts else None


def _left(clauses: Sequence[Mapping[str, Any]], lasts: float) -> float | None:
    """When the condition will have been so for long enough, in seconds since the epoch; None where it is not so now."""
    since = [one.get("since") for one in clauses]
    if not since or any(one is None for one in since) or not lasts:
        return None
    return max(float(one) for one in since if one is not None) + lasts
