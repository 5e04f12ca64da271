"""Phases and plans: what happens in which order, and the plan that goes back."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from cutover.core.errors import CutoverError, PointOfNoReturn
from cutover.core.gate import Check, Gate, Guard, Policy
from cutover.core.journal import Position
from cutover.core.plain import digest, text
from cutover.core.step import Step

Item = Step[Any] | Gate


class PlanError(CutoverError):
    """The plan contradicts itself; this is a defect of the plan, found before anything runs."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A named run of items with an owner; `budget` is seconds, `overrun` what its end starts, `on_failure` what a step starts
    that fails, does not get done in time or cannot be reached. What somebody else changed is never answered by more changes.

    `handed_on` names its steps that stop what only the phase right after it starts again, on the other side, by the steps
    that it names as `taken_on`: a run does not end between the two of its own accord.
    A `supervised` phase runs under a second process that ends it by its budget when the first one dies.
    """

    name: str
    owner: str
    items: tuple[Item, ...]
    budget: float | None = None
    overrun: Policy = Policy.STOP
    on_failure: Policy = Policy.STOP
    supervised: bool = False
    handed_on: tuple[str, ...] = ()
    taken_on: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Phases in order, with the guards that watch all of them; raises PlanError when the states do not chain.

    `affordable`: fails where going back would cost so much that the run does not do it by itself.
    `rebinds`: a run goes on with it when it was changed meanwhile, because each item of it holds by itself.
    """

    name: str
    environment: str
    phases: tuple[Phase, ...]
    guards: tuple[Guard, ...] = ()
    configuration: Mapping[str, Any] = field(default_factory=dict, repr=False)
    rebinds: bool = False
    affordable: Check | None = None

    def __post_init__(self) -> None:
        _names_are_unique(self)
        _states_chain(self)
        _nothing_stands_still_in_a_pause(self)

    def walk(self) -> Iterator[tuple[Phase, Item]]:
        """Every item with its phase, in order."""
        for phase in self.phases:
            for item in phase.items:
                yield phase, item

    def steps(self) -> Iterator[tuple[Phase, Step[Any]]]:
        for phase, item in self.walk():
            if isinstance(item, Step):
                yield phase, item

    def phase(self, name: str) -> Phase:
        """The phase of that name; raises PlanError with the known names."""
        for phase in self.phases:
            if phase.name == name:
                return phase
        raise PlanError(f"no phase {name!r}; the phases are {', '.join(p.name for p in self.phases)}")

    def before(self, name: str) -> Phase | None:
        """The phase before that one, None for the first; raises PlanError."""
        at = self.phases.index(self.phase(name))
        return self.phases[at - 1] if at else None

    def present(self, position: Position) -> Phase | None:
        """The phase that a run has entered last on its way forward, or else in which it did something; None before the first."""
        forward = position.leg is not None and position.leg.direction == "forward"
        last, taken = list(position.phase_entered)[-1:] if forward else [], set(position.taken)
        done = [one for one in self.phases if taken & {item.name for item in one.items}]
        return next((one for one in self.phases if one.name in last), done[-1] if done else None)

    def back_from(self, name: str) -> Phase | None:
        """The phase to whose end a run goes back that leaves that one; raises PlanError.

        It is the one before, or the one before that where the two hand on: between them something would run on neither side.
        """
        before = self.before(name)
        while before is not None and self.awaited_after(before.name) is not None:
            before = self.before(before.name)
        return before

    def awaited_after(self, name: str) -> Phase | None:
        """The phase right after `name` that starts again what this one stops; None where nothing is handed on."""
        pairs = pairwise(self.phases)
        return next((then for one, then in pairs if one.name == name and one.handed_on and then.taken_on), None)

    def is_awaited(self, name: str) -> bool:
        """Whether the phase starts again what the one before it has stopped."""
        return any(then is not None and then.name == name for then in (self.awaited_after(p.name) for p in self.phases))

    def commit_steps(self) -> tuple[Step[Any], ...]:
        """The steps that change which side accepts writes."""
        return tuple(step for _, step in self.steps() if step.commit_point)

    def switching_steps(self) -> tuple[Step[Any], ...]:
        """The steps that give green what was blue's: its writes, or in a plan that moves no writes its traffic."""
        return self.commit_steps() or tuple(step for _, step in self.steps() if step.lane == "traffic")

    def pending(self, done: Sequence[str]) -> frozenset[str]:
        """The names of the items that are still to do, given those `done` in the order in which they were last done.

        A gate counts again when a step ahead of it was taken after it, or is to do: its answer was about another world.
        """
        at = {name: number for number, name in enumerate(done)}
        names: set[str] = set()
        newest = -1
        for _, item in self.walk():
            mine = at.get(item.name, len(done))
            if mine == len(done) or (isinstance(item, Gate) and mine < newest):
                names.add(item.name)
            if isinstance(item, Step):
                newest = max(newest, mine)
        return frozenset(names)

    def names_until(self, until: str | None) -> tuple[str, ...]:
        """The names of the items up to the end of phase `until` (of all phases when it is None); raises PlanError."""
        last = self.phase(until) if until is not None else self.phases[-1]
        names: list[str] = []
        for phase in self.phases:
            names += [item.name for item in phase.items]
            if phase.name == last.name:
                break
        return tuple(names)

    def inverse(
        self,
        taken: Collection[str],
        *,
        to: str | None = None,
        everything: bool = False,
        half_done: Collection[str] = (),
    ) -> "Plan":
        """The plan that takes back `taken` (names of items), newest first, down to the end of phase `to`.

        Standing work stays unless `everything`, or when it is among the `half_done`; neighbouring moves of one resource become one; gates stay only with
        their face for the way back. Raises PointOfNoReturn when a one-way step was taken.
        """
        stop_after = self.phase(to).name if to else None
        standing = {step.name for _, step in self.steps() if step.standing and step.name not in half_done}
        backward = list(_inverted(self, taken, stop_after=stop_after, stays=set() if everything else standing))
        merged = _merge_lanes(backward)
        phases: list[Phase] = []
        for phase, item in merged:
            if phases and phases[-1].name == phase.name:
                phases[-1] = replace(phases[-1], items=(*phases[-1].items, item))
            else:
                phases.append(replace(phase, items=(item,)))
        return replace(self, name="rollback" if self.name == "cutover" else f"{self.name}-back", phases=tuple(phases))

    def describe(self) -> dict[str, Any]:
        """The plan as plain data: what the digest covers."""
        return {
            "name": self.name,
            "environment": self.environment,
            "configuration": self.configuration,
            "guards": [guard.describe() for guard in self.guards],
            **({"affordable": self.affordable.shell()} if self.affordable is not None else {}),
            "phases": [
                {
                    "name": p.name,
                    "owner": p.owner,
                    "budget": p.budget,
                    "overrun": p.overrun,
                    "supervised": p.supervised,
                    **({"handed_on": p.handed_on} if p.handed_on else {}),
                    **({"taken_on": p.taken_on} if p.taken_on else {}),
                    **({"on_failure": p.on_failure} if p.on_failure is not Policy.STOP else {}),
                    "items": [_describe(item) for item in p.items],
                }
                for p in self.phases
            ],
        }

    def digest(self) -> str:
        """sha256 over configuration and step graph; the same on every machine and at every time."""
        return digest(self.describe())


