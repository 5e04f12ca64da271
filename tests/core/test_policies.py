"""What a failed gate, a guard, an overrun and an operator's word start outside the window."""

from dataclasses import replace

import pytest
from toy_plan import BACK, END, plan, world
from toy_world import Ask, Put, World, ill

from cutover.core.errors import (
    BudgetOverrun,
    CutoverError,
    GateFailed,
    Interrupted,
    RollbackIncomplete,
    RolledBack,
    Unexpected,
    Waiting,
)
from cutover.core.gate import Finding, Guard, Policy
from cutover.core.plan import Phase, Plan


def gate_fails(w: World, policy: Policy) -> Plan:
    return plan(w, {"soak-50": ill()}, soak_50=policy)


def guard_fails(w: World, policy: Policy) -> Plan:
    check = Ask(lambda: Finding.failed("ill") if w.values["share"] == 50 else Finding.passed("well"))
    return plan(w, guards=(Guard(name="g", check=check, policy=policy, every=0.0),))


def too_slow(w: World, policy: Policy) -> Plan:
    slow = plan(w, {"soak-50": Ask(lambda: w.clock.sleep(2) or Finding.passed("well"))})  # type: ignore[func-returns-value]
    return replace(
        slow, phases=tuple(replace(p, budget=1.5, overrun=policy) if p.name == "shift-50" else p for p in slow.phases)
    )


@pytest.mark.parametrize("begin", [gate_fails, guard_fails, too_slow])
@pytest.mark.parametrize(
    ("policy", "error", "code", "share"),
    [
        (Policy.HOLD, Waiting, 8, 50),
        (Policy.FREEZE, Waiting, 8, 50),
        (Policy.PREVIOUS_PHASE, Waiting, 8, 10),
        (Policy.ROLLBACK, RolledBack, 6, 0),
        (Policy.STOP, CutoverError, 1, 50),
        (Policy.NOTIFY, None, 0, 100),
    ],
)
def test_each_policy(begin: object, policy: Policy, error: type[CutoverError] | None, code: int, share: int) -> None:
    w = world()
    run = w.run(begin(w, policy)).run  # type: ignore[operator]
    if error is None:
        assert run.forward() == "done"
        assert w.values == END and {"noted", "guard-failed", "overrun"} & set(w.kinds())
        assert run.forward() == "nothing"
        return
    with pytest.raises(error) as stopped:
        run.forward()
    assert stopped.value.exit_code == code
    assert w.values["share"] == share
    assert (w.values["blue"] == "open") is (policy is Policy.ROLLBACK)
    if policy is Policy.ROLLBACK:
        assert w.values == BACK


def two_hosts(w: World, policy: Policy) -> Plan:
    """Two hostnames in each shift; the second one's comes after the first one's."""
    w.values["other"] = 0

    def second(phase: Phase) -> Phase:
        if not phase.name.startswith("shift-"):
            return phase
        share = phase.items[0]
        assert isinstance(share, Put)
        other = replace(share, name=share.name.replace("share", "other"), key="other")
        return replace(phase, on_failure=policy, items=(share, other, *phase.items[1:]))

    whole = plan(w)
    return replace(whole, phases=tuple(second(phase) for phase in whole.phases))


@pytest.mark.parametrize("fault", ["before", "nothing", "unreachable"])
@pytest.mark.parametrize(
    ("policy", "error", "code", "shares"),
    [
        (Policy.HOLD, Waiting, 8, (50, 10)),
        (Policy.PREVIOUS_PHASE, Waiting, 8, (10, 10)),
        (Policy.ROLLBACK, RolledBack, 6, (0, 0)),
        (Policy.STOP, CutoverError, 1, (50, 10)),
    ],
)
def test_a_step_that_fails_in_a_shift_starts_what_the_phase_says(
    fault: str, policy: Policy, error: type[CutoverError], code: int, shares: tuple[int, int]
) -> None:
    w = world()
    both = two_hosts(w, policy)
    if fault == "unreachable":
        w.run(both).run.forward(until="shift-10")
        w.unreachable["other"] = 30
    else:
        w.faults["other=50"] = [fault]
    with pytest.raises(error) as stopped:
        w.run(both).run.forward()
    assert stopped.value.exit_code == code
    assert (w.values["share"], w.values["other"]) == shares
    assert (w.values["blue"] == "open") is (policy is Policy.ROLLBACK)
    w.unreachable.clear()
    if policy is not Policy.ROLLBACK:
        assert w.run(both).run.resume() == "done"


def test_what_somebody_else_changed_in_a_shift_is_answered_by_no_change() -> None:
    w = world()
    both = two_hosts(w, Policy.ROLLBACK)
    w.faults["other=50"] = ["stray"]
    with pytest.raises(Unexpected):
        w.run(both).run.forward()
    assert (w.values["share"], w.values["other"], w.values["green"]) == (50, "stray", "open")


