"""What going back would cost now: what blue lacks, how long it would take, and until when it is promised."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cutover.core.gate import Check, Finding
from cutover.core.journal import Entry, Position
from cutover.core.plain import span
from cutover.core.plan import Plan
from cutover.core.step import UNDO
from cutover.plans.means import Means
from cutover.plans.took import whole
from cutover.postgres.behind import Behind, behind


@dataclass(frozen=True)
class RollbackCost:
    """One look: each database's lag, the way back's steps with the seconds that they took when last measured.

    `unmeasured` are steps of which no time is known yet; they count as nothing. `promised_until` and `decide_by` are
    seconds since the epoch: the end of rollback.window, and that less the time that going back takes.
    """

    behind: tuple[Behind, ...]
    seconds: float
    steps: int
    unmeasured: tuple[str, ...]
    promised_until: float | None
    decide_by: float | None

    def __str__(self) -> str:
        unmeasured = f", {len(self.unmeasured)} of them never measured" if self.unmeasured else ""
        return "; ".join([f"{self.steps} steps in about {span(self.seconds)}{unmeasured}", *map(str, self.behind)])

    @property
    def bytes(self) -> int:
        return sum(one.bytes for one in self.behind)


@dataclass(frozen=True)
class WayBack:
    """The steps that a way back takes, with the seconds that each took when it was last measured, None where it never was."""

    times: Mapping[str, float | None]
    promised_until: float | None

    @property
    def seconds(self) -> float:
        return sum(found for found in self.times.values() if found is not None)

    @property
    def unmeasured(self) -> tuple[str, ...]:
        return tuple(name for name, found in self.times.items() if found is None)


def way_back(plan: Plan, position: Position, entries: Sequence[Entry], window: float) -> WayBack:
    """What going back from `position` takes, by the journal alone; `window` is rollback.window in seconds."""
    took = _measured(entries)
    names = [step.name for _, step in plan.inverse(position.taken, half_done=position.half_done).steps()]
    times = {name: took.get(name, took.get(name.removesuffix(UNDO))) for name in names}
    switched = [position.converged_at.get(step.name) for step in plan.switching_steps()]
    since = max((at for at in switched if at is not None), default=None)
    return WayBack(times, since + window if since is not None else None)


def cost_now(means: Means, plan: Plan, position: Position, entries: Sequence[Entry]) -> RollbackCost:
    """What going back would cost the run at `position`; `entries` are the journal's, of every run: times are taken from there.

    The lag of each database is asked for now; nothing is written.
    """
    lags = tuple(behind(pair.green, pair.blue) for pair in means.pairs)
    back = way_back(plan, position, entries, means.environment.rollback.window)
    seconds = back.seconds + max((one.seconds or 0.0 for one in lags), default=0.0)
    return RollbackCost(
        behind=lags,
        seconds=seconds,
        steps=len(back.times),
        unmeasured=back.unmeasured,
        promised_until=back.promised_until,
        decide_by=back.promised_until - seconds if back.promised_until is not None else None,
    )


def _measured(entries: Sequence[Entry]) -> Mapping[str, float]:
    """The seconds that each step took when it was last taken."""
    return {str(e.data["step"]): float(e.data["seconds"]) for e, _ in whole(entries) if e.kind == "converged"}


@dataclass(frozen=True)
class RollbackAffordable(Check):
    """Going back by itself is right only while it is cheap: past these bounds the run freezes, and a person decides.

    A rollback that a person asks for is not kept from them. What cannot be seen does not keep one back either: then the
    way back itself finds out, and says what remains.
    """

    means: Means = field(repr=False)
    behind_bytes: int | None
    behind_seconds: float | None

    def look(self) -> Finding:
        lags = [behind(pair.green, pair.blue) for pair in self.means.pairs]
        seen = "; ".join(map(str, lags))
        known = [one for one in lags if not one.trouble]
        far = self.behind_bytes is not None and sum(one.bytes for one in known) > self.behind_bytes
        late = self.behind_seconds is not None and any((one.seconds or 0.0) > self.behind_seconds for one in known)
        if far or late:
            return Finding.failed(f"{seen}; at most {self._bounds()}", "decide: invoke rollback, or mend green")
        if len(known) < len(lags):
            return Finding.blind(seen)
        return Finding.passed(seen)

    def _bounds(self) -> str:
        bounds = [f"{self.behind_bytes / 1e6:g} MB"] if self.behind_bytes is not None else []
        return " and ".join([*bounds, *([span(self.behind_seconds)] if self.behind_seconds is not None else [])])

    def shell(self) -> str:
        from cutover.postgres.behind import QUESTION
        from cutover.postgres.replication import subscription_name

        return "\n".join(
            pair.green.ask(QUESTION.format(name=subscription_name(pair.green, pair.blue))) for pair in self.means.pairs
        )


def affordable(means: Means) -> RollbackAffordable | None:
    """The bounds that the environment sets, None where it sets none."""
    wanted = means.environment.rollback
    if wanted.behind_bytes is None and wanted.behind_time is None:
        return None
    return RollbackAffordable(means, wanted.behind_bytes, wanted.behind_time)
