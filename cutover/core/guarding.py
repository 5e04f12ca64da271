"""What a guard's finding starts: nothing, a word, standing still under watch, or the end of the walk."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cutover.core.clock import Clock
from cutover.core.errors import CutoverError, Unreachable, Waiting
from cutover.core.gate import Check, Finding, Guard, Policy, Verdict
from cutover.core.journal import Entry, Journal, Position
from cutover.core.moment import Standing, knew


class GuardTripped(CutoverError):
    """A guard failed, or a person `asked` for what one starts; `policy` says what that is, `to` how far back where that was said."""

    def __init__(self, message: str, policy: Policy, *, asked: bool = False, to: str = "") -> None:
        super().__init__(message)
        self.policy, self.asked, self.to = policy, asked, to


@dataclass
class Guarding(ABC):
    """Asks the guards, and remembers by the journal what they started."""

    journal: Journal
    clock: Clock
    guards: tuple[Guard, ...] = field(default=(), kw_only=True)
    holdable: bool = field(default=True, kw_only=True)
    stays: bool = field(default=False, kw_only=True)
    """What holds the run does not end it: it stands still, and goes on to be watched."""
    stands_by: bool = field(default=False, kw_only=True)
    """The run has stopped and is only watched: what freezes it is told once, and not at every look."""
    _frozen: set[str] = field(default_factory=set, kw_only=True)
    _asked: dict[str, float] = field(default_factory=dict, kw_only=True)
    _unknown_since: dict[tuple[str, Verdict], float] = field(default_factory=dict, kw_only=True)
    _found: dict[str, Finding] = field(default_factory=dict, kw_only=True)
    _begun: dict[str, float] = field(default_factory=dict, kw_only=True)
    _first_look: dict[str, float] = field(default_factory=dict, kw_only=True)

    @abstractmethod
    def record(self, kind: str, **data: Any) -> None:
        """Appends to the journal and shows it."""

    @abstractmethod
    def show_entry(self, entry: Entry) -> None:
        """Shows what is in the journal already."""

    def ask_guards(self) -> None:
        """Asks each guard whose turn it is; raises GuardTripped."""
        phase = self.journal.position().phase
        for guard in self.guards:
            if not guard.during or phase in guard.during:
                self._ask_guard(guard)

    def _ask_guard(self, guard: Guard) -> None:
        now = self.clock.monotonic()
        if now - self._asked.get(guard.name, float("-inf")) < guard.every:
            return
        written = self.journal.length
        finding = self._found[guard.name] = found(guard.check)
        if self.journal.length > written:
            for entry in self.journal.entries()[written:]:  # by the check itself, as a checkpoint does
                self.show_entry(entry)
        self._asked[guard.name] = self.clock.monotonic()
        if finding.verdict is Verdict.PASS:
            self._is_well(guard, finding)
        policy = guard.starts(finding.verdict)
        if policy is not None and self._lasts(guard, finding.verdict, now):
            self._trip(guard, finding, policy)

    def _lasts(self, guard: Guard, verdict: Verdict, now: float) -> bool:
        """Whether what is not known has not been known for the guard's patience; a failure needs no patience."""
        for other in (Verdict.BLIND, Verdict.INSUFFICIENT):
            if other is not verdict:
                self._unknown_since.pop((guard.name, other), None)
        if verdict is Verdict.FAIL:
            return True
        return now - self._unknown_since.setdefault((guard.name, verdict), now) >= guard.patience

    def _is_well(self, guard: Guard, finding: Finding) -> None:
        for verdict in (Verdict.BLIND, Verdict.INSUFFICIENT):
            self._unknown_since.pop((guard.name, verdict), None)
        self._frozen.discard(guard.name)
        position = self.journal.position()
        if guard.name in position.noticed | position.borne:
            self.record("guard-cleared", guard=guard.name, seen=finding.seen)

    def _trip(self, guard: Guard, finding: Finding, policy: Policy) -> None:
        position = self.journal.position()
        investigated = guard.investigate > 0 and finding.verdict is Verdict.FAIL
        if guard.name in position.borne:
            return
        if policy is Policy.NOTIFY and not investigated:
            if guard.name not in position.noticed:
                self.record("guard-failed", guard=guard.name, policy=policy.value, seen=finding.seen)
            return
        stands = guard.stands or (self.stays and self.holdable)
        if investigated or (stands and policy is Policy.HOLD):
            if guard.name not in position.standing:
                seconds = guard.investigate if investigated else None
                self.record("standing", guard=guard.name, seen=finding.seen, seconds=seconds, then=policy.value)
            return
        if policy is Policy.FREEZE:
            if self.stands_by and guard.name in self._frozen:
                return
            self._frozen.add(guard.name)
        self._fail(guard.name, finding, policy)

    def _fail(self, name: str, finding: Finding, policy: Policy) -> None:
        self.record("guard-failed", guard=name, policy=policy.value, seen=finding.seen)
        if policy is not Policy.NOTIFY:
            hint = f" ({finding.hint})" if finding.hint else ""
            raise GuardTripped(f"guard {name}: {finding.seen}{hint}", policy)

    def end_standing(self) -> None:
        """Ends what the run has stood still for long enough, or goes on with as a person said; raises GuardTripped."""
        for still in self.journal.position().standing.values():
            word = self._word_to_go_on(still)
            if word is not None:
                self.record("standing-ended", guard=still.guard, outcome="borne", **word)
            elif self.left_of(still) == 0.0:
                self._decide(still)

    def _word_to_go_on(self, still: Standing) -> dict[str, str] | None:
        for kind, word in reversed(self.journal.wishes()):
            if kind == "resume" and word.get("reason") and knew(word, still.since):
                return {"who": str(word.get("who", "somebody")), "reason": str(word["reason"])}
        return None

    def left_of(self, still: Standing) -> float | None:
        """Seconds until what comes after the investigation; None where a person decides."""
        if still.seconds is None:
            return None
        return max(0.0, still.seconds - self.elapsed(still.at, f"standing:{still.guard}"))

    def elapsed(self, begun: float, *marks: str) -> float:
        """Seconds since the recorded moment `begun`; the marks are the entries (`kind:name`) that stand for it.

        A wall clock that jumps must neither shorten nor stretch a wait that this process itself has seen begin; one from an
        earlier process is known by wall time alone, but began no later than our first look at it.
        """
        now = self.clock.monotonic()
        seen = [now - self._begun[mark] for mark in marks if mark in self._begun]
        if seen:
            return min(seen)
        first = self._first_look.setdefault(f"{marks[0]}:{begun}", now)
        return max(self.clock.now() - begun, now - first)

    def _decide(self, still: Standing) -> None:
        guard = next((guard for guard in self.guards if guard.name == still.guard), None)
        if guard is None:
            finding = Finding.blind("it is not asked here any more")  # nobody saw that it is well
        else:
            finding = self._found.get(still.guard) or found(guard.check)
        if finding.verdict is Verdict.PASS:
            self.record("standing-ended", guard=still.guard, outcome="well", seen=finding.seen)
            return
        self.record("standing-ended", guard=still.guard, outcome="not well", seen=finding.seen)
        self._fail(still.guard, finding, Policy(still.then))

    def heed_wishes(self) -> None:
        """Does what another terminal asked for: raises Waiting for a hold, GuardTripped for a way back."""
        kind, word = unheeded(self.journal.wishes(), self.journal.position())
        why = _by(word)
        if kind == "hold" and not self.stays:
            raise Waiting(f"held by {why}")
        if kind == "rollback":
            raise GuardTripped(f"asked for by {why}", Policy.ROLLBACK, asked=True)
        if kind == "previous-phase":
            raise GuardTripped(f"asked for by {why}", Policy.PREVIOUS_PHASE, asked=True, to=str(word.get("to", "")))

    def asked_of_us(self) -> tuple[str, str]:
        """The newest word of another terminal, `hold`, `resume`, `previous-phase`, `rollback` or none, and by whom and why."""
        kind, word = unheeded(self.journal.wishes(), self.journal.position())
        return kind, _by(word) if kind else ""


def unheeded(wishes: Sequence[tuple[str, Mapping[str, Any]]], position: Position) -> tuple[str, Mapping[str, Any]]:
    """The word that says whether the run at `position` goes on; one phase back was heeded once a way back has begun since."""
    kind, word = last_asked(wishes)
    backs = [leg.seq for leg in position.legs if leg.direction == "back"]
    if kind == "previous-phase" and any(seq > int(word.get("leg") or 0) for seq in backs):
        return "", {}
    return kind, word


def last_asked(wishes: Sequence[tuple[str, Mapping[str, Any]]]) -> tuple[str, Mapping[str, Any]]:
    """The newest of the words that say whether a run goes on; empty where there is none.

    To go all the way back is taken back by `resume` alone: who asks for less does not know of it.
    """
    last: tuple[str, Mapping[str, Any]] = ("", {})
    for kind, word in wishes:
        if kind in ("resume", "rollback") or (kind in ("hold", "previous-phase") and last[0] != "rollback"):
            last = kind, word
    return last


def _by(word: Mapping[str, Any]) -> str:
    return f"{word.get('who', 'somebody')}: {word.get('reason') or 'no reason given'}"


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
