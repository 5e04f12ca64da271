"""Two operators on two machines with one state on S3: a run is handed over in its middle, and a stopped one wakes up to nothing."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from whole.commands import Done, Running
from whole.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NAME, BUCKET = "shared", "cutovers"


@dataclass(frozen=True)
class Machine:
    """One operator's machine: a folder of its own for what is local, and the same environment file."""

    stage: Stage
    who: str

    @property
    def variables(self) -> dict[str, str]:
        home = str(self.stage.root / f"home-of-{self.who}")
        return {**self.stage.world_variables(), "CUTOVER_HOME": home, "CUTOVER_WHO": self.who}

    def run(self, *args: str) -> Done:
        return self.stage.run(args[0], "--env", NAME, *args[1:], env=self.variables)

    def paused(self, place: str, *args: str) -> Running:
        return self.stage.paused(place, args[0], "--env", NAME, *args[1:], env=self.variables)

    def files(self) -> list[str]:
        home = self.stage.root / f"home-of-{self.who}"
        return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())


@pytest.fixture
def machines(stage: Stage) -> Iterator[tuple[Machine, Machine]]:
    """Ann's and Bob's; afterwards blue serves, whatever a test has left."""
    stage.client("s3").create_bucket(Bucket=BUCKET)
    stage.environment(NAME, world=None, smoke=None, checklist=None, state=f"s3://{BUCKET}/state")
    ann, bob = Machine(stage, "ann"), Machine(stage, "bob")
    yield ann, bob
    if stage.sides() == ("fenced", "open"):
        bob.run("rollback", "--yes", "--reason", "the test is over").ended(0)


def test_a_run_is_handed_over_and_a_stopped_operator_wakes_up_to_nothing(
    stage: Stage, machines: tuple[Machine, Machine]
) -> None:
    ann, bob = machines
    ann.run("cutover", "--yes", "--until", "prepare").ended(0)
    seen = bob.run("status", "--json").ended(0).json["environments"][0]
    assert (seen["state"], seen["zone"], seen["outcome"], seen["holder"]) == ("open", "cancel", "until", None)

    # Bob goes on where Ann stopped, and is stopped himself right before he moves traffic.
    running = bob.paused("before command traffic-api-50:0", "cutover", "--yes", "--json")
    os.kill(running.pid, signal.SIGSTOP)
    stage.release()
    held = ann.run("status", "--json").ended(0).json["environments"][0]["holder"]
    assert (held["who"], held["for"]) == ("bob", "cutover")
    ann.run("hold", "--reason", "looking at errors").ended(0)  # needs no lease
    refused = ann.run("rollback", "--yes", "--reason", "no").ended(4)
    assert "bob on " in refused.err and "for: cutover" in refused.err, str(refused)
    found = re.search(rf"invoke unlock --env {NAME} --lease (\w+)", refused.err)
    assert found and found.group(1) == held["lease"], str(refused)
    ann.run("unlock", "--lease", "0" * 12).ended(5)
    ann.run("unlock", "--lease", held["lease"]).ended(0)

    # Ann goes back by her own means; Bob wakes up, and nothing of what he was about to do happens.
    ann.run("rollback", "--yes", "--reason", "bob's machine is gone").ended(0)
    assert stage.sides() == ("open", "fenced")
    writes, records, weights = len(stage.aws_writes()), stage.records(), stage.weights()
    os.kill(running.pid, signal.SIGCONT)
    lost = running.done().ended(4)
    assert "is void" in lost.err or "took over" in lost.err, str(lost)
    assert stage.sides() == ("open", "fenced")
    assert (stage.records(), stage.weights()) == (records, weights)
    late = [call for call in stage.aws_writes()[writes:] if call["operation"] != "PutObject"]
    assert not late, late
    assert bob.run("status", "--json").ended(0).json["environments"][0]["state"] == "rolled-back"

    # The other way round: Bob begins anew, Ann takes it back.
    bob.run("cutover", "--yes", "--until", "window").ended(0)
    assert stage.sides() == ("fenced", "open")
    ann.run("rollback", "--yes", "--reason", "enough").ended(0)
    assert stage.sides() == ("open", "fenced")
    history = ann.run("history", "--json").ended(0)
    assert history.out.count('"rolled-back"') >= 2, str(history)
    for machine in (ann, bob):
        assert not [file for file in machine.files() if file.endswith(".sqlite")], machine.files()
