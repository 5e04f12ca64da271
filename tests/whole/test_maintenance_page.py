"""The variant with a maintenance page: writes get 503 while they are stopped, and customers lose nothing, there and back."""

from __future__ import annotations

import pytest
from whole.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def rules(stage: Stage, balancer: str) -> int:
    elb = stage.client("elbv2")
    return len(elb.describe_rules(ListenerArn=stage.listener(balancer)["ListenerArn"])["Rules"])


def test_forward_and_back_behind_a_page(stage: Stage) -> None:
    stage.environment("page", base="local-maintenance", smoke=None, checklist=None)
    balancers = ("shop", "api-blue", "api-green")
    before = [rules(stage, balancer) for balancer in balancers]
    running = stage.paused("before intent:switchover", "cutover", "--env", "page", "--yes", "--json")
    assert [rules(stage, balancer) for balancer in balancers] == [count + 1 for count in before]
    stage.release()
    there = running.done().ended(0)
    home = stage.rollback("page").ended(0)
    for done in (there, home):
        found = {
            name: done.json[name] for name in ("lost_writes", "duplicated_writes", "failed_reads", "failed_writes")
        }
        assert found == dict.fromkeys(found, 0), str(done)
    assert [rules(stage, balancer) for balancer in balancers] == before
    assert stage.writable() == ["blue"]
    stage.nothing_lost(there.began, "blue")
