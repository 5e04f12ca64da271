"""What IAM must allow for looking at load balancers and for changing a listener; no Describe of ELB takes a resource."""

from cutover.aws.listener import ELB
from cutover.aws.permission import Permission

ARN = "arn:aws:elasticloadbalancing:{region}:{account}"


def reads(*operations: str) -> tuple[Permission, ...]:
    """Looking, which ELB allows for everything or not at all (Service Authorization Reference, Elastic Load Balancing V2)."""
    return tuple(Permission(ELB, operation, "*") for operation in operations)


def listener_written(load_balancer: str, port: int, operation: str) -> Permission:
    """An operation on one listener of an application load balancer."""
    return Permission(ELB, operation, f"{ARN}:listener/app/{load_balancer}/{listener_id(load_balancer, port)}")


def rule_written(load_balancer: str, port: int, operation: str) -> Permission:
    """An operation on any rule of one listener: a rule's id is known only once it stands."""
    return Permission(ELB, operation, f"{ARN}:listener-rule/app/{load_balancer}/{listener_id(load_balancer, port)}/*")


def forward_written(load_balancer: str, port: int, *, rule: bool) -> tuple[Permission, ...]:
    """Writing the actions of a listener, or of one of its rules, which has to be found first."""
    if rule:
        return *reads("DescribeRules"), rule_written(load_balancer, port, "ModifyRule")
    return (listener_written(load_balancer, port, "ModifyListener"),)


def listener_id(load_balancer: str, port: int) -> str:
    """What AWS gives: the load balancer's id and the listener's."""
    return f"{{listener:{load_balancer}:{port}}}"


FINDING = reads("DescribeLoadBalancers", "DescribeListeners")
GROUPS = reads("DescribeTargetGroups", "DescribeTargetHealth")
