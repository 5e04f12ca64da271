"""What the bench makes of a fault's journal and of its customers' ledger; both are written by hand here."""

from collections.abc import Sequence
from typing import Any

import pytest

from cutover.bench.fault_seen import FaultSeen, seen_of
from cutover.bench.faults_of_green import FAULTS
from cutover.bench.figures import Figures, Reference, Spread
from cutover.bench.watching import FULL, QUICK, Round, chosen, lines_of
from cutover.core.errors import ConfigurationRefused
from cutover.core.journal import Entry

FAULT_AT = 1000.0
Lines = Sequence[dict[str, Any]]


def journal(*entries: tuple[float, str, dict[str, Any]]) -> list[Entry]:
    """Entries by seconds after the fault."""
    return [Entry(n, "run", FAULT_AT + at, 1, kind, data, "", "") for n, (at, kind, data) in enumerate(entries)]


def request(at: float, version: str | None, *, ok: bool = True, slow: bool = False) -> dict[str, Any]:
    return {"at": FAULT_AT + at, "ack": FAULT_AT + at + 0.1, "version": version, "ok": ok, "slow": slow}


def failed(at: float, guard: str, policy: str) -> tuple[float, str, dict[str, Any]]:
    return at, "guard-failed", {"guard": f"trigger-{guard}", "policy": policy, "seen": "much"}


def stood(at: float, guard: str, seconds: float | None = None, then: str = "hold") -> tuple[float, str, dict[str, Any]]:
    return at, "standing", {"guard": f"trigger-{guard}", "seconds": seconds, "then": then, "seen": "much"}


def undone(at: float, step: str) -> tuple[float, str, dict[str, Any]]:
    return at, "converged", {"step": f"{step}-undo", "undoes": [step], "seen": "0"}


BOTH_SHARES = (undone(6.5, "traffic-api-50"), undone(6.7, "traffic-shop-50"))
BACK = (*BOTH_SHARES, undone(7.5, "switchover"), (8.0, "leg-ended", {"outcome": "rolled-back"}))
WELL = [request(at, version) for at in (1.0, 4.0, 20.0) for version in ("v1", "v2")]
BLUE_AFTER = [
    request(-1.0, "v2", ok=False),
    request(2.0, "v2", ok=False),
    request(5.0, "v2", slow=True),
    request(20.0, "v1"),
]


def seen(name: str, entries: list[Entry], lines: Lines, **more: float) -> FaultSeen:
    return seen_of(FAULTS[name].documented, FAULT_AT, entries, lines, **more)


def test_a_rollback_is_complete_when_green_has_no_share_and_blue_the_writes() -> None:
    found = seen(
        "errors-12",
        journal(stood(4.0, "errors-1", 30.0, "rollback"), failed(6.0, "errors-2", "rollback"), *BACK),
        BLUE_AFTER,
    )
    assert found.wrong == ()
    assert (found.guard, round(found.verdict, 3), round(found.complete, 3)) == ("errors-2", 6.0, 7.5)
    assert (found.failed, found.slow, found.requests) == (1, 1, 3), "what ended before the fault is none of its"
    assert found.last_failed is not None and round(found.last_failed, 3) == 2.1
    assert found.green_last is not None and round(found.green_last, 3) == 5.1


def test_an_investigation_is_the_verdict_and_the_rollback_comes_after_it() -> None:
    ended = (36.0, "standing-ended", {"guard": "trigger-errors-1", "outcome": "not well", "seen": "7%"})
    later = [(at + 30, kind, data) for at, kind, data in BACK]
    entries = journal(stood(6.0, "errors-1", 30.0, "rollback"), ended, failed(36.0, "errors-1", "rollback"), *later)
    found = seen("errors-7", entries, [request(50.0, "v1")])
    assert (found.wrong, found.verdict, found.complete) == ((), 6.0, 37.5)


@pytest.mark.parametrize(
    ("name", "entries", "times"),
    [
        ("latency", (failed(5.0, "slower-than-blue", "previous-phase"), *BOTH_SHARES, (6.9, "leg-ended", {"outcome": "waiting"})), (5.0, 6.7)),
        ("leak", (stood(5.0, "leak"),), (5.0, 5.0)),
        ("silence", (stood(9.0, "payments"), stood(9.5, "errors-1")), (9.0, 9.0)),
        ("corruption", (failed(2.0, "integrity", "freeze"), (2.5, "leg-ended", {"outcome": "stopped"})), (2.0, 2.5)),
    ],
)  # fmt: skip
def test_other_actions_are_complete_as_they_are_documented(
    name: str, entries: tuple[tuple[float, str, dict[str, Any]], ...], times: tuple[float, float]
) -> None:
    found = seen(name, journal(*entries), BLUE_AFTER if name == "latency" else WELL)
    assert (found.wrong, (round(found.verdict, 3), round(found.complete, 3))) == ((), times)


