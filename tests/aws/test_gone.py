"""The end of the old side: what is deleted, what is refused, and the snapshots that stay; by the steps and as printed."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from contract import holds
from local_aws import Endpoint
from recorded import holds_exactly

from cutover.aws.alb_gone import BalancerGone, BlueOutOfListener, TargetGroupGone
from cutover.aws.gone import ABSENT, PRESENT, Gone
from cutover.aws.rds import AVAILABLE, NO_SNAPSHOT, InstanceGone, SnapshotTaken
from cutover.aws.record_group import RecordName
from cutover.aws.route53_gone import GREEN_ALONE, LISTED, BlueOutOfRecords
from cutover.aws.session import Aws, AwsError
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.step import Step

Bash = Callable[..., str]
OLD = "old-blue"
IRELAND = Aws("eu-west-1")  # the aws command of version 1 has an address of its own for RDS in us-east-1


def take(step: Step[str]) -> None:
    for command in step.commands(step.after):
        command.run(Deadline.after(20.0))
    assert step.observe() == step.after


def there_by_hand(step: Step[str], bash: Bash) -> None:
    """The printed commands reach the state that they claim, twice."""
    assert bash(step.check_shell()).strip().splitlines()[-1] == step.before
    for _ in range(2):
        for command in step.commands(step.after):
            bash(command.shell())
        assert bash(step.check_shell()).strip().splitlines()[-1] == step.after == step.observe()


def rds(endpoint: Endpoint, operation: str, **parameters: object) -> dict[str, object]:
    return IRELAND.call("rds", operation, Deadline.after(10), **parameters)


@pytest.fixture
def instance(endpoint: Endpoint) -> Iterator[Callable[[], None]]:
    """Makes the old instance, unless it is there; afterwards neither it nor a snapshot is left."""

    def make() -> None:
        if not rds(endpoint, "DescribeDBInstances")["DBInstances"]:
            rds(endpoint, "CreateDBInstance", DBInstanceIdentifier=OLD, DBInstanceClass="db.t3.micro", Engine="postgres",
                AllocatedStorage=20, MasterUsername="shop", MasterUserPassword="not a secret")  # fmt: skip
        forget(endpoint)

    make()
    yield make
    if rds(endpoint, "DescribeDBInstances")["DBInstances"]:
        rds(endpoint, "ModifyDBInstance", DBInstanceIdentifier=OLD, DeletionProtection=False)
        rds(endpoint, "DeleteDBInstance", DBInstanceIdentifier=OLD, SkipFinalSnapshot=True)
    forget(endpoint)


def forget(endpoint: Endpoint) -> None:
    for one in rds(endpoint, "DescribeDBSnapshots")["DBSnapshots"]:  # type: ignore[attr-defined]
        rds(endpoint, "DeleteDBSnapshot", DBSnapshotIdentifier=one["DBSnapshotIdentifier"])


def snapshot(aws: Aws = IRELAND) -> SnapshotTaken:
    return SnapshotTaken(name="snapshot", aws=aws, instance=OLD, prefix="cut-prod-final")


def instance_gone(aws: Aws = IRELAND) -> InstanceGone:
    return InstanceGone(name="gone", aws=aws, identifier=OLD, final_snapshot="cut-prod-last")


def target_group_gone(aws: Aws) -> TargetGroupGone:
    return TargetGroupGone(name="gone", aws=aws, identifier=OLD)


def balancer_gone(aws: Aws) -> BalancerGone:
    names = (RecordName(aws, "shop.test", "api.shop.test", "CNAME"),)
    return BalancerGone(name="gone", aws=aws, identifier=OLD, names=names, kept=("shop-green",))


def out_of_listener(aws: Aws) -> BlueOutOfListener:
    return BlueOutOfListener(name="out", aws=aws, load_balancer="shop", port=80, blue="shop-blue", green="shop-green")


def out_of_records(aws: Aws) -> BlueOutOfRecords:
    return BlueOutOfRecords(
        name="out", aws=aws, zone="shop.test", record="api.shop.test", record_type="CNAME", blue="blue",
        green="green",
    )  # fmt: skip


def rds_address() -> str:
    found: list[dict[str, Any]] = IRELAND.call("rds", "DescribeDBInstances", Deadline.after(10))["DBInstances"]
    return str(found[0]["Endpoint"]["Address"])


def make_group(endpoint: Endpoint) -> None:
    endpoint.elb("CreateTargetGroup", Name=OLD, Protocol="HTTP", Port=80, VpcId=_vpc(endpoint), TargetType="ip")


def _vpc(endpoint: Endpoint) -> str:
    return str(endpoint.elb("DescribeTargetGroups", Names=["shop-blue"])["TargetGroups"][0]["VpcId"])


def make_balancer(endpoint: Endpoint) -> str:
    shown = endpoint.elb("DescribeLoadBalancers", Names=["shop"])["LoadBalancers"][0]
    subnets = [zone["SubnetId"] for zone in shown["AvailabilityZones"]]
    made = endpoint.elb("CreateLoadBalancer", Name=OLD, Subnets=subnets)["LoadBalancers"][0]
    return str(made["LoadBalancerArn"])


def no_balancer(endpoint: Endpoint) -> None:
    for one in endpoint.elb("DescribeLoadBalancers")["LoadBalancers"]:
        if one["LoadBalancerName"] == OLD:
            endpoint.elb("DeleteLoadBalancer", LoadBalancerArn=one["LoadBalancerArn"])


def no_group(endpoint: Endpoint) -> None:
    for one in endpoint.elb("DescribeTargetGroups")["TargetGroups"]:
        if one["TargetGroupName"] == OLD:
            endpoint.elb("DeleteTargetGroup", TargetGroupArn=one["TargetGroupArn"])


def green_serves(endpoint: Endpoint) -> None:
    """The weighted group as the bake leaves it."""
    endpoint.seeded_records()
    endpoint.change(
        *((action, {**record, "Weight": weight})
          for record in endpoint.records()
          for action, weight in (("DELETE", record["Weight"]), ("CREATE", 100 * (record["SetIdentifier"] == "green"))))
    )  # fmt: skip


# --- plumbing ------------------------------------------------------------------------------------------------------


def test_blue_leaves_the_listener_only_while_it_has_no_weight(endpoint: Endpoint, bash: Bash) -> None:
    step = out_of_listener(endpoint.aws)
    for weights in ({"shop_blue": 1, "shop_green": 99}, {"shop_blue": 100, "shop_green": 0}):
        endpoint.forward(**weights)
        before = endpoint.weights()
        with pytest.raises(StepFailed, match="nothing was written"):
            take(step)
        assert endpoint.weights() == before
    endpoint.forward(shop_blue=0, shop_green=100)
    there_by_hand(step, bash)
    assert endpoint.weights() == {"shop-green": 100}
    assert endpoint.writes_during(lambda: take(step)) == []


def test_blue_leaves_the_records_only_while_it_has_no_weight(endpoint: Endpoint, bash: Bash) -> None:
    step = out_of_records(endpoint.aws)
    with pytest.raises(StepFailed, match="nothing was written"):
        take(step)
    green_serves(endpoint)
    there_by_hand(step, bash)
    assert [record["SetIdentifier"] for record in endpoint.records()] == ["green"]
    assert endpoint.writes_during(lambda: take(step)) == []


def test_a_lost_answer_of_the_deletion_is_read_back(endpoint: Endpoint) -> None:
    green_serves(endpoint)
    endpoint.fault("ChangeResourceRecordSets", lose_response=True)
    take(out_of_records(endpoint.aws))
    make_group(endpoint)
    endpoint.fault("DeleteTargetGroup", lose_response=True)
    take(target_group_gone(endpoint.aws))


# --- resources -----------------------------------------------------------------------------------------------------


def test_a_target_group_goes_only_when_no_balancer_names_it(endpoint: Endpoint, bash: Bash) -> None:
    used = TargetGroupGone(name="gone", aws=endpoint.aws, identifier="shop-blue")
    with pytest.raises(StepFailed, match="in use at shop; nothing was deleted"):
        take(used)
    make_group(endpoint)
    there_by_hand(target_group_gone(endpoint.aws), bash)


def test_a_balancer_goes_only_when_nothing_leads_to_it(endpoint: Endpoint, bash: Bash) -> None:
    def gone(name: str, kept: tuple[str, ...] = ()) -> BalancerGone:
        names = (RecordName(endpoint.aws, "shop.test", "api.shop.test", "CNAME"),)
        return BalancerGone(name="gone", aws=endpoint.aws, identifier=name, names=names, kept=kept)

    with pytest.raises(StepFailed, match="api.shop.test still leads to load balancer api-blue"):
        take(gone("api-blue"))
    with pytest.raises(StepFailed, match="forwards to shop-blue, which serves"):
        take(gone("shop", kept=("shop-blue",)))
    arn = make_balancer(endpoint)
    protected = {"Key": "deletion_protection.enabled", "Value": "true"}
    endpoint.elb("ModifyLoadBalancerAttributes", LoadBalancerArn=arn, Attributes=[protected])
    with pytest.raises(StepFailed, match="protected against deletion; nothing was deleted. When it may go: aws"):
        take(gone(OLD))
    endpoint.elb("ModifyLoadBalancerAttributes", LoadBalancerArn=arn, Attributes=[{**protected, "Value": "false"}])
    there_by_hand(gone(OLD), bash)


def test_an_instance_goes_with_a_last_snapshot_and_never_when_it_is_protected(
    endpoint: Endpoint, instance: Callable[[], None], bash: Bash
) -> None:
    step = instance_gone()
    rds(endpoint, "ModifyDBInstance", DBInstanceIdentifier=OLD, DeletionProtection=True)
    with pytest.raises(StepFailed, match="protected against deletion; nothing was deleted"):
        take(step)
    assert step.observe() == PRESENT
    rds(endpoint, "ModifyDBInstance", DBInstanceIdentifier=OLD, DeletionProtection=False)
    there_by_hand(step, bash)
    kept = rds(endpoint, "DescribeDBSnapshots")["DBSnapshots"]
    assert [one["DBSnapshotIdentifier"] for one in kept] == ["cut-prod-last"]  # type: ignore[attr-defined]


def test_an_instance_that_serves_is_never_deleted(instance: Callable[[], None]) -> None:
    address = rds_address()
    step = replace(instance_gone(), serving=(lambda: ["elsewhere.test", address.upper()],))
    with pytest.raises(StepFailed, match="is green's own"):
        take(step)
    assert step.observe() == PRESENT


def test_a_snapshot_of_an_earlier_try_stays_and_does_not_count(
    endpoint: Endpoint, instance: Callable[[], None], bash: Bash
) -> None:
    step = snapshot()
    there_by_hand(step, bash)
    assert bash(step.check_shell()).strip() == AVAILABLE
    there_by_hand(step.inverse(), bash)
    assert step.observe() == NO_SNAPSHOT
    take(step)
    names = [one["DBSnapshotIdentifier"] for one in step.ours(Deadline.after(5.0))]
    assert names == ["cut-prod-final-2", "cut-prod-final-1"]


def test_what_cannot_be_asked_is_no_absence(endpoint: Endpoint) -> None:
    endpoint.fault("DescribeDBInstances", code="AccessDenied")
    with pytest.raises(AwsError, match="AccessDenied"):
        instance_gone().observe()


@pytest.mark.slow
@pytest.mark.sampled
@pytest.mark.parametrize("kind", ["group", "balancer"])
def test_contract_of_what_is_deleted(endpoint: Endpoint, tmp_path: Path, kind: str) -> None:
    def make(aws: Aws) -> Gone:
        return target_group_gone(aws) if kind == "group" else balancer_gone(aws)

    def reset() -> None:
        if make(endpoint.aws).observe() == ABSENT:
            make_group(endpoint) if kind == "group" else make_balancer(endpoint)

    reset()
    holds_exactly(make, state_dir=tmp_path, reset=reset, kills=6)
    no_group(endpoint)
    no_balancer(endpoint)


@pytest.mark.slow
@pytest.mark.sampled
def test_contract_of_instance_and_snapshot(endpoint: Endpoint, tmp_path: Path, instance: Callable[[], None]) -> None:
    holds(lambda: instance_gone(), state_dir=tmp_path, reset=instance, kills=6)
    instance()
    holds(lambda: snapshot(), state_dir=tmp_path, kills=8)


@pytest.mark.slow
@pytest.mark.sampled
def test_contract_of_the_plumbing(endpoint: Endpoint, tmp_path: Path) -> None:
    holds_exactly(
        out_of_listener,
        state_dir=tmp_path,
        kills=6,
        reset=lambda: endpoint.forward(shop_blue=0, shop_green=100),
        strays=[lambda: endpoint.forward(shop_blue=1, shop_green=99), lambda: endpoint.forward(shop_blue=1)],
    )
    holds_exactly(
        out_of_records,
        state_dir=tmp_path,
        kills=6,
        reset=lambda: green_serves(endpoint),
        strays=[endpoint.seeded_records],
    )
    assert out_of_records(endpoint.aws).observe() in (LISTED, GREEN_ALONE)
