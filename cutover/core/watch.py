"""What is watched at every boundary and during every wait: interrupts, holds, guards, the budget."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from cutover.core.clock import Clock, Deadline, Interrupt
from cutover.core.errors import BudgetOverrun, CutoverError, Unreachable, Waiting
from cutover.core.gate import Check, Finding, Guard, Policy, Verdict
from cutover.core.journal import Journal

GUARD_PATIENCE = 10.0  # seconds that a guard may be blind before it counts as failed


class InterruptRequested(CutoverError):
    """The operator asked to stop; raised at a journal boundary only."""


class GuardTripped(CutoverError):
    """A guard failed; `policy` says what that starts."""

    def __init__(self, message: str, policy: Policy) -> None:
        super().__init__(message)
        self.policy = policy


@dataclass(frozen=True)
class Event:
    """Something to show: a journal entry, or (kind `looking`) what a wait sees right now."""

    kind: str
    data: Mapping[str, Any]


Listener = Callable[[Event], None]


@dataclass
class Watch:
    """Records and shows what happens in one run, and watches interrupts, holds, guards and the budget while it waits."""

    journal: Journal
    clock: Clock
    interrupt: Interrupt
    listen: Listener
    guards: tuple[Guard, ...] = ()
    budget: Deadline | None = None
    holdable: bool = True
    heed_interrupts: bool = True
    _asked: dict[str, float] = field(default_factory=dict)
    _blind_since: dict[str, float] = field(default_factory=dict)
    _begun: dict[str, float] = field(default_factory=dict)

    def record(self, kind: str, **data: Any) -> None:
        """Appends to the journal and shows it."""
        self.journal.append(kind, **data)
        if "step" in data or "gate" in data:
            self._begun[f"{kind}:{data.get('step') or data.get('gate')}"] = self.clock.monotonic()
        self._show(Event(kind, data))

    def _show(self, event: Event) -> None:
        # A closed terminal or pipe must not end a write pause half-way.
        with suppress(OSError, ValueError):
            self.listen(event)

    def breathe(self) -> None:
        """What is looked at before every step and during every wait; raises what must stop the walk."""
        if self.heed_interrupts and self.interrupt.signal_number is not None:
            raise InterruptRequested("interrupted")
        if self.holdable:
            self._heed_wishes()
        for guard in self.guards:
            self._watch(guard)
        if self.budget is not None and self.budget.expired:
            raise BudgetOverrun("the time budget has run out")

    def _heed_wishes(self) -> None:
        wishes = self.journal.wishes()
        if wishes and wishes[-1][0] == "hold":
            wish = wishes[-1][1]
            raise Waiting(f"held by {wish.get('who', 'somebody')}: {wish.get('reason') or 'no reason given'}")

    def _watch(self, guard: Guard) -> None:
        now = self.clock.monotonic()
        if now - self._asked.get(guard.name, float("-inf")) < guard.every:
            return
        finding = found(guard.check)
        self._asked[guard.name] = self.clock.monotonic()
        if finding.verdict is Verdict.BLIND:
            since = self._blind_since.setdefault(guard.name, now)
            if now - since < GUARD_PATIENCE:
                return
        else:
            self._blind_since.pop(guard.name, None)
        if finding.verdict in (Verdict.FAIL, Verdict.BLIND):
            self._trip(guard, finding)

    def _trip(self, guard: Guard, finding: Finding) -> None:
        self.record("guard-failed", guard=guard.name, policy=guard.policy.value, seen=finding.seen)
        if guard.policy is not Policy.NOTIFY:
            hint = f" ({finding.hint})" if finding.hint else ""
            raise GuardTripped(f"guard {guard.name}: {finding.seen}{hint}", guard.policy)

    def deadline(self, seconds: float) -> Deadline:
        """`seconds` from now, or the end of the budget when that is earlier."""
        deadline = Deadline.after(seconds, self.clock)
        if self.budget is not None:
            deadline = deadline.within(self.budget.remaining())
        return deadline

    def looking(self, item: str, seen: str, deadline: Deadline) -> None:
        """Shows what a wait sees right now; nothing is recorded."""
        self._show(Event("looking", {"item": item, "seen": seen, "left": deadline.remaining()}))


def found(check: Check) -> Finding:
    """What the check says; anything raised means that nothing was seen: blind."""
    try:
        return check.look()
    except Unreachable as error:
        return Finding.blind(error.message)
    except CutoverError:
        raise
    except Exception as error:  # noqa: BLE001 - an adapter's leak must end as a finding, or a window would stay shut
        return Finding.blind(reason(error))


def reason(error: BaseException) -> str:
    """An error in one line: our own message, or the technology's with its type."""
    if isinstance(error, CutoverError):
        return error.message
    return f"{type(error).__name__}: {str(error).strip()}"
