"""A person's own commands as a step: real scripts through the contract."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from contract import holds

from cutover.core.clock import Deadline
from cutover.core.errors import ConfigurationRefused, StepFailed, Unreachable
from cutover.core.gate import Verdict
from cutover.core.step import Step
from cutover.machine.own_command import OwnStep, Variable
from cutover.machine.own_read import OwnCommandsRead


def step(place: Path, **changes: Any) -> OwnStep:
    """Moves a word in a file from `old index` to `new index`."""
    state = f"'{place}/state'"
    words = {
        "observed_by": f"echo looking; cat {state}",
        "to": f"echo new index > {state}",
        "back": f"echo old index > {state}",
        "reason": "The search index has to be built before the first visitor asks it.",
    }
    (place / "state").touch()
    return OwnStep(
        **{"name": "own-index", "before": "old index", "after": "new index", "there": "new index", **words, **changes}
    )


def start(place: Path, word: str = "old index") -> None:
    (place / "state").write_text(f"{word}\n")


def run(it: Step[str], seconds: float = 20.0) -> None:
    for command in it.commands(it.after):
        command.run(Deadline.after(seconds))


@pytest.mark.slow
@pytest.mark.sampled
def test_contract(tmp_path: Path) -> None:
    start(tmp_path)
    holds(
        lambda: step(tmp_path),
        state_dir=tmp_path,
        kills=8,
        reset=lambda: start(tmp_path),
        strays=[lambda: start(tmp_path, "half an index"), lambda: start(tmp_path, "")],
    )


def test_what_stopped_half_way_goes_on_and_is_taken_back(tmp_path: Path) -> None:
    it = step(tmp_path, between=frozenset({"half an index"}))
    for moved, end in ((it, "new index"), (it.inverse(), "old index")):
        start(tmp_path, "half an index")
        run(moved)
        assert moved.observe() == end


def test_it_says_its_own_reason_and_its_way_back_is_the_other_command(tmp_path: Path) -> None:
    start(tmp_path)
    it = step(tmp_path)
    assert it.why() == it.inverse().why() == "The search index has to be built before the first visitor asks it."
    run(it)
    assert it.observe() == "new index"
    run(it.inverse())
    assert it.observe() == "old index"


def test_what_is_printed_does_the_same(tmp_path: Path) -> None:
    start(tmp_path)
    token = Variable("TOKEN", lambda: "s3cret", '"$OTHER"')
    it = step(tmp_path, variables=(token,), to=f'echo "$TOKEN" > {tmp_path}/got; echo new index > {tmp_path}/state')
    (command,) = it.commands(it.after)
    assert "s3cret" not in command.shell() + it.check_shell() + repr(it)
    subprocess.run(
        ["bash", "-euc", command.shell()], check=True, timeout=30, env={"OTHER": "s3cret", "PATH": "/usr/bin:/bin"}
    )
    assert (tmp_path / "got").read_text() == "s3cret\n"
    shown = subprocess.run(
        ["bash", "-euc", it.check_shell()],
        check=True,
        timeout=30,
        env={"OTHER": "x", "PATH": "/usr/bin:/bin"},
        capture_output=True,
    )
    assert shown.stdout.splitlines()[-1] == b"new index"


def test_a_variable_is_in_the_environment_of_every_command(tmp_path: Path) -> None:
    start(tmp_path)
    token = Variable("TOKEN", lambda: "s3cret", '"$TOKEN"')
    it = step(tmp_path, variables=(token,), to=f'[ "$TOKEN" = s3cret ]; echo new index > {tmp_path}/state')
    run(it)
    assert it.observe() == "new index"
    failing = step(
        tmp_path, variables=(token,), before="new index", after="x", there="x", to='echo "bad $TOKEN" >&2; exit 4'
    )
    with pytest.raises(StepFailed, match=r"the command ended with 4: bad \*\*\*"):
        run(failing)


def test_a_state_that_is_neither_is_left_alone(tmp_path: Path) -> None:
    start(tmp_path, "somebody's")
    with pytest.raises(StepFailed, match="changed under our hands: somebody's; nothing was run"):
        run(step(tmp_path))
    assert (tmp_path / "state").read_text() == "somebody's\n"


def test_a_command_that_hangs_is_ended_by_the_deadline(tmp_path: Path) -> None:
    start(tmp_path)
    with pytest.raises(StepFailed, match="did not end in time and was killed"):
        run(step(tmp_path, to="sleep 600"), seconds=0.5)


@pytest.mark.parametrize(
    ("observed_by", "said"),
    [("echo a; exit 7", "observe ended with 7: a"), ("sleep 600", "observe did not end in time and was killed")],
)
def test_a_state_that_cannot_be_seen_is_no_state(tmp_path: Path, observed_by: str, said: str) -> None:
    with pytest.raises(Unreachable, match=said):
        step(tmp_path, observed_by=observed_by, settle=0.5).observe()
    assert step(tmp_path, observed_by="true").observe() == "observe printed nothing"


def test_nothing_is_run_in_a_dry_run(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="not run in dry-run; mark it with `observe_is_safe: true`"):
        step(tmp_path, dry=True, observed_by=f"touch {tmp_path}/ran").observe()
    assert not (tmp_path / "ran").exists()


def test_slips_of_the_pen_are_found_before(tmp_path: Path) -> None:
    def missing() -> str:
        raise ConfigurationRefused(["env:TOKEN: this environment variable is not set"])

    good = step(tmp_path, to=f"touch {tmp_path}/ran")
    assert OwnCommandsRead(steps=(good,)).look().verdict is Verdict.PASS
    assert not (tmp_path / "ran").exists()
    bad = step(tmp_path, back="if true; then echo", variables=(Variable("TOKEN", missing, '"$TOKEN"'),))
    finding = OwnCommandsRead(steps=(good, bad)).look()
    assert finding.verdict is Verdict.FAIL
    assert "own-index: back: bash: -c: line" in finding.seen and "env:TOKEN: this environment variable" in finding.seen
