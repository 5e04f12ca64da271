"""Somebody else changes a weight in the middle of the shift: the run stops, touches nothing, and says what it saw."""

from __future__ import annotations

import pytest
from whole.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NAME = "bare"


def test_a_stranger_s_weight_stops_the_run_and_stays(stage: Stage) -> None:
    running = stage.paused("after passed:soak-50", "cutover", "--env", NAME, "--yes", "--json")
    assert stage.weights() == {"shop-blue": 50, "shop-green": 50}
    stage.put_weights({"shop-blue": 70, "shop-green": 30})
    before = len(stage.aws_writes())
    stage.release()
    done = running.done().ended(1)
    assert "traffic-shop-100: seen 30 %" in done.err, str(done)
    assert "wanted 50 %" in done.err, str(done)
    assert "nothing was touched" in done.err, str(done)
    assert done.json["outcome"] == "stopped"
    assert stage.weights() == {"shop-blue": 70, "shop-green": 30}
    assert stage.aws_writes()[before:] == []
    # An operator who asks again is told the same, and the way back does not trample on it either.
    assert "seen 30 %" in stage.resume(NAME).ended(1).err

    stage.put_weights({"shop-blue": 50, "shop-green": 50})
    kept = stage.records()
    strange = [{**record, "Weight": 20 if record["SetIdentifier"] == "blue" else 80} for record in kept]
    stage.put_records(strange)
    again = stage.resume(NAME).ended(1)
    assert "traffic-api-100: seen 80 %" in again.err, str(again)
    assert "wanted 50 %" in again.err, str(again)
    assert {r["SetIdentifier"]: r["Weight"] for r in stage.records()} == {"blue": 20, "green": 80}

    stage.put_records(kept)
    stage.resume(NAME).ended(0)
    stage.nothing_lost(done.began, "green")
