"""Throttling without end on the way back: it is seen to be alive, keeps to its deadline, and hands over to a person."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_clock import FakeClock
from local_aws import Endpoint, eventually

from cutover.aws.alb import AlbShare
from cutover.aws.bucket import DEFAULT_RATES
from cutover.aws.route53 import Route53Share
from cutover.aws.session import Aws
from cutover.core.errors import RollbackIncomplete
from cutover.core.journal import Journal
from cutover.core.plan import Phase, Plan
from cutover.core.run import Run
from cutover.core.share import Share
from cutover.core.step import Step
from cutover.core.walk import Event
from cutover.state.sqlite import SqliteState

PATIENCE = 60.0
ELB = ("DescribeLoadBalancers", "DescribeListeners", "DescribeTargetGroups", "DescribeTargetHealth", "ModifyListener")
ROUTE53 = ("ListHostedZonesByName", "ListResourceRecordSets", "ChangeResourceRecordSets", "GetChange")


def alb(aws: Aws) -> Step[Any]:
    return AlbShare(
        name="shop-to-100",
        before=Share.of(0),
        after=Share.of(100),
        aws=aws,
        load_balancer="shop",
        port=80,
        blue="shop-blue",
        green="shop-green",
    )


def route53(aws: Aws) -> Step[Any]:
    return Route53Share(
        name="api-to-100",
        before=Share.of(0),
        after=Share.of(100),
        aws=aws,
        zone="shop.test",
        record="api.shop.test",
        record_type="CNAME",
        blue="blue",
        green="green",
        settle=30.0,
    )


@pytest.mark.parametrize(
    ("make", "throttled", "code", "manual"),
    [
        (alb, ELB[-1:], "Throttling", "elbv2 modify-listener"),
        (alb, ELB, "ThrottlingException", "elbv2 modify-listener"),
        (route53, ROUTE53[2:3], "PriorRequestNotComplete", "route53 change-resource-record-sets"),
        (route53, ROUTE53, "Throttling", "route53 change-resource-record-sets"),
    ],
    ids=["elb-writes", "elb-all", "route53-writes", "route53-all"],
)
def test_a_throttled_way_back_beats_every_two_seconds_and_ends_with_the_manual_command(
    endpoint: Endpoint,
    tmp_path: Path,
    make: Callable[[Aws], Step[Any]],
    throttled: tuple[str, ...],
    code: str,
    manual: str,
) -> None:
    endpoint.forward(shop_blue=100, shop_green=0)
    eventually(lambda: endpoint.healthy("shop-green") and endpoint.healthy("shop-blue"))
    clock, beats = FakeClock(), list[tuple[float, Event]]()
    step = make(Aws("us-east-1", rates=DEFAULT_RATES, clock=clock))
    plan = Plan(name="cutover", environment="t", phases=(Phase(name="shift", owner="traffic", items=(step,)),))
    state = SqliteState(tmp_path / "state.sqlite")
    try:
        lease = state.acquire(who="t", operation="rollback")
        run = Run(
            plan,
            Journal(state, lease, "r"),
            clock=clock,
            patience=PATIENCE,
            listen=lambda event: beats.append((clock.monotonic(), event)),
        )
        run.forward()
        for operation in throttled:
            endpoint.fault(operation, times=100_000, code=code)
        began = clock.monotonic()
        with pytest.raises(RollbackIncomplete) as caught:
            run.back(reason="green fails")
        over = clock.monotonic() - began
        kinds = [entry.kind for entry in run.journal.entries()]
        noted = [entry.data for entry in run.journal.entries() if entry.kind == "call-failed"]
        counted = [entry.data for entry in run.journal.entries() if entry.kind == "calls-repeated"]
    finally:
        state.close()
    assert caught.value.exit_code == 7
    assert code in caught.value.message and manual in caught.value.message
    assert PATIENCE - 1 < over < PATIENCE + 5, f"patience of {PATIENCE:g} s, but it took {over:.1f} s"
    at = [began, *(moment for moment, _ in beats if moment >= began), clock.monotonic()]
    gaps = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert max(gaps) <= 2.0, f"silent for {max(gaps):.1f} s"
    seen = [str(event.data["seen"]) for _, event in beats if event.kind == "looking"]
    assert any(code in one and "left to try again" in one for one in seen)
    assert noted and {data["step"] for data in noted} == {f"{step.name}-undo"}
    assert all(code in data["error"] for data in noted)
    assert sum(sum(data["times"].values()) for data in counted) > 10
    assert len(kinds) < 40, "the journal is not flooded"
