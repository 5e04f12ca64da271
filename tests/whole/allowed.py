"""What a whole cutover and its way back asked of AWS, held against the policies that `invoke iam` prints for them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from whole.stage import Stage

from cutover.aws.iam import actions
from cutover.aws.permission import Permission


def calls_since(stage: Stage, number: int) -> list[dict[str, Any]]:
    """The calls of our own commands after the first `number`; the world, the tests and strangers call themselves otherwise."""
    return [call for call in stage.aws_calls()[number:] if re.search(r"(^| )cutover($| )", call["user_agent"])]


def is_all_that_is_allowed(stage: Stage, env: str, role: str, calls: Iterable[dict[str, Any]], *, every: bool) -> None:
    """Each call is allowed, on what it is about; with `every` each allowed action was asked for, too."""
    roles = stage.run("iam", "--env", env, "--json").ended(0).json["roles"]
    statements = [one for policy in roles[role]["policies"] for one in policy["Statement"]]
    asked: set[str] = set()
    for call in calls:
        for action in actions(Permission(call["service"], call["operation"], "*")):
            asked.add(action)
            resources = [r for one in statements if action in one["Action"] for r in one["Resource"]]
            assert resources, f"{role} may not {action}"
            for arn in call["resources"] if resources != ["*"] else ():
                assert any(_fits(arn, resource) for resource in resources), f"{role} may not {action} on {arn}"
    assert asked, "no call of ours is on record"
    allowed = {action for one in statements for action in one["Action"]}
    assert not every or asked == allowed, f"{role} may, and nothing did: {sorted(allowed - asked)}"


def _fits(arn: str, pattern: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), arn) is not None
