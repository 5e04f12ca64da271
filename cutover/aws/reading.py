"""Which operations read, and the guard that lets nothing else out of a process that may not write.

A service that is not named here has no reads: whoever begins to use one decides what may be asked of it in a dry-run.
"""

from typing import Any

from cutover.core.errors import Refused

SERVICES = frozenset(
    {
        "application-autoscaling",
        "autoscaling",
        "cloudformation",
        "cloudfront",
        "cloudwatch",
        "ecs",
        "elbv2",
        "events",
        "iam",
        "lambda",
        "logs",
        "rds",
        "route53",
        "s3",
        "secretsmanager",
        "sns",
        "ssm",
        "sts",
    }
)
READS = ("BatchGet", "Describe", "Get", "Head", "List")
ALSO_READS = frozenset(
    {"route53:TestDNSAnswer", "logs:FilterLogEvents", "iam:SimulatePrincipalPolicy", "ce:GetCostAndUsage"}
)
# They begin like a read and make credentials, with which more could be done than was allowed here.
NOT_READS = frozenset(
    {
        "sts:GetDelegatedAccessToken",
        "sts:GetFederationToken",
        "sts:GetScopedCredentials",
        "sts:GetSessionToken",
        "sts:GetWebIdentityToken",
    }
)
# What botocore itself sends to obtain credentials goes through the same hook.
LOG_INS = frozenset(
    {"sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sso:GetRoleCredentials", "sso-oidc:CreateToken"}
)


class WriteRefused(Refused):
    """A read-only session was asked for an operation that is not known to read."""


def is_read(service: str, operation: str) -> bool:
    """Whether an operation is known to change nothing; what is not known counts as a write."""
    name = f"{service}:{operation}"
    return name in ALSO_READS or (service in SERVICES and operation.startswith(READS) and name not in NOT_READS)


def refuse_writes(model: Any, **_: Any) -> None:
    """A botocore handler for before-parameter-build; raises WriteRefused, so that nothing is sent."""
    service = model.service_model.service_name
    if not is_read(service, model.name) and f"{service}:{model.name}" not in LOG_INS:
        raise WriteRefused(f"read-only: {service} {model.name} was refused here and not sent to AWS")


def guard_process() -> None:
    """Puts the guard before every session that this process makes from now on, whoever makes it; for dry-runs."""
    from botocore import handlers

    builtin: list[Any] = handlers.BUILTIN_HANDLERS
    guard = ("before-parameter-build", refuse_writes)
    if guard not in builtin:
        builtin.append(guard)
