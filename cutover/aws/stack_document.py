"""What a stack is, as plain data: for the backup before a cutover and for comparing afterwards."""

from typing import Any

from cutover.aws.listener import Missing
from cutover.aws.session import Aws
from cutover.aws.stack import CLOUDFORMATION, find_stack
from cutover.core.clock import Deadline

READ_SECONDS = 60.0


def stack_document(aws: Aws, name: str) -> dict[str, Any] | str:
    """Status, parameters (NoEcho as AWS masks it), capabilities and template; a text when there is no such stack.

    Raises AwsError when AWS cannot be read within a minute.
    """
    deadline = Deadline.after(READ_SECONDS)
    try:
        stack = find_stack(aws, name, deadline)
    except Missing as missing:
        return str(missing)
    template = aws.call(CLOUDFORMATION, "GetTemplate", deadline, StackName=name)["TemplateBody"]
    return {
        "id": stack.id,
        "status": stack.status,
        "parameters": dict(stack.parameters),
        "capabilities": list(stack.capabilities),
        "template": template,
    }
