"""What is watched at every boundary and during every wait: interrupts, holds, guards, the budget."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from cutover.core.clock import Backoff, Deadline, Interrupt
from cutover.core.errors import BudgetOverrun, CutoverError, Waiting
from cutover.core.gate import Verdict
from cutover.core.guarding import Guarding, GuardTripped, found, reason
from cutover.core.journal import Entry
from cutover.core.moment import Standing
from cutover.core.telling import heard, noted

__all__ = ["Event", "GuardTripped", "InterruptRequested", "Listener", "Watch", "found", "reason"]


class InterruptRequested(CutoverError):
    """The operator asked to stop; raised at a journal boundary only."""


@dataclass(frozen=True)
class Event:
    """Something to show: a journal entry, or (kind `looking`) what a wait sees right now."""

    kind: str
    data: Mapping[str, Any]


Listener = Callable[[Event], None]


@dataclass
class Watch(Guarding):
    """Records and shows what happens in one run, and watches interrupts, holds, guards and the budget while it waits.

    `detached`: where only time or a person is waited for, the walk ends and is gone on with later.
    """

    interrupt: Interrupt
    listen: Listener
    budget: Deadline | None = None
    until: Deadline | None = None
    heed_interrupts: bool = True
    detached: bool = False

    def record(self, kind: str, **data: Any) -> None:
        """Appends to the journal and shows it."""
        with self._undisturbed():
            self.journal.append(kind, **data)
        about = data.get("step") or data.get("gate") or data.get("guard")
        if about:
            self._begun[f"{kind}:{about}"] = self.clock.monotonic()
        self._show(Event(kind, data))

    def show_entry(self, entry: Entry) -> None:
        """Shows what is in the journal already."""
        self._show(Event(entry.kind, entry.data))

    def _show(self, event: Event) -> None:
        # A closed terminal or pipe must not end a write pause half-way.
        with suppress(OSError, ValueError):
            self.listen(event)

    def breathe(self) -> None:
        """What is looked at before every step and during every wait; raises what must stop the walk."""
        if self.heed_interrupts and self.interrupt.signal_number is not None:
            raise InterruptRequested("interrupted")
        with self._undisturbed():
            if self.holdable:
                self.heed_wishes()
            self.ask_guards()
        if self.budget is not None and self.budget.expired:
            raise BudgetOverrun("the time budget has run out")

    def stand_still(self) -> bool:
        """Waits as long as a guard wants the run to stand still, and goes on to watch; returns whether it has waited."""
        stood, held = False, ""
        backoff = Backoff(self.clock, first=0.05)
        while self.journal.position().standing or (held := self._held()):
            stood = True
            with self._undisturbed():
                self.end_standing()
            standing = self.journal.position().standing
            for still in standing.values():
                self._show(Event("looking", {"item": still.guard, **self._told_of(still)}))
            if not standing and held:
                self._show(Event("looking", {"item": "hold", "seen": f"held by {held}", "left": 0.0}))
            if standing and self.detached:
                raise Waiting("stands still: " + "; ".join(f"{one.guard}: {one.seen}" for one in standing.values()))
            self.breathe()
            if standing or held:
                backoff.pause()
        return stood

    def _held(self) -> str:
        if not self.stays or not self.holdable:
            return ""
        kind, why = self.asked_of_us()
        return why if kind == "hold" else ""

    def _told_of(self, still: Standing) -> dict[str, Any]:
        """What changes while it stands still, and (`about`) what it is about: that needs to be shown once."""
        found, left = self._found.get(still.guard), self.left_of(still)
        well = "well now" if found is not None and found.verdict is Verdict.PASS else "not well yet"
        then = "stands still until a person says to go on" if left is None else f"investigate, then {still.then}"
        return {
            "seen": f"{then}: {well}",
            "about": found.seen if found is not None else still.seen,
            "left": left or 0.0,
        }

    def deadline(self, seconds: float) -> Deadline:
        """`seconds` from now, or the end of the budget or of all patience (`until`) when that is earlier."""
        deadline = Deadline.after(seconds, self.clock)
        for end in (self.budget, self.until):
            if end is not None:
                deadline = deadline.within(end.remaining())
        return deadline

    @contextmanager
    def _undisturbed(self) -> Iterator[None]:
        # A store or a guard may wait for its own calls. Stopping inside would leave an entry that may or may not be written,
        # and asking the guards, or writing down what is tried again, would come back to here.
        with heard(self._aside), noted(_unrecorded):
            yield

    def _aside(self, seen: str) -> None:
        self._show(Event("looking", {"item": "meanwhile", "seen": seen, "left": 0.0}))

    @contextmanager
    def counting(self, **item: str) -> Iterator[None]:
        """Records the first trouble of each call that the body makes more than once, and at the end how often that was."""
        times: dict[str, int] = {}

        def note(call: str, why: str) -> None:
            times[call] = times.get(call, 0) + 1
            if times[call] == 1:
                self.record("call-failed", **item, call=call, error=why)

        def count() -> None:
            if any(often > 1 for often in times.values()):
                self.record("calls-repeated", **item, times=times)

        with noted(note):
            try:
                yield
            except Exception:
                with suppress(CutoverError):  # it must not hide what ended the item
                    count()
                raise
        count()

    def looking(self, item: str, seen: str, deadline: Deadline) -> None:
        """Shows what a wait sees right now; nothing is recorded."""
        self._show(Event("looking", {"item": item, "seen": seen, "left": deadline.remaining()}))


def _unrecorded(call: str, why: str) -> None:
    """What is tried again while something is written down is not written down itself."""
