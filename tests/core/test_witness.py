"""What is concluded from what a witness saw: with a witness of a few lines, and a clock of our own."""

import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from cutover.core.clock import Deadline
from cutover.core.errors import Unreachable
from cutover.core.gate import Verdict
from cutover.core.share import Share
from cutover.core.watch import found
from cutover.core.witness import JUDGE, ShareObserved, Tally, Witness


@dataclass
class Draws(Witness):
    """Answers what it is told to, at most `at_once` draws in one look."""

    green_in_ten: int = 5
    at_once: int = 10_000
    other: int = 0
    asked: list[int] = field(default_factory=list)

    @property
    def called(self) -> str:
        return "draws"

    def seen(self, draws: int, deadline: Deadline) -> Tally:
        self.asked.append(draws)
        taken = min(draws, self.at_once)
        green = taken * self.green_in_ten // 10
        return Tally(taken - green, green, self.other)

    def shell(self, draws: int) -> str:
        return "cat <<'E'\nDRAWN\nE"


@dataclass
class Counts(Draws):
    counts = True
    tally: Tally = field(default_factory=Tally)

    def seen(self, draws: int, deadline: Deadline) -> Tally:
        self.asked.append(draws)
        return self.tally


class Clock:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def observed(witness: Witness, percent: float = 50, **more: object) -> ShareObserved:
    words: dict[str, object] = {
        "host": "api",
        "asked": Share.of(percent),
        "witness": witness,
        "effective": lambda: Share.of(percent),
        "effective_shell": "true &&",
        "alpha": 0.001,
    }
    return ShareObserved(**{**words, **more})  # type: ignore[arg-type]


def test_a_share_that_is_served_passes_with_its_bounds() -> None:
    finding = observed(Draws()).look()
    assert finding.verdict is Verdict.PASS
    assert finding.seen == "api by draws: 48 of 97 on green (49.48 %); 32 to 65 fit 50 %"
    assert finding.data["bounds"] == [32, 65]
    low, high = finding.data["interval"]
    assert low < 0.5 < high


def test_a_share_that_is_not_served_fails_and_says_both() -> None:
    finding = observed(Draws(green_in_ten=1)).look()
    assert finding.verdict is Verdict.FAIL
    assert "9 of 97 on green" in finding.seen
    assert "32 to 65 fit 50 %" in finding.seen
    assert finding.hint


@pytest.mark.parametrize(("percent", "tenths", "gone"), [(100, 10, "blue"), (0, 0, "green")])
def test_an_absent_side_is_bounded(percent: float, tenths: int, gone: str) -> None:
    finding = observed(Draws(green_in_ten=tenths), percent).look()
    assert finding.verdict is Verdict.PASS
    assert f"{gone} below 1 % (95 %)" in finding.seen


def test_one_answer_of_blue_at_hundred_percent_is_a_contradiction() -> None:
    assert observed(Draws(green_in_ten=9), 100).look().verdict is Verdict.FAIL


def test_the_sample_is_fixed_before_and_judged_once() -> None:
    witness = Draws(at_once=40)
    check = observed(witness)
    looks = [check.look() for _ in range(4)]
    assert [one.verdict for one in looks] == [Verdict.INSUFFICIENT, Verdict.INSUFFICIENT, Verdict.PASS, Verdict.PASS]
    assert witness.asked == [97, 57, 17], "after the verdict nobody is asked again"
    assert looks[0].seen == "api by draws: 40 of 97 so far"


def test_a_failure_stays_one() -> None:
    witness = Draws(green_in_ten=0)
    check = observed(witness)
    assert check.look().verdict is Verdict.FAIL
    witness.green_in_ten = 5
    assert check.look().verdict is Verdict.FAIL


def test_the_budget_of_requests_caps_the_sample_and_says_what_that_costs() -> None:
    witness = Draws(green_in_ten=0)
    finding = observed(witness, 1, requests=100).look()
    assert witness.asked == [100]
    assert finding.verdict is Verdict.PASS
    assert "so few cannot tell it from no green at all" in finding.seen


def test_what_was_drawn_when_the_time_is_over_is_judged() -> None:
    clock = Clock()

    class Slow(Draws):
        def seen(self, draws: int, deadline: Deadline) -> Tally:
            clock.at += 3
            return super().seen(draws, deadline)

    check = observed(Slow(at_once=20), seconds=5, now=clock)
    assert check.look().verdict is Verdict.INSUFFICIENT
    finding = check.look()
    assert finding.verdict is Verdict.PASS
    assert "20 of 40" in finding.seen


def test_too_few_answers_are_not_judged() -> None:
    clock = Clock()

    class Slower(Draws):
        def seen(self, draws: int, deadline: Deadline) -> Tally:
            clock.at += 30
            return super().seen(draws, deadline)

    check = observed(Slower(at_once=8, green_in_ten=0), seconds=5, now=clock)
    assert [check.look().verdict for _ in range(4)] == [Verdict.INSUFFICIENT] * 3 + [Verdict.FAIL]


def test_a_busy_machine_that_drew_too_few_goes_on_at_full_length() -> None:
    clock = Clock()
    given: list[float] = []

    class Busy(Draws):
        def seen(self, draws: int, deadline: Deadline) -> Tally:
            given.append(deadline.remaining())
            clock.at += 2
            return super().seen(draws, deadline)

    check = observed(Busy(at_once=12), seconds=1.5, now=clock)
    assert [check.look().verdict for _ in range(3)] == [Verdict.INSUFFICIENT] * 2 + [Verdict.PASS]
    assert min(given) > 0.5


