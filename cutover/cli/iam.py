"""The command that prints the least-privilege policies of an environment."""

from typing import Any

from invoke.context import Context
from invoke.tasks import task

from cutover.cli.ends import ended, say
from cutover.cli.looking import ENV

RESOLVE_SECONDS = 30.0
MONITORING = "monitoring"


@task(
    help={
        "env": ENV,
        "role": "plan (looks only), cutover, rollback, decommission, or monitoring (invoke alerts and dashboards); all of them when left out",
        "resolve": "ask AWS for the ids that it gives, which are a * without",
        "json": "one document with all roles on standard output",
    }
)
@ended
def iam(c: Context, env: str = "", role: str = "", resolve: bool = False, json: bool = False) -> None:
    """Print the IAM policy that allows what the plan does, and nothing else. Example: invoke iam --env prod --role rollback"""
    from cutover.aws.iam import LONGEST, size
    from cutover.cli.opening import named, opened, print_json
    from cutover.core.errors import ConfigurationRefused
    from cutover.plans.permitted import ROLES

    roles = (*ROLES, MONITORING)
    if role and role not in roles:
        raise ConfigurationRefused([f"--role {role}: the roles are {', '.join(roles)}"])
    app = opened(named(env), read_only=True)
    if app.environment.aws.account is None:
        raise ConfigurationRefused(
            [f"{env}: aws.account is not set: an exact ARN names the account"],
            next_command="aws sts get-caller-identity --query Account",
        )
    found = _policies(app, (role,) if role else roles, resolve=resolve)
    if app.environment.state.kind != "literal":
        say(
            f"the state is where {app.environment.state} says, which is not read here: if that is a bucket, every role also needs "
            "s3:ListBucket on it and s3:GetObject on PREFIX/ENVIRONMENT/*, and all but plan s3:PutObject there"
        )
    if json:
        shown = {name: {"policies": documents, "characters": list(map(size, documents))} for name, documents in found}
        print_json({"schema": "cutover.iam/1", "environment": env, "longest": LONGEST, "roles": shown})
        return
    for name, documents in found:
        for number, document in enumerate(documents, 1):
            part = f", part {number} of {len(documents)}: attach all" if len(documents) > 1 else ""
            say(f"{name}{part}: {size(document):,} of the {LONGEST:,} characters of a managed policy")
            print_json(document)
    if any(ref.kind in ("ssm", "secretsmanager") for ref in _references(app)):
        say("values that are encrypted with a KMS key of your own also need kms:Decrypt on that key")


def _references(app: Any) -> Any:
    from cutover.plans.permitted import references

    return references(app.environment)


def _policies(app: Any, roles: Any, *, resolve: bool) -> list[tuple[str, list[dict[str, Any]]]]:
    from cutover.aws.given_ids import given_ids
    from cutover.aws.iam import Place, policies
    from cutover.core.clock import Deadline
    from cutover.dashboards import monitoring_permissions
    from cutover.plans.permitted import role_permissions

    environment = app.environment
    plans = app.plan, app.finish, app.decommission
    # A place that is only a reference is not resolved here: its value may be a secret.
    kept = list(app.place.permissions()) if environment.state.kind == "literal" else []
    allowed = {
        role: role_permissions(role, environment, *plans) | {one for one in kept if one.reads or role != "plan"}
        for role in roles
        if role != MONITORING
    }
    if MONITORING in roles:
        allowed[MONITORING] = frozenset(monitoring_permissions(app))
    ids: dict[str, str] = {}
    if resolve:
        every = frozenset().union(*allowed.values())
        ids = given_ids(app.means.aws, every, Deadline.after(RESOLVE_SECONDS))
    place = Place(environment.aws.region, environment.aws.account, ids)
    return [(role, policies(allowed[role], place)) for role in roles]
