"""Checks, gates and guards: what must be seen before the plan goes on."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, ClassVar

from cutover.core.step import UNDO


class Verdict(Enum):
    """What a look says. `insufficient` means not yet, `blind` means nothing could be seen; only `fail` latches."""

    PASS = "pass"
    FAIL = "fail"
    INSUFFICIENT = "insufficient"
    BLIND = "blind"


class Policy(Enum):
    """What a failed gate or guard, or an overrun budget, starts."""

    NOTIFY = "notify"
    HOLD = "hold"
    PREVIOUS_PHASE = "previous-phase"
    ROLLBACK = "rollback"
    FREEZE = "freeze"
    UNDO = "undo"
    STOP = "stop"


@dataclass(frozen=True)
class Finding:
    """What a check saw, and a hint that mends it; `data` is for the record."""

    verdict: Verdict
    seen: str
    hint: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def passed(cls, seen: str, **data: Any) -> "Finding":
        return cls(Verdict.PASS, seen, data=data)

    @classmethod
    def failed(cls, seen: str, hint: str = "", **data: Any) -> "Finding":
        return cls(Verdict.FAIL, seen, hint, data)

    @classmethod
    def not_yet(cls, seen: str, hint: str = "", **data: Any) -> "Finding":
        return cls(Verdict.INSUFFICIENT, seen, hint, data)

    @classmethod
    def blind(cls, seen: str, hint: str = "") -> "Finding":
        return cls(Verdict.BLIND, seen, hint)


class Check(ABC):
    """One question with a finding as its answer; the class docstring says why it is asked."""

    writes: ClassVar[bool] = False

    @abstractmethod
    def look(self) -> Finding:
        """Looks once, within a bounded time; what cannot be seen is `blind`, never an exception of the technology."""

    @abstractmethod
    def shell(self) -> str:
        """The command with which a person asks the same."""

    @classmethod
    def why(cls) -> str:
        return inspect.getdoc(cls) or ""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A check that must pass before `deadline` seconds, and stay passed for `hold` seconds (a soak).

    `lapse` bears with a soak's trouble for so many seconds: what ends before leaves the soak as it was, and what lasts
    longer fails the gate at once. Without it every `insufficient` begins the soak anew, until all its time is over.
    Without `since` only the time counts in which a process watched; `since` names a step: the hold then counts by the clock,
    from the recorded time at which that step converged.
    `on_rollback` is the gate's face for the way back, which must stay passed for `hold_back` seconds; without one the
    way back does not ask.
    `on_fail` is what a failure starts, `on_timeout` what the end of its time starts where that is something else.
    `detaches`: what it waits for is time or a person; a run that was begun detached ends there, and is gone on with later.
    """

    name: str
    check: Check
    deadline: float = 60.0
    hold: float = 0.0
    lapse: float | None = None
    since: str | None = None
    on_rollback: Check | None = None
    hold_back: float = 0.0
    on_fail: Policy = Policy.STOP
    on_timeout: Policy | None = None
    detaches: bool = False
    undoes: tuple[str, ...] = ()

    def inverse(self) -> "Gate | None":
        """The gate for the way back, or None when it has no face for it."""
        if self.on_rollback is None:
            return None
        return replace(
            self,
            name=self.name + UNDO,
            check=self.on_rollback,
            on_rollback=None,
            hold=self.hold_back,
            hold_back=0.0,
            lapse=None,
            since=None,
            on_fail=Policy.STOP,
            on_timeout=None,
            detaches=False,
            undoes=(self.name,),
        )


@dataclass(frozen=True, kw_only=True)
class Guard:
    """A check that is asked before every step and during every wait, at most each `every` seconds; a failing one starts `policy`.

    `during` names the phases in which it is asked; without any it is asked in all of them.
    `investigate`: for so many seconds the run stands still first, and goes on to be watched; what is well at their end goes on.
    `stands`: with the policy `hold` the run stands still where it is, and goes on to be watched, until a person says to go on.
    Blind, or with too little to judge, for `patience` seconds it starts `on_blind` (without one: what a failure starts) or
    `on_insufficient` (without one it waits).
    """

    name: str
    check: Check
    policy: Policy
    every: float = 1.0
    during: tuple[str, ...] = ()
    investigate: float = 0.0
    stands: bool = False
    patience: float = 10.0
    on_blind: Policy | None = None
    on_insufficient: Policy | None = None

    def starts(self, verdict: Verdict) -> Policy | None:
        """What a verdict that lasts starts, None for nothing."""
        match verdict:
            case Verdict.FAIL:
                return self.policy
            case Verdict.BLIND:
                return self.on_blind or self.policy
            case Verdict.INSUFFICIENT:
                return self.on_insufficient
        return None

    def describe(self) -> dict[str, Any]:
        """The guard as plain data, for the plan's digest."""
        told = {
            "during": self.during,
            "investigate": self.investigate,
            "stands": self.stands,
            "on_blind": self.on_blind,
            "on_insufficient": self.on_insufficient,
        }
        return {
            "name": self.name,
            "policy": self.policy,
            "check": self.check.shell(),
            **{word: value for word, value in told.items() if value},
        }
