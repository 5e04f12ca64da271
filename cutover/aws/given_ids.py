"""Ids that AWS gives, asked for by the names that an environment knows."""

from collections.abc import Iterable

from cutover.aws.iam import placeholder, unresolved
from cutover.aws.listener import Missing, find_listener
from cutover.aws.permission import Permission
from cutover.aws.route53_zone import Zone
from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.core.errors import Unexpected


def given_ids(aws: Aws, permissions: Iterable[Permission], deadline: Deadline) -> dict[str, str]:
    """Every id by its place in a permission; raises Unexpected for what is not there, AwsError when AWS does not say."""
    found = {}
    for kind, name in unresolved(permissions):
        try:
            found[placeholder(kind, name)] = _asked(aws, kind, name, deadline)
        except Missing as missing:
            raise Unexpected(f"{missing}, so its id cannot be written into the policy") from missing
    return found


def _asked(aws: Aws, kind: str, name: str, deadline: Deadline) -> str:
    if kind == "zone":
        return Zone.of(aws, name).id(deadline)
    load_balancer, port = name.rsplit(":", 1)
    return "/".join(find_listener(aws, load_balancer, int(port), deadline).arn.rsplit("/", 2)[-2:])
