"""The plan as numbered chapters: what each page goes through."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from cutover.core.gate import Gate
from cutover.core.plain import text
from cutover.core.plan import Item, Phase, Plan
from cutover.core.step import Command, Step
from cutover.plan_words import Zone
from cutover.runbook.markdown import Markdown, anchor


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One item of a plan with its place.

    `committed`: its phase has passed a commit point by then; `commit_ahead`: the plan still has one to come; `told_in`
    is an earlier entry that gives the same reason.
    """

    number: str
    item: Item
    phase: Phase
    zone: Zone
    zone_after: Zone
    committed: bool
    commit_ahead: bool
    told_in: "Entry | None"

    @property
    def is_step(self) -> bool:
        return isinstance(self.item, Step)

    @property
    def step(self) -> Step[Any]:
        assert isinstance(self.item, Step)
        return self.item

    @property
    def gate(self) -> Gate:
        assert isinstance(self.item, Gate)
        return self.item

    def past(self, commit: "Entry | None") -> bool:
        """Whether this is the commit step of its phase, or comes after it."""
        return commit is not None and (self.committed or self.number == commit.number)

    @property
    def why(self) -> str:
        return self.step.why() if self.is_step else self.gate.check.why()

    @property
    def criteria(self) -> str:
        """What whoever answers a gate is to look at; empty where a program answers."""
        return "" if self.is_step else str(getattr(self.gate.check, "criteria", ""))

    @property
    def anchor(self) -> Markdown:
        return anchor("step" if self.is_step else "gate", self.item.name)

    @property
    def commands(self) -> Sequence[Command]:
        return self.step.commands(self.step.after)

    @property
    def on_the_way(self) -> list[str]:
        """States that half-done work may show, other than the two ends."""
        ends = {text(self.step.before), text(self.step.after)}
        return sorted({text(state) for state in self.step.between} - ends, key=lambda state: (len(state), state))

    @cached_property
    def undo(self) -> Step[Any]:
        return self.step.inverse()

    @property
    def expected(self) -> float:
        """Seconds that this usually takes."""
        return self.step.expected if self.is_step else self.gate.hold


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """One phase with its entries."""

    number: int
    phase: Phase
    entries: tuple[Entry, ...]

    @property
    def anchor(self) -> Markdown:
        return anchor("phase", self.phase.name)

    @property
    def expected(self) -> float:
        return sum(entry.expected for entry in self.entries)

    @property
    def steps(self) -> int:
        return sum(entry.is_step for entry in self.entries)

    @property
    def gates(self) -> int:
        return len(self.entries) - self.steps

    @property
    def commit(self) -> Entry | None:
        """The step with the commit point, if this phase has it."""
        return next((e for e in self.entries if e.is_step and e.step.commit_point), None)

    @property
    def before_commit(self) -> list[Entry]:
        """Steps that are still as they were made when everything dies before the commit point."""
        names = [e for e in self.entries if e.is_step and not e.step.standing]
        return names[: names.index(self.commit)] if self.commit in names else []

    @property
    def zones(self) -> str:
        return " → ".join(
            dict.fromkeys(zone.value for entry in self.entries for zone in (entry.zone, entry.zone_after))
        )


def chapters(plan: Plan, *, start: Zone) -> tuple[Chapter, ...]:
    """The plan's phases, numbered from 1; `start` is the zone in which it begins."""
    zone, ahead, told, result = start, len(plan.commit_steps()), dict[str, Entry](), []
    switching = {step.name for step in plan.switching_steps()}
    for number, phase in enumerate(plan.phases, 1):
        entries, committed = [], False
        for place, item in enumerate(phase.items, 1):
            reason = item.why() if isinstance(item, Step) else item.check.why()
            entry = Entry(
                number=f"{number}.{place}",
                item=item,
                phase=phase,
                zone=zone,
                zone_after=_zone_after(item, zone, switching),
                committed=committed,
                commit_ahead=ahead > 0,
                told_in=told.get(reason),
            )
            told.setdefault(reason, entry)
            entries.append(entry)
            if isinstance(item, Step) and item.commit_point:
                committed, ahead = True, ahead - 1
            zone = _zone_after(item, zone, switching)
        result.append(Chapter(number=number, phase=phase, entries=tuple(entries)))
    return tuple(result)


def first_zone(plan: Plan) -> Zone:
    """Where a plan begins: a plan that gives green nothing of blue's has no part that is merely cancelled."""
    return Zone.CANCEL if plan.switching_steps() else Zone.ROLLBACK


def _zone_after(item: Item, zone: Zone, switching: Collection[str]) -> Zone:
    if isinstance(item, Step) and item.one_way:
        return Zone.FINISHED
    if item.name in switching and zone is Zone.CANCEL:
        return Zone.ROLLBACK
    return zone


def takeable(plan: Plan) -> list[str]:
    """The names of all items that a rollback can take back: those before the first point of no return."""
    names: list[str] = []
    for _, item in plan.walk():
        if isinstance(item, Step) and item.one_way:
            break
        names.append(item.name)
    return names


@dataclass(frozen=True, kw_only=True)
class Remainder:
    """What is to be taken back when the cutover stopped in one of `phases`, on one side of a commit step where it has one."""

    phases: tuple[Phase, ...]
    side: str
    commit: Step[Any] | None
    zone: Zone
    entries: tuple[Entry, ...]

    @property
    def expected(self) -> float:
        return sum(entry.expected for entry in self.entries)


def remaining(forward: Sequence[Chapter], plan: Plan, back: Sequence[Chapter]) -> list[Remainder]:
    """For each place where `plan` can have stopped: the entries of the whole way back that then have to be done."""
    rows: list[Remainder] = []
    for row in _remaining(forward, plan, back):
        last = rows[-1] if rows else None
        if last and not last.commit and not row.commit and (last.zone, last.entries) == (row.zone, row.entries):
            rows[-1] = replace(last, phases=(*last.phases, *row.phases))
        else:
            rows.append(row)
    return rows


def _remaining(forward: Sequence[Chapter], plan: Plan, back: Sequence[Chapter]) -> Iterator[Remainder]:
    names = takeable(plan)
    taken: list[str] = []
    whole = [entry for chapter in back for entry in chapter.entries]
    for chapter in forward:
        commit = chapter.commit
        for side in ("before", "after") if commit else ("",):
            here = [e for e in chapter.entries if e.item.name in names and (side != "before" or not e.past(commit))]
            if not here and not side:
                continue
            done = {*taken, *(entry.item.name for entry in here)}
            part = [item for _, item in plan.inverse(done).walk()]
            yield Remainder(
                phases=(chapter.phase,),
                side=side,
                commit=commit.step if commit else None,
                zone=here[-1].zone_after if here else chapter.entries[0].zone,
                entries=tuple(entry for entry in whole if any(_covers(entry.item, item) for item in part)),
            )
        taken += [entry.item.name for entry in chapter.entries if entry.item.name in names]


def _covers(whole: Item, part: Item) -> bool:
    return whole.name == part.name or (bool(part.undoes) and set(part.undoes) <= set(whole.undoes))


def final_states(plan: Plan) -> list[Step[Any]]:
    """The last step on each resource, in the plan's order, but for those that other steps go on from (`overtaken`)."""
    last: dict[str, Step[Any]] = {}
    for _, step in plan.steps():
        if getattr(step, "overtaken", False):
            continue
        last.pop(step.resource, None)
        last[step.resource] = step
    return list(last.values())
