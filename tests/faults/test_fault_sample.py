"""A small fixed sample of the fault table; `invoke faults --all` tries the rest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from whole.stage import Stage

from cutover.faults.fault import BARE
from cutover.faults.ground import Ground
from cutover.faults.schedule import Schedule
from cutover.faults.trial import tried

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SAMPLE = "link-blue-black-hole@committed,link-green-cut-at-commit@back-locked"


@pytest.fixture
def ground(stage: Stage) -> Iterator[Ground]:
    """The stage's world, reached over links."""
    made = Ground(stage.root, stage.source, _started=stage._started)  # their commands are numbered together
    made.small("state").mkdir(exist_ok=True)
    made.link()
    yield made
    made.end_commands()
    made.supervisors_gone()
    made.unlink()


def test_what_is_cut_off_in_the_window_loses_nothing(ground: Ground) -> None:
    results = list(tried(ground, Schedule.read(SAMPLE)))
    assert [result.leg for result in results] == ["forward", "back"]
    for result in results:
        assert not result.problems, str(result)
        assert "not reached" not in result.outcome, str(result)
        assert result.acknowledged, "no customer wrote anything"
    kinds = {entry.kind for entry in ground.entries(BARE)}
    assert "retrying" in kinds or "command-failed" in kinds, "the links were not felt"
