"""What a distribution and its continuous deployment are, as plain data: for the backup before a cutover and for comparing."""

from typing import Any

from cutover.aws.deployment import find_deployment
from cutover.aws.listener import Missing
from cutover.aws.session import Aws
from cutover.core.clock import Deadline

READ_SECONDS = 60.0


def deployment_document(aws: Aws, distribution: str, staging: str) -> dict[str, Any] | str:
    """Both configurations whole, with their versions, and the policy; a text when something of it is not there.

    Raises AwsError when AWS cannot be read within a minute.
    """
    try:
        seen = find_deployment(aws, distribution, staging, Deadline.after(READ_SECONDS))
    except Missing as missing:
        return str(missing)
    return {
        **{
            one.id: {"version": one.version, "status": one.status, "domain": one.domain, "configuration": one.config}
            for one in (seen.primary, seen.staging)
        },
        "policy": {"id": seen.policy_id, "version": seen.policy_version, "configuration": seen.policy},
    }
