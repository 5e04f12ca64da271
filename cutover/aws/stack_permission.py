"""What the objects about CloudFormation stacks ask of AWS (Service Authorization Reference, AWS CloudFormation)."""

from collections.abc import Iterable

from cutover.aws.permission import Permission

LOOKING = ("DescribeStacks",)
READY = ("GetTemplate", "GetTemplateSummary")
CHANGING = (
    "CreateChangeSet",
    "DeleteChangeSet",
    "DescribeChangeSet",
    "DescribeStackEvents",
    "ExecuteChangeSet",
    "GetTemplateSummary",
    "ListChangeSets",
)


def on_stack(name: str, operations: Iterable[str]) -> tuple[Permission, ...]:
    """These operations on one stack; what its resources need, the stack's own role has to have."""
    arn = f"arn:aws:cloudformation:{{region}}:{{account}}:stack/{name}/*"
    return tuple(Permission("cloudformation", operation, arn) for operation in operations)