def test_many_answers_that_tell_no_side_are_not_judged() -> None:
    finding = observed(Draws(other=40)).look()
    assert finding.verdict is Verdict.INSUFFICIENT
    assert "40 none" in finding.seen


def test_nobody_is_asked_before_the_change_is_in_force() -> None:
    clock, witness = Clock(), Draws()
    check = observed(witness, settle=2, now=clock)
    first = check.look()
    assert first.verdict is Verdict.INSUFFICIENT
    assert witness.asked == []
    clock.at += 1.5
    assert check.look() == first, "what differs is recorded, and a countdown would fill the journal"
    clock.at += 1
    assert check.look().verdict is Verdict.PASS


def test_a_provider_that_shows_something_else_is_a_contradiction() -> None:
    witness = Draws()
    finding = observed(witness, effective=lambda: Share.of(10)).look()
    assert finding.verdict is Verdict.FAIL
    assert "shows 10 %, asked was 50 %" in finding.seen
    assert witness.asked == []


def test_a_witness_that_cannot_be_asked_is_blind() -> None:
    class Gone(Draws):
        def seen(self, draws: int, deadline: Deadline) -> Tally:
            raise Unreachable("no name server answers")

    assert found(observed(Gone())).verdict is Verdict.BLIND


def test_visitors_requests_agree_within_the_precision() -> None:
    """A million requests tell 51 % from 50 % for sure; that is what sticky sessions look like, not a wrong weight."""
    assert observed(Counts(tally=Tally(490_000, 510_000))).look().verdict is Verdict.PASS
    assert observed(Counts(tally=Tally(300_000, 700_000))).look().verdict is Verdict.FAIL
    assert observed(Counts(tally=Tally(2_000, 998_000)), 100).look().verdict is Verdict.PASS
    assert observed(Counts(tally=Tally(50_000, 950_000)), 100).look().verdict is Verdict.FAIL


def test_counts_that_are_still_coming_in_are_waited_for() -> None:
    witness = Counts(tally=Tally(100, 0, complete=False, remark="up to 12:01"))
    check = observed(witness)
    finding = check.look()
    assert finding.verdict is Verdict.INSUFFICIENT
    assert "up to 12:01" in finding.seen
    witness.tally = Tally(100, 100)
    assert check.look().verdict is Verdict.PASS
    assert witness.asked == [97, 97], "what has come in does not lessen what is enough"


@pytest.mark.parametrize(
    ("percent", "blue", "green"),
    [(100, 0, 1), (100, 0, 29), (50, 0, 1), (10, 40, 0), (10, 36, 4), (1, 300, 0), (0, 5, 0)],
)
def test_hardly_any_visitors_confirm_nothing(percent: float, blue: int, green: int) -> None:
    check = observed(Counts(tally=Tally(blue, green)), percent)
    finding = check.look()
    assert finding.verdict is Verdict.INSUFFICIENT
    assert "too few to tell the share by" in finding.seen
    words = [str(word) for word in (check.chance, *check.band, check.alpha)]
    program = [sys.executable, "-c", JUDGE, *words]
    lines = f"blue {blue}\ngreen {green}\n"
    assert subprocess.run(program, input=lines, text=True, capture_output=True, check=False).returncode == 1


def test_even_the_smallest_share_is_told_from_none() -> None:
    assert observed(Counts(tally=Tally(9_900, 100)), 1).look().verdict is Verdict.PASS
    assert observed(Counts(tally=Tally(10_000, 0)), 1).look().verdict is Verdict.FAIL
    coarse = observed(Counts(tally=Tally(10_000, 0)), 1, precision=1.0)
    assert coarse.look().verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("percent", "green_in_ten"), [(50, 5), (50, 1), (10, 1), (10, 3), (100, 10), (100, 9), (0, 0), (0, 1)]
)
def test_the_printed_program_judges_alike(percent: float, green_in_ten: int) -> None:
    witness = Draws(green_in_ten=green_in_ten)
    check = observed(witness, percent)
    finding = check.look()
    lines = "blue\n" * finding.data["blue"] + "green\n" * finding.data["green"]
    words = [str(word) for word in (check.chance, *check.band, check.alpha)]
    done = subprocess.run(
        [sys.executable, "-c", JUDGE, *words], input=lines, text=True, capture_output=True, check=False
    )
    assert done.returncode == (finding.verdict is Verdict.FAIL), done.stdout + done.stderr
    printed = check.shell().replace("DRAWN", lines)
    again = subprocess.run(["bash", "-c", printed], text=True, capture_output=True, check=False)
    assert again.returncode == (finding.verdict is Verdict.FAIL), again.stdout + again.stderr
    assert f"{finding.data['green']} of {check.draws} on green; {finding.data['bounds'][0]} to" in again.stdout


def test_a_person_who_got_too_few_answers_asks_again() -> None:
    printed = observed(Draws()).shell().replace("DRAWN", "green\nblue\n" * 20)
    assert subprocess.run(["bash", "-c", printed], capture_output=True, check=False).returncode == 1


def test_a_person_looks_at_what_the_provider_shows_first() -> None:
    printed = observed(Draws(), effective_shell="false &&").shell().replace("DRAWN", "green\nblue\n" * 49)
    assert subprocess.run(["bash", "-c", printed], capture_output=True, check=False).returncode == 1