def _describe(item: Item) -> dict[str, Any]:
    if isinstance(item, Step):
        return {
            "step": item.name,
            "kind": type(item).__name__,
            "before": item.before,
            "after": item.after,
            "between": item.between,
            "settle": item.settle,
            "standing": item.standing,
            "one_way": item.one_way,
            "forward": [command.shell() for command in item.commands(item.after)],
            "back": [] if item.one_way else [command.shell() for command in item.commands(item.before)],
            "check": item.check_shell(),
        }
    return {
        "gate": item.name,
        "kind": type(item.check).__name__,
        "check": item.check.shell(),
        "deadline": item.deadline,
        "hold": item.hold,
        "since": item.since,
        "on_fail": item.on_fail,
        "on_rollback": item.on_rollback.shell() if item.on_rollback else None,
        **({"lapse": item.lapse} if item.lapse is not None else {}),
        **({"hold_back": item.hold_back} if item.hold_back else {}),
        **({"on_timeout": item.on_timeout} if item.on_timeout else {}),
    }


def _names_are_unique(plan: Plan) -> None:
    seen: set[str] = set()
    for _, item in plan.walk():
        if item.name in seen:
            raise PlanError(f"plan {plan.name}: two items are called {item.name!r}")
        seen.add(item.name)


def _states_chain(plan: Plan) -> None:
    last: dict[str, Step[Any]] = {}
    for _, step in plan.steps():
        previous = last.get(step.resource)
        if previous is not None and previous.after != step.before:
            raise PlanError(
                f"plan {plan.name}: {step.name} starts at {text(step.before)}, "
                f"but {previous.name} leaves {step.resource} at {text(previous.after)}"
            )
        last[step.resource] = step


def _nothing_stands_still_in_a_pause(plan: Plan) -> None:
    supervised = {phase.name for phase in plan.phases if phase.supervised}
    for guard in plan.guards:
        if (guard.stands or guard.investigate) and (not guard.during or supervised & set(guard.during)):
            raise PlanError(
                f"plan {plan.name}: guard {guard.name} lets the run stand still, and would do so in "
                f"{', '.join(sorted(supervised)) or 'any phase'}, where writes wait"
            )


def _inverted(
    plan: Plan, taken: Collection[str], *, stop_after: str | None, stays: Collection[str]
) -> Iterator[tuple[Phase, Item]]:
    for phase in reversed(plan.phases):
        if phase.name == stop_after:
            return
        for item in reversed(phase.items):
            if item.name not in taken:
                continue
            if isinstance(item, Gate):
                back = item.inverse()
                if back is not None:
                    yield phase, back
            elif item.one_way:
                raise PointOfNoReturn(f"{item.name} was taken on purpose and has no way back: {item.why()}")
            elif item.name not in stays:
                yield phase, item.inverse()


def _merge_lanes(items: list[tuple[Phase, Item]]) -> list[tuple[Phase, Item]]:
    merged: list[tuple[Phase, Item]] = []
    lane: str | None = None
    place: dict[str, int] = {}
    for phase, item in items:
        if not isinstance(item, Step):
            lane, place = None, {}
            merged.append((phase, item))
            continue
        if item.lane != lane:
            lane, place = item.lane, {}
        if item.resource in place:
            at = place[item.resource]
            newer_phase, newer = merged[at]
            assert isinstance(newer, Step)
            merged[at] = (newer_phase, newer.merged(item))
        else:
            place[item.resource] = len(merged)
            merged.append((phase, item))
    return merged