def test_a_way_back_from_a_failed_shift_that_fails_too_says_what_remains() -> None:
    w = world()
    both = two_hosts(w, Policy.ROLLBACK)
    w.faults |= {"other=50": ["before"], "share=0": ["before"] * 1000}
    with pytest.raises(
        RollbackIncomplete, match="(?s)these commands remain.*put share 0.*switch to open/fenced"
    ) as stuck:
        w.run(both).run.forward()
    assert stuck.value.exit_code == 7


def test_only_a_policy_for_failed_steps_that_is_set_changes_the_digest() -> None:
    w = world()
    plain = plan(w)
    assert "on_failure" not in str(plain.describe()) and plain.digest() == plan(w).digest()
    phases = tuple(replace(phase, on_failure=Policy.ROLLBACK) for phase in plain.phases)
    assert replace(plain, phases=phases).digest() != plain.digest()


def test_the_errors_of_stop_are_their_own() -> None:
    for begin, error in ((gate_fails, GateFailed), (too_slow, BudgetOverrun)):
        w = world()
        with pytest.raises(error):
            w.run(begin(w, Policy.STOP)).run.forward()


def test_after_previous_phase_the_step_and_its_soak_are_taken_again() -> None:
    w = world()
    with pytest.raises(Waiting):
        w.run(gate_fails(w, Policy.PREVIOUS_PHASE)).run.forward()
    soaks = [e.data["gate"] for e in w.store.kept if e.kind == "passed"]
    assert "soak-10" in soaks and "soak-50" not in soaks
    assert w.run(plan(w, soak_50=Policy.PREVIOUS_PHASE)).run.resume() == "done"
    assert w.ran.count("share=50") == 2 and w.values == END


def test_a_hold_wish_stops_at_a_boundary_outside_the_window_and_resume_lifts_it() -> None:
    w = world()
    w.clock.later(1.0, lambda: w.store.wish("r1", "hold", {"who": "ann", "reason": "lunch"}))
    with pytest.raises(Waiting, match="held by ann: lunch") as waiting:
        w.run(plan(w)).run.forward()
    assert waiting.value.exit_code == 8
    with pytest.raises(Waiting):
        w.run(plan(w)).run.resume()
    w.store.wish("r1", "resume", {})
    assert w.run(plan(w)).run.resume() == "done"


def test_a_hold_wish_inside_the_window_waits_for_its_end_and_never_stops_a_way_back() -> None:
    w = world()
    ask = Ask(lambda: w.store.wish("r1", "hold", {"who": "ann"}) or Finding.passed("well"))  # type: ignore[func-returns-value]
    with pytest.raises(Waiting, match="held by ann: no reason given"):
        w.run(plan(w, {"lag": ask})).run.forward()
    assert (w.values["green"], w.values["maintenance"], w.values["share"]) == ("open", "off", 0)
    assert w.run(plan(w)).run.back(reason="r") == "rolled-back"


def test_an_interrupt_in_a_wait_ends_at_a_boundary_and_the_soak_goes_on_later() -> None:
    w = world()
    started = w.run(plan(w))
    w.clock.later(2.0, lambda: started.interrupt.set(15))
    with pytest.raises(Interrupted) as stop:
        started.run.forward()
    assert stop.value.exit_code == 143 and w.kinds()[-1] == "leg-ended"
    assert w.run(plan(w)).run.resume() == "done"
    assert w.ran.count("share=10") == 1 and w.values == END


def test_a_failing_rollback_guard_does_not_stop_the_rollback_that_it_started() -> None:
    w = world()
    check = Ask(lambda: Finding.failed("ill") if "share=50" in w.ran else Finding.passed("well"))
    with pytest.raises(RolledBack):
        w.run(plan(w, guards=(Guard(name="g", check=check, policy=Policy.ROLLBACK, every=0.0),))).run.forward()
    assert w.values == BACK


def test_rolled_back_to_a_phase_and_then_further() -> None:
    w = world()
    w.run(plan(w)).run.forward()
    assert w.run(plan(w)).run.back(reason="r", to="shift-10") == "undone"
    assert (w.values["share"], w.values["green"]) == (10, "open")
    assert w.run(plan(w)).run.back(reason="r", to="prepare") == "undone"
    assert (w.values["share"], w.values["green"], w.values["ttl"]) == (0, "fenced", 5)
    assert w.run(plan(w)).run.back(reason="r") == "rolled-back"
    assert w.values == BACK
    assert w.run(plan(w)).run.forward() == "done"


def test_trying_a_step_again_on_the_way_back_ends_when_patience_does() -> None:
    """However long a step may take: a person has to know by then."""
    w = World(values={"k": "a"})
    step = Put(name="put", key="k", before="a", after="b", settle=100.0, world=w)
    only = Plan(name="cutover", environment="toy", phases=(Phase(name="only", owner="me", items=(step,)),))
    w.run(only).run.forward()
    w.faults["k=a"] = ["nothing"] * 50
    began = w.clock.monotonic()
    with pytest.raises(RollbackIncomplete):
        w.run(only, patience=120.0).run.back(reason="test")
    assert w.clock.monotonic() - began == pytest.approx(120.0, abs=5.0)
