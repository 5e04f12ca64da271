"""The report of one run as plain data, `cutover.report/1`: everything that the pages show is in it, and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain, repeat
from typing import Any

from cutover.core.journal import Entry
from cutover.core.plain import plain
from cutover.core.plan import Plan
from cutover.core.step import UNDO
from cutover.curves import Curve
from cutover.customers import Pause, switches
from cutover.metrics.rule import Rule
from cutover.report import cost, differences, evidence, near, people, shares
from cutover.report.timeline import LegSpan, timeline
from cutover.run_views import RunView, ending, is_of, plain_view

SCHEMA = "cutover.report/1"


@dataclass(frozen=True)
class Gathered:
    """What else is known of the time of a run, each part with the reason where there is nothing."""

    environment: str
    description: str = ""
    owners: Mapping[str, str] = field(default_factory=dict)
    wishes: Sequence[tuple[str, Mapping[str, Any]]] = ()
    journal: Sequence[Entry] = ()
    """The entries of every run of the environment."""
    rules: Sequence[Rule] = ()
    since: float = 0.0
    until: float = 0.0
    """The time that figures are read of."""
    curves: Sequence[Curve] = ()
    curves_missing: str = ""
    customers: Mapping[str, Any] = field(default_factory=dict)
    customers_missing: str = "nobody was asked"
    customer_pauses: Sequence[Pause] = ()
    """Of each switch of the writes, in their order."""
    behind: Sequence[Mapping[str, Any]] = ()
    behind_missing: str = ""
    window: float = 86_400.0
    """rollback.window in seconds."""


def document(view: RunView, plan: Plan, more: Gathered, now: float) -> dict[str, Any]:
    """The whole report; moments are seconds since the epoch, durations seconds unless the name says ms."""
    entries, position = view.entries, view.position
    legs = timeline(entries)
    words = plain_view(view, plan)
    return {
        "schema": SCHEMA,
        "environment": more.environment,
        "description": more.description,
        "owners": dict(more.owners),
        "run": view.run,
        "written": now,
        "outcome": _outcome(view, plan, words, more.wishes, now),
        "legs": [_leg(leg) for leg in legs],
        "commits": _commits(plan, entries),
        "share": {"asked": shares.asked(entries), "observed": shares.observed(entries, more.curves, *_span(view, now))},
        "figures": {
            "since": more.since,
            "until": more.until,
            "missing": more.curves_missing,
            "curves": [{**asdict(one), "samples": [list(pair) for pair in one.samples]} for one in more.curves],
        },
        "pauses": _pauses(entries, more.customer_pauses),
        "customers": {"missing": more.customers_missing, **more.customers},
        "validation": evidence.validation(entries),
        "checkpoints": evidence.checkpoints(entries),
        "approvals": people.approvals(plan, position, entries, more.wishes),
        "words": people.words(entries, more.wishes),
        "notices": people.notices(entries),
        "triggers": near.triggers(more.rules, legs, entries, more.curves, now),
        "guards": near.others(more.rules, entries),
        "differences": differences.differences(plan if is_of(view, plan) else None, legs, entries),
        "commands": evidence.commands(legs, entries),
        "cost": cost.cost(plan, view, more.journal or entries, more.window, more.behind, more.behind_missing),
        "journal": {
            "entries": len(entries),
            "first": entries[0].seq,
            "last": entries[-1].seq,
            "head": entries[-1].hash,
            "plan_digest": legs[0].digest if legs else "",
        },
    }


def _outcome(
    view: RunView, plan: Plan, words: Mapping[str, Any], wishes: Sequence[people.Wish], now: float
) -> dict[str, Any]:
    kept = (
        "state",
        "zone",
        "direction",
        "outcome",
        "reason",
        "stopped_by",
        "phase",
        "open_intent",
        "standing",
        "asked",
    )
    title, sentence = ending(view, plan)
    over = not view.is_walking
    known = is_of(view, plan)
    return {
        "title": title,
        "says": sentence,
        **{name: plain(words[name]) for name in kept},
        "zone": words["zone"] if known or view.is_final else None,
        "other_plan": "" if known else plan.digest(),
        "complaints": list(view.complaints),
        "under_way": view.position.under_way,
        "began": view.began,
        "ended": view.walked_until if over else None,
        "seconds": round((view.walked_until if over else now) - view.began, 3),
        "who": list(dict.fromkeys([*(leg.who for leg in view.position.legs if leg.who), *people.turned(view, wishes)])),
    }


def _span(view: RunView, now: float) -> tuple[float, float]:
    return view.began, now if view.is_walking else view.walked_until


def _leg(leg: LegSpan) -> dict[str, Any]:
    return {**plain(asdict(leg)), "name": leg.name}


def _pauses(entries: Sequence[Entry], customers: Sequence[Pause]) -> list[dict[str, Any]]:
    """How long writes waited at each switch: at the database, and where they say so, by the customers' own record."""
    return [
        {
            "step": one.step,
            "direction": "back" if one.is_back else "forward",
            "began": one.began,
            "ended": one.ended,
            "customers_ms": None if seen.ms is None else round(seen.ms, 1),
            "customers_missing": seen.missing,
            "database_ms": one.database_ms,
        }
        for one, seen in zip(switches(entries), chain(customers, repeat(Pause())), strict=False)
    ]


def _commits(plan: Plan, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Each point of commit that was passed: from there on the other side serves.

    In a plan that moves no writes each move of the traffic gives green a part; told is the first, and that it was taken back.
    """
    writes = bool(plan.commit_steps())
    names = {step.name for step in plan.switching_steps()[:1]}
    found = []
    for entry in entries:
        step = str(entry.data.get("step") or "")
        if entry.kind == "converged" and step.removesuffix(UNDO) in names:
            side = "blue" if step.endswith(UNDO) else "green"
            says = f"{side} serves" if writes else "blue has all again" if side == "blue" else "green gets a part"
            found.append({"at": entry.at, "step": step, "serves": side if writes else None, "says": says})
    return found