def test_without_anybody_nothing_is_started_and_the_run_waits() -> None:
    waits = (15.0, "waiting", {"gate": "triggers-50", "verdict": "insufficient"})
    found = seen("nobody", journal(waits), [request(20.0, "v2")], undecided=FAULT_AT + 6)
    assert (found.wrong, found.verdict, found.complete, found.guard) == ((), 6.0, 15.0, "")
    found = seen("nobody", journal(failed(3.0, "errors-2", "rollback"), *BACK), [request(20.0, "v1")], undecided=FAULT_AT + 6)  # fmt: skip
    assert "errors-2 started rollback, documented is wait" in found.wrong


@pytest.mark.parametrize(
    ("name", "entries", "lines", "why"),
    [
        ("crash", (failed(2.0, "errors-2", "rollback"), *BACK), BLUE_AFTER, "errors-2 started rollback, documented is rollback by down"),
        ("crash", (failed(2.0, "down", "freeze"),), BLUE_AFTER, "down started freeze, documented is rollback by down"),
        ("leak", (failed(2.0, "leak", "rollback"), *BACK), BLUE_AFTER, "leak started rollback, documented is hold by leak"),
        ("crash", (failed(2.0, "down", "rollback"), *BOTH_SHARES), BLUE_AFTER, "rollback was not completed"),
        ("latency", (failed(2.0, "slower-than-blue", "previous-phase"), *BACK), BLUE_AFTER, "previous-phase was not completed"),
        ("crash", (), BLUE_AFTER, "nothing was decided"),
        ("crash", (failed(2.0, "down", "rollback"), *BACK), WELL, "green answered 1 of 2 requests that began later than 3 s after it had no share"),
        ("leak", (stood(2.5, "leak"),), BLUE_AFTER, "green answered none of 1 requests, and its share was to stay"),
        ("leak", (stood(2.0, "leak"),), WELL[:2], "no customer came afterwards"),
    ],
)  # fmt: skip
def test_what_is_not_as_documented_is_a_wrong_answer(
    name: str, entries: tuple[tuple[float, str, dict[str, Any]], ...], lines: Lines, why: str
) -> None:
    assert why in seen(name, journal(*entries), lines).wrong


def test_a_fault_has_three_lines_with_its_reference_and_its_target() -> None:
    rounds = [Round(FaultSeen("errors-2", at, at + 2, at + 1, at + 1, 10, 2, 400), 150, 0, 0) for at in (5.0, 6.0, 8.0)]
    waits = Reference("its `for`", Spread.of([2.0], "s"))
    verdict, action, customers = lines_of(FAULTS["errors-12"], rounds, waits, waits)
    assert verdict.cells()[:5] == ("errors at 12 %: verdict", "5 · 6 · 8 · 8 s", "its `for` 2 (2–2) s", "3.00", "")
    assert verdict.seen == "by errors-2" and verdict.met is None
    assert action.cells()[:6] == ("errors at 12 %: rollback", "7 · 8 · 10 · 10 s", "its `for` 2 (2–2) s", "4.00", "worst ≤ 120", "yes")  # fmt: skip
    assert "green's last answer to a customer 7 (6–9) s" in action.seen
    assert (
        customers.seen == "failed 10 (10–10) a time, 30 of 1200 requests, 6 slow; 450 acknowledged: 0 lost, 0 doubled"
    )
    slow = [Round(FaultSeen("errors-2", 5.0, 121.0, None, None, 0, 0, 400), 150, 0, 0)]
    _, action, customers = lines_of(FAULTS["errors-12"], slow, waits, waits)
    assert action.met is False and not action.failed and customers.ours is None
    assert action.seen == "green answered no customer any more"


def test_one_wrong_answer_fails_the_bench() -> None:
    wrong = Round(FaultSeen("leak", 5.0, 5.0, 1.0, None, 0, 0, 400), 150, 1, 0, ("1 lost and 0 doubled",))
    lines = list(lines_of(FAULTS["leak"], [wrong], Reference("no `for`"), Reference("no `for`")))
    assert all(line.failed for line in lines) and Figures("faults", "here", lines).failed
    assert lines[1].seen == "1 lost and 0 doubled" and "1 lost, 0 doubled" in lines[2].seen


def test_faults_are_chosen_by_name_and_rounds_are_counted() -> None:
    assert chosen("") == list(FAULTS) and len(FAULTS) == 9
    assert chosen("crash, leak") == ["crash", "leak"]
    with pytest.raises(ConfigurationRefused, match="'crush' is no fault; known: errors-7, errors-12"):
        chosen("crush")
    assert (FULL.times, FULL.rounds(7).times, QUICK.times, QUICK.targets) == (3, 7, 1, False)
