"""`finish` removes the way back for good, so it has a world of its own and no way to share it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from whole.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def own_stage() -> Iterator[Stage]:
    stage = Stage(Path(tempfile.mkdtemp(prefix="cutover-stage-")))
    try:
        stage.set_up()
        yield stage
    finally:
        stage.close()
        assert not stage.processes()


def test_after_finish_there_is_no_way_back(own_stage: Stage) -> None:
    stage = own_stage
    stage.environment("bare", smoke=None, checklist=None)
    done = stage.cutover("bare").ended(0)
    finished = stage.run("finish", "--env", "bare", "--yes", "--json").ended(0)
    assert finished.json["outcome"] == "done"
    assert finished.json["lost_writes"] == 0
    assert stage.state("bare") == "finished"
    assert stage.ask("blue", "SELECT count(*) FROM pg_subscription") == [(0,)]
    assert stage.ask("green", "SELECT count(*) FROM pg_subscription") == [(0,)]
    assert stage.writable() == ["green"]
    refused = stage.rollback("bare").ended(5)
    assert "finish" in refused.err, str(refused)
    assert stage.run("finish", "--env", "bare", "--yes", "--json").ended(0).json["outcome"] == "nothing"
    assert "finished" in stage.cutover("bare").ended(5).err
    assert stage.writable() == ["green"]
    stage.nothing_lost(done.began, "green")
