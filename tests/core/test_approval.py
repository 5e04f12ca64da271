"""Gates that people open: who said what, when it counts, and what goes on being watched meanwhile."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from toy_plan import BACK, END, plan, world
from toy_world import Ask, Started, World, killed_at

from cutover.core.errors import RolledBack, Waiting
from cutover.core.gate import Finding, Gate, Guard, Policy
from cutover.core.journal import Journal
from cutover.core.plan import Plan
from cutover.plans.approval import Approved

ROLES = (("decision", "head of operations"), ("database", "database on-call"))


@dataclass
class Seen:
    """What of the means an approval asks for."""

    journals: list[Journal] = field(default_factory=list)

    def journal(self) -> Journal | None:
        return self.journals[-1] if self.journals else None


def asking(w: World, seen: Seen, *, guards: tuple[Guard, ...] = (), **words: Any) -> Plan:
    """The toy plan, whose last shift waits for two people."""
    two = words.pop("different_people", False)
    check = Approved(
        gate="go",
        environment="toy",
        roles=ROLES,
        different_people=two,
        criteria="errors",
        means=seen,  # type: ignore[arg-type]
    )
    gate = Gate(name="go", check=check, **{"deadline": 3600.0, "on_fail": Policy.ROLLBACK, "detaches": True, **words})
    whole = plan(w, guards=guards)
    phases = tuple(replace(p, items=(gate, *p.items)) if p.name == "shift-100" else p for p in whole.phases)
    return replace(whole, phases=phases)


def started(w: World, seen: Seen, the_plan: Plan) -> Started:
    begun = w.run(the_plan)
    seen.journals.append(begun.run.journal)
    return begun


def says(w: World, kind: str, role: str, who: str = "ann", **word: str) -> None:
    w.store.wish("r1", kind, {"who": who, "at": w.clock.now(), "gate": "go", "role": role, **word})


def both_say_yes(w: World) -> None:
    says(w, "approve", "decision")
    says(w, "approve", "database")


def passed(w: World) -> dict[str, Any]:
    return next(dict(e.data) for e in w.store.kept if e.kind == "passed" and e.data["gate"] == "go")


def test_it_waits_for_every_role_and_records_who_said_what() -> None:
    w, seen = world(), Seen()
    run = started(w, seen, asking(w, seen)).run
    w.clock.later(60, lambda: says(w, "approve", "decision", comment="figures are well"))
    w.clock.later(120, lambda: says(w, "approve", "database", who="bob"))
    assert run.forward() == "done" and w.values == END
    signed = passed(w)["data"]["signed"]
    assert [(one["who"], one["role"]) for one in signed] == [("ann", "decision"), ("bob", "database")]
    waits = [e.data["seen"] for e in w.store.kept if e.kind == "waiting" and e.data["gate"] == "go"]
    assert "decision (head of operations) and database (database on-call)" in waits[0] and "errors" in waits[0]
    assert "waits for database" in waits[1] and "ann for decision: figures are well" in waits[1]


def test_a_no_starts_what_the_environment_says() -> None:
    w, seen = world(), Seen()
    w.clock.later(60, lambda: says(w, "reject", "database", comment="lag grows"))
    with pytest.raises(RolledBack, match="ann says no for database: lag grows"):
        started(w, seen, asking(w, seen)).run.forward()
    assert w.values == BACK


def test_who_said_no_can_say_yes_and_nobody_else_for_them() -> None:
    w, seen = world(), Seen()
    the_plan = asking(w, seen, on_fail=Policy.HOLD)
    w.clock.later(60, lambda: says(w, "reject", "database", comment="lag grows"))
    with pytest.raises(Waiting, match="lag grows"):
        started(w, seen, the_plan).run.forward()
    says(w, "approve", "decision")
    with pytest.raises(Waiting, match="lag grows"):
        started(w, seen, the_plan).run.resume()
    says(w, "approve", "database", comment="lag is gone")
    assert started(w, seen, the_plan).run.resume() == "done"
    assert w.values == END


def test_what_was_said_before_the_question_does_not_count_and_a_stranger_neither() -> None:
    w, seen = world(), Seen()
    says(w, "approve", "decision")
    says(w, "approve", "database")
    w.clock.later(60, lambda: says(w, "approve", "traffic"))
    with pytest.raises(Waiting, match="waits for decision"):
        begun = started(w, seen, asking(w, seen, on_timeout=Policy.HOLD, deadline=300.0))
        begun.run.forward()
    assert w.values["share"] == 50


def test_two_roles_are_two_people_where_that_is_wanted() -> None:
    w, seen = world(), Seen()
    w.clock.later(60, lambda: says(w, "approve", "decision"))
    w.clock.later(61, lambda: says(w, "approve", "database"))
    w.clock.later(400, lambda: says(w, "approve", "database", who="bob"))
    began = w.clock.mono
    assert started(w, seen, asking(w, seen, different_people=True)).run.forward() == "done"
    assert w.clock.mono - began >= 400


def test_a_way_back_asks_anew() -> None:
    w, seen = world(), Seen()
    the_plan = asking(w, seen)
    w.clock.later(60, lambda: both_say_yes(w))
    started(w, seen, the_plan).run.forward(until="shift-100")
    started(w, seen, the_plan).run.back(reason="look again", to="shift-50")
    begun = started(w, seen, the_plan)
    begun.run.walker.detached = True
    with pytest.raises(Waiting, match="go: .*waits for decision"):
        begun.run.forward()


@pytest.mark.parametrize("away", [100.0, 7200.0])
def test_its_time_goes_on_while_nobody_walks_the_run(away: float) -> None:
    w, seen = world(), Seen()
    the_plan = asking(w, seen, on_timeout=Policy.ROLLBACK)
    begun = started(w, seen, the_plan)
    begun.run.walker.detached = True
    with pytest.raises(Waiting):
        begun.run.forward()
    asked = w.clock.mono
    w.clock.sleep(away)
    with pytest.raises(RolledBack, match="not satisfied within 3600 s"):
        started(w, seen, the_plan).run.resume()
    assert w.clock.mono - asked >= max(3600.0, away) and w.clock.mono - asked < max(3600.0, away) + 120
    assert w.values == BACK


def test_while_it_waits_for_people_a_trigger_still_goes_back() -> None:
    w, seen = world(), Seen()
    ill: list[bool] = []
    check = Ask(lambda: Finding.failed("12 % errors") if ill else Finding.passed("0 %"))
    guard = Guard(name="errors", check=check, policy=Policy.ROLLBACK, during=("shift-100",))
    w.clock.later(600, lambda: ill.append(True))
    with pytest.raises(RolledBack, match="guard errors: 12 % errors"):
        started(w, seen, asking(w, seen, guards=(guard,))).run.forward()
    assert w.values == BACK


def test_killed_anywhere_around_the_answer_it_is_heard_once() -> None:
    for number in range(600):
        w, seen = world(), Seen()
        the_plan = asking(w, seen)
        w.clock.later(60, lambda w=w: both_say_yes(w))  # type: ignore[misc]

        def go(w: World = w, seen: Seen = seen, the_plan: Plan = the_plan) -> None:
            run = started(w, seen, the_plan).run
            run.resume() if w.store.kept else run.forward()

        name = killed_at(number, go)
        if name is None:
            return
        go()
        if w.values != END:
            go()
        assert w.values == END, name
        assert len([e for e in w.store.kept if e.kind == "passed" and e.data["gate"] == "go"]) <= 1, name
    raise AssertionError("there are more points than this test tries")
