"""What the traffic configuration is, as plain data: for the backup before a cutover and for comparing afterwards."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cutover.aws.elb_permission import FINDING, GROUPS
from cutover.aws.elb_permission import reads as elb_reads
from cutover.aws.listener import (
    ELB,
    Missing,
    comparable,
    find_listener,
    group_name,
    load_balancer_arn,
    target_states,
)
from cutover.aws.permission import Permission, Permitted
from cutover.aws.record_group import RecordName
from cutover.aws.route53_permission import records_read
from cutover.aws.session import Aws
from cutover.core.clock import Deadline

READ_SECONDS = 60.0


@dataclass(frozen=True)
class Documents:
    """The document when it is asked for, together with what else is to be read, by name."""

    aws: Aws
    load_balancers: Sequence[tuple[str, int]]
    records: Sequence[tuple[str, str, str]]
    others: Sequence[tuple[str, Callable[[], Any]]] = ()

    def __call__(self) -> dict[str, Any]:
        found = document(self.aws, self.load_balancers, self.records)
        return {**found, **{name: read() for name, read in self.others}}

    def permissions(self) -> Iterable[Permission]:
        if self.load_balancers:
            yield from (*FINDING, *GROUPS, *elb_reads("DescribeRules", "DescribeTargetGroupAttributes"))
        for zone, name, kind in self.records:
            yield from records_read(RecordName(self.aws, zone, name, kind))
        for _, read in self.others:
            if isinstance(read, Permitted):
                yield from read.permissions()


def document(
    aws: Aws, load_balancers: Iterable[tuple[str, int]], records: Iterable[tuple[str, str, str]]
) -> dict[str, Any]:
    """Listener actions, rules, target groups with health by (name, port), and record sets by (zone, name, type).

    What is missing is a text in its place; raises AwsError when AWS cannot be read within a minute.
    """
    deadline = Deadline.after(READ_SECONDS)
    return {
        "load_balancers": {
            f"{name}:{port}": _load_balancer(aws, name, port, deadline) for name, port in load_balancers
        },
        "records": {
            f"{name} {kind}": _record_sets(RecordName(aws, zone, name, kind), deadline) for zone, name, kind in records
        },
    }


def _load_balancer(aws: Aws, name: str, port: int, deadline: Deadline) -> dict[str, Any] | str:
    try:
        arn = load_balancer_arn(aws, name, deadline)
        listener = find_listener(aws, name, port, deadline)
    except Missing as missing:
        return str(missing)
    rules = list(aws.pages(ELB, "DescribeRules", deadline, "Rules", ListenerArn=listener.arn))
    groups = {
        group
        for rule in [{"Actions": listener.actions}, *rules]
        for action in comparable(list(rule["Actions"]))
        for group, _ in action["groups"]
    }
    return {
        "arn": arn,
        "listener": listener.arn,
        "actions": list(listener.actions),
        "rules": [rule for rule in rules if not rule.get("IsDefault")],
        "target_groups": {group_name(group): _target_group(aws, group, deadline) for group in sorted(groups)},
    }


def _target_group(aws: Aws, arn: str, deadline: Deadline) -> dict[str, Any]:
    described = aws.call(ELB, "DescribeTargetGroups", deadline, TargetGroupArns=[arn])["TargetGroups"][0]
    attributes = aws.call(ELB, "DescribeTargetGroupAttributes", deadline, TargetGroupArn=arn)["Attributes"]
    return {
        "configuration": described,
        "attributes": {one["Key"]: one["Value"] for one in attributes},
        "targets": target_states(aws, arn, deadline),
    }


def _record_sets(where: RecordName, deadline: Deadline) -> list[dict[str, Any]] | str:
    try:
        return where.records(deadline)
    except Missing as missing:
        return str(missing)
