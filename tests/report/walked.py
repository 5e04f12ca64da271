"""Runs that were really walked over the toy plan, with every way to end, and their reports."""

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "core"))

from toy_plan import plan, world
from toy_world import Ask, Put, Started, World, ill, killed_at, well

from cutover.core.errors import CutoverError
from cutover.core.gate import Finding, Gate, Guard, Policy
from cutover.core.journal import Entry, Journal
from cutover.core.plan import Plan
from cutover.core.run import Run
from cutover.core.share import Share
from cutover.plans.approval import Approved
from cutover.report.document import Gathered, document
from cutover.run_views import RunView, runs_of

__all__ = ["Ask", "Finding", "Guard", "Policy", "Put", "Walked", "ill", "killed_at", "well"]

ROLES = (("decision", "head of operations"), ("database", "database on-call"))


@dataclass
class Seen:
    """What of the means an approval asks for."""

    journals: list[Journal] = field(default_factory=list)

    def journal(self) -> Journal | None:
        return self.journals[-1] if self.journals else None


@dataclass
class Walked:
    """One toy world and its plan; `go` walks as a command does, and takes up what was begun."""

    guards: Callable[[World], tuple[Guard, ...]] = lambda w: ()
    checks: dict[str, Any] = field(default_factory=dict)
    asks: bool = False
    policies: dict[str, Policy] = field(default_factory=dict)
    world: World = field(default_factory=world)
    seen: Seen = field(default_factory=Seen)

    def __post_init__(self) -> None:
        self.world.values["share"] = Share.of(0)

    @property
    def plan(self) -> Plan:
        whole = plan(self.world, checks=self.checks, guards=self.guards(self.world), **self.policies)
        phases = tuple(replace(one, items=tuple(map(_in_percent, one.items))) for one in whole.phases)
        if self.asks:
            check = Approved(gate="go", environment="toy", roles=ROLES, criteria="errors", means=self.seen)  # type: ignore[arg-type]
            gate = Gate(name="go", check=check, deadline=3600.0, on_fail=Policy.ROLLBACK, detaches=True)
            phases = tuple(replace(one, items=(gate, *one.items)) if one.name == "shift-100" else one for one in phases)
        return replace(whole, phases=phases)

    def go(self, action: Callable[[Run], Any] = Run.forward, *, detached: bool = False) -> Started:
        started = self.world.run(self.plan)
        self.seen.journals.append(started.run.journal)
        started.run.walker.detached = detached
        with suppress(CutoverError):
            action(started.run)
        return started

    def killed(self, place: int) -> str:
        """Walks until it dies at that kill point; which one that was."""
        died = killed_at(place, self.go)
        assert died is not None
        return died

    def says(self, kind: str, role: str = "", who: str = "ann", **word: str) -> None:
        about = {"gate": "go", "role": role} if role else {}
        self.world.store.wish("r1", kind, {"who": who, "at": self.world.clock.now(), **about, **word})

    @property
    def entries(self) -> list[Entry]:
        """The entries, sealed as a store would have sealed them."""
        sealed: list[Entry] = []
        for one in self.world.store.kept:
            prev = sealed[-1].hash if sealed else "0" * 64
            hash_ = Entry.seal(one.seq, one.run, one.at, one.token, one.kind, one.data, prev)
            sealed.append(replace(one, prev=prev, hash=hash_))
        return sealed

    @property
    def view(self) -> RunView:
        self.world.store.kept[:] = self.entries
        (view,) = runs_of(self.world.store)  # type: ignore[arg-type]
        return view

    def report(self, **more: Any) -> dict[str, Any]:
        view = self.view
        now = self.world.clock.now()
        told = {"since": view.began - 30.0, "until": now, "wishes": self.world.store.words, **more}
        return document(view, self.plan, Gathered(environment="toy", description="A toy", **told), now)


def _in_percent(item: Any) -> Any:
    """Shares as the real carriers have them."""
    if getattr(item, "key", "") != "share":
        return item
    return replace(item, before=Share.of(item.before), after=Share.of(item.after))


def errors(w: World, *, at: int, policy: Policy, investigate: float = 0.0, name: str = "errors") -> Guard:
    """A guard that fails once green has that share."""

    def look() -> Finding:
        share = w.values["share"]
        bad = share.percent >= at
        return Finding.failed(f"7 % errors at {share}", "look") if bad else Finding.passed("well")

    return Guard(
        name=name, check=Ask(look), policy=policy, every=0.1, during=("shift-10", "shift-50", "shift-100", "bake"),
        investigate=investigate, stands=True,
    )  # fmt: skip
