"""The least-privilege policy: exact, held against AWS's own list of actions and resources, and no larger than IAM takes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from local_aws import Endpoint
from policy_sentry.querying.actions import get_action_data

from cutover.app import App, open_environment
from cutover.aws.given_ids import given_ids
from cutover.aws.iam import LONGEST, Place, actions, policies, size
from cutover.aws.permission import IDENTITY, Permission
from cutover.aws.secret import fetched
from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.core.errors import Unexpected
from cutover.core.gate import Check, Finding, Gate
from cutover.environment import load, names
from cutover.plans.checks import AllOf
from cutover.plans.permitted import ROLES, permissions_of, references, role_permissions

ACCOUNT = "123456789012"
PLACE = Place("us-east-1", ACCOUNT)
IN_AWS = [name for name in names() if load(name).aws.account]


def documents(app: App, role: str) -> list[dict[str, Any]]:
    return policies(role_permissions(role, app.environment, app.plan, app.finish, app.decommission), PLACE)


def statements(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for document in found:
        assert document["Version"] == "2012-10-17"
        yield from document["Statement"]


# In the service's own model, and not yet in the list of actions; the resource is that of its sisters.
NEWER = {"route53:ListResourceRecordSetProtections": {"arn:*:route53:::hostedzone/*"}}


def formats(action: str) -> set[str]:
    """The ARNs that an action takes, as AWS lists them, with * for each part that varies; empty when it takes none."""
    if action in NEWER:
        return NEWER[action]
    service, name = action.split(":")
    found: Any = get_action_data(service, name)
    assert found, f"AWS has no action {action}"
    return {re.sub(r"\$\{[^}]+\}", "*", one["resource_arn_format"]) for one in found[service]} - {"*"}


def fits(arn: str, pattern: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".+"), arn) is not None


# It may name a billing view, and ours does not: a statement for views alone would not be known to cover that.
NAMES_NO_RESOURCE = {"ce:GetCostAndUsage"}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", IN_AWS)
def test_every_policy_is_exact_to_aws(name: str, role: str) -> None:
    """Each action exists and takes the resource it is given; * stands alone only where AWS takes no resource."""
    found = documents(open_environment(name), role)
    seen = list(statements(found))
    assert len({one["Sid"] for one in seen}) == len(seen)
    assert all(re.fullmatch("[A-Za-z0-9]+", one["Sid"]) for one in seen)
    assert all(size(document) <= LONGEST for document in found)
    for statement in seen:
        for action in statement["Action"]:
            assert "*" not in action
            wanted = formats(action)
            for resource in statement["Resource"]:
                assert "{" not in resource, "nothing is left to be filled in"
                if not wanted or action in NAMES_NO_RESOURCE:
                    assert resource == "*", f"{action} takes no resource"
                else:
                    assert any(fits(resource, one) for one in wanted), f"{action} does not take {resource}"


@pytest.mark.parametrize("name", IN_AWS)
def test_who_only_looks_changes_nothing(name: str) -> None:
    app = open_environment(name)
    looks = role_permissions("plan", app.environment, app.plan, app.finish, app.decommission)
    assert looks and all(one.reads for one in looks)
    plans = app.plan, app.finish, app.decommission
    assert looks < role_permissions("cutover", app.environment, *plans) | role_permissions(
        "decommission", app.environment, *plans
    )


def test_the_way_back_needs_no_more_than_the_way_there() -> None:
    app = open_environment("prod")
    there = role_permissions("cutover", app.environment, app.plan, app.finish, app.decommission)
    back = role_permissions("rollback", app.environment, app.plan, app.finish, app.decommission)
    assert back <= there and not all(one.reads for one in back)


def test_production_names_its_secrets_and_nothing_beside_them() -> None:
    app = open_environment("prod")
    wanted = {ref.name for ref in references(app.environment) if ref.kind == "secretsmanager"}
    assert len(wanted) == 13
    (read,) = [one for one in statements(documents(app, "plan")) if "secretsmanager:GetSecretValue" in one["Action"]]
    prefix = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:"
    assert read["Resource"] == sorted(f"{prefix}{name}-??????" for name in wanted)


def test_records_are_bound_to_their_name_and_types() -> None:
    (write,) = [
        one
        for one in statements(documents(open_environment("prod"), "cutover"))
        if "route53:ChangeResourceRecordSets" in one["Action"]
    ]
    condition = write["Condition"]["ForAllValues:StringEquals"]
    assert condition["route53:ChangeResourceRecordSetsNormalizedRecordNames"] == [
        "api.example.com",
        "_cutover.api.example.com",
    ]
    assert condition["route53:ChangeResourceRecordSetsRecordTypes"] == ["CNAME", "TXT"]
    assert condition["route53:ChangeResourceRecordSetsActions"] == ["CREATE", "DELETE"]


def test_ids_that_aws_gives_are_asked_for(endpoint: Endpoint) -> None:
    asked = [
        Permission(
            "elbv2",
            "ModifyListener",
            "arn:aws:elasticloadbalancing:{region}:{account}:listener/app/shop/{listener:shop:80}",
        ),
        Permission("route53", "ListResourceRecordSets", "arn:aws:route53:::hostedzone/{zone:shop.test}"),
    ]
    ids = given_ids(endpoint.aws, asked, Deadline.after(10))
    found = [one["Resource"] for one in policies(asked, Place("us-east-1", ACCOUNT, ids))[0]["Statement"]]
    assert found == [[f"arn:aws:route53:::hostedzone/{endpoint.zone()}"], [endpoint.listener()["ListenerArn"]]]
    loose = [one["Resource"] for one in policies(asked, PLACE)[0]["Statement"]]
    assert loose[1] == [f"arn:aws:elasticloadbalancing:us-east-1:{ACCOUNT}:listener/app/shop/*/*"]
    nothing = Permission("route53", "ListResourceRecordSets", "arn:aws:route53:::hostedzone/{zone:none.test}")
    with pytest.raises(Unexpected, match=r"no public zone none\.test"):
        given_ids(endpoint.aws, [nothing], Deadline.after(10))


def test_actions_on_the_same_resources_share_a_statement_and_nothing_is_allowed_beside() -> None:
    wanted = [
        Permission("ssm", operation, f"arn:aws:ssm:{{region}}:{{account}}:parameter/{name}")
        for operation, name in (("PutParameter", "a"), ("PutParameter", "b"), ("DeleteParameter", "a"))
    ]
    pairs = {
        (action, resource)
        for one in statements(policies(wanted, PLACE))
        for action in one["Action"]
        for resource in one["Resource"]
    }
    parameter = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/"
    assert pairs == {
        ("ssm:PutParameter", parameter + "a"),
        ("ssm:PutParameter", parameter + "b"),
        ("ssm:DeleteParameter", parameter + "a"),
    }


def test_what_is_too_long_for_one_policy_becomes_several() -> None:
    wanted = [
        Permission(
            "ssm",
            "PutParameter",
            "arn:aws:ssm:{region}:{account}:parameter/x",
            (("StringEquals", f"key{n}", ("v" * 900,)),),
        )
        for n in range(20)
    ]
    found = policies(wanted, PLACE)
    assert len(found) == 4 and all(size(document) <= LONGEST for document in found)
    assert len(list(statements(found))) == 20


@pytest.mark.parametrize(
    ("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-west-1", "aws")]
)
def test_other_partitions_have_other_arns(region: str, partition: str) -> None:
    assert Place(region, ACCOUNT).arn("arn:aws:s3:::bucket") == f"arn:{partition}:s3:::bucket"


def test_a_reference_that_is_an_arn_is_taken_as_it_is() -> None:
    whole = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:shop/dsn-AbC123"
    assert fetched("secretsmanager", whole).resource == whole
    assert fetched("secretsmanager", whole.removesuffix("-AbC123")).resource.endswith("shop/dsn-??????")
    assert PLACE.arn(fetched("ssm", "/shop/dsn").resource) == f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/shop/dsn"


def test_an_operation_with_another_action_needs_that() -> None:
    assert actions(Permission("s3", "HeadObject", "*")) == ("s3:GetObject",)
    assert actions(Permission("lambda", "Invoke", "*")) == ("lambda:InvokeFunction",)
    assert actions(IDENTITY) == ("sts:GetCallerIdentity",)


@dataclass(frozen=True)
class Asks(Check):
    """Asks AWS."""

    aws: Aws

    def look(self) -> Finding:
        return Finding.passed("")

    def permissions(self) -> tuple[Permission, ...]:
        return (IDENTITY,)

    def shell(self) -> str:
        return ""


def test_a_check_inside_other_things_is_found() -> None:
    check = Asks(Aws("us-east-1"))
    within = [
        AllOf((("one", check),)),
        Gate(name="gate", check=AllOf(()), on_rollback=check),
        partial(print, check),
        check.look,
        {"a": [check]},
    ]
    for thing in within:
        assert list(permissions_of(thing)) == [IDENTITY], thing
    assert list(permissions_of(AllOf(()))) == []
