"""Lambda alias weights: two published versions, one call, taken only if nobody changed the alias in between."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from contract import holds
from lambda_versions import ALIAS, FUNCTION, Versions
from local_aws import Endpoint
from meddling import Meddled

from cutover.aws.lambda_alias import LambdaAliasShare, VersionsFit
from cutover.aws.permission import Permitted
from cutover.aws.session import AwsError
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.gate import Finding, Verdict
from cutover.core.share import Share


@pytest.fixture
def versions(endpoint: Endpoint) -> Versions:
    made = Versions(endpoint)
    made.points("1")
    return made


def share(endpoint: Endpoint, before: float, after: float, **more: Any) -> LambdaAliasShare:
    return LambdaAliasShare(
        name=f"api-to-{after}",
        before=Share.of(before),
        after=Share.of(after),
        aws=more.pop("aws", endpoint.aws),
        function=more.pop("function", FUNCTION),
        alias=ALIAS,
        blue="1",
        green=more.pop("green", "2"),
    )


def run(step: LambdaAliasShare, seconds: float = 20.0) -> None:
    for command in step.commands(step.after):
        command.run(Deadline.after(seconds))


def test_a_share_is_a_weight_and_100_names_greens_version_alone(endpoint: Endpoint, versions: Versions) -> None:
    for before, after, shown in (
        (0, 10, ("1", {"2": 0.1})),
        (10, 0.01, ("1", {"2": 0.0001})),
        (0.01, 99.99, ("1", {"2": 0.9999})),
        (99.99, 100, ("2", {})),
        (100, 33.33, ("1", {"2": 0.3333})),
        (33.33, 0, ("1", {})),
    ):
        step = share(endpoint, before, after)
        assert endpoint.writes_during(partial(run, step)) == ["UpdateAlias"]
        assert versions.alias() == shown and step.observe() == step.after
        assert endpoint.writes_during(partial(run, step)) == ["UpdateAlias"], "the same again"


@pytest.mark.slow
@pytest.mark.sampled
def test_contract(endpoint: Endpoint, versions: Versions, tmp_path: Path) -> None:
    holds(
        lambda: share(endpoint, 50, 100),
        state_dir=tmp_path,
        kills=8,
        reset=lambda: versions.points("1", v2=0.5),
        strays=[
            lambda: versions.points("1", v2=0.25),
            lambda: versions.points("1"),
            lambda: versions.points("$LATEST"),
            lambda: versions.points("1", v2=0.12345),
            lambda: versions.points("1", v2=1.0),
        ],
    )


def test_what_is_printed_reaches_the_state_that_it_claims(
    endpoint: Endpoint, versions: Versions, bash: Callable[[str], str]
) -> None:
    for before, after in ((0, 10), (10, 100), (100, 0)):
        step = share(endpoint, before, after)
        (command,) = step.commands(step.after)
        bash(command.shell())
        assert step.observe() == step.after
        assert bash(step.check_shell()).splitlines()[-1] == f"{after} %"
    versions.points("1", v2=0.0)
    assert bash(share(endpoint, 0, 10).check_shell()).splitlines()[-1] == "0 %"


def test_somebody_who_moves_the_alias_between_our_look_and_our_write_is_heeded(
    endpoint: Endpoint, versions: Versions
) -> None:
    meddled = Meddled("us-east-1", operation="UpdateAlias", act=lambda: versions.points("1", v2=0.25))
    with pytest.raises(StepFailed, match="changed under our hands: 25 %; nothing was written"):
        run(share(endpoint, 0, 10, aws=meddled))
    assert versions.alias() == ("1", {"2": 0.25})


def test_a_new_revision_that_says_the_same_does_not_stop_us(endpoint: Endpoint, versions: Versions) -> None:
    meddled = Meddled("us-east-1", operation="UpdateAlias", act=lambda: versions.points("1"))
    run(share(endpoint, 0, 10, aws=meddled))
    assert versions.alias() == ("1", {"2": 0.1})


def test_a_lost_answer_is_read_back_and_not_sent_again(endpoint: Endpoint, versions: Versions) -> None:
    endpoint.fault("UpdateAlias", lose_response=True)
    assert endpoint.writes_during(lambda: run(share(endpoint, 0, 10))) == ["UpdateAlias"]
    assert versions.alias() == ("1", {"2": 0.1})


def test_what_is_not_there_is_a_state(endpoint: Endpoint, versions: Versions) -> None:
    step = share(endpoint, 0, 10, function="nowhere")
    assert step.observe() == f"there is no alias {ALIAS} of a function nowhere"
    with pytest.raises(StepFailed, match="no alias"):
        run(step)


@pytest.mark.parametrize(
    ("green", "change", "refused"),
    [
        ("99", {}, "Function not found"),
        ("$LATEST", {}, "not supported for an alias with two versions"),
        ("3", {}, "same execution role"),
        ("4", {}, "same dead-letter"),
        ("2", {"weight": 1.5}, "between 0.0 and 1.0"),
        ("1", {}, "already in the routing"),
        ("2", {"revision": "stale"}, "does not match the latest Revision Id"),
        ("2", {"more": {"3": 0.1}}, "cannot be greater than 1"),
    ],
)
def test_the_endpoint_refuses_what_aws_refuses(
    versions: Versions, green: str, change: dict[str, Any], refused: str
) -> None:
    weights = {green: change.get("weight", 0.1), **change.get("more", {})}
    revision = {"RevisionId": change["revision"]} if "revision" in change else {}
    with pytest.raises(AwsError, match=refused):
        versions.ask(
            "UpdateAlias",
            Name=ALIAS,
            FunctionVersion="1",
            RoutingConfig={"AdditionalVersionWeights": weights},
            **revision,
        )
    assert versions.alias() == ("1", {})


def fit(endpoint: Endpoint, green: str = "2", alias: str = ALIAS) -> VersionsFit:
    return VersionsFit(aws=endpoint.aws, function=FUNCTION, alias=alias, blue="1", green=green)


@pytest.mark.parametrize(
    ("green", "alias", "seen"),
    [
        ("9", ALIAS, "there is no version 9 of a function shop-api"),
        ("2", "nobody", "there is no alias nobody of a function shop-api"),
        ("3", ALIAS, "shop-api: versions 1 and 3 differ in their execution role"),
        ("4", ALIAS, "shop-api: versions 1 and 4 differ in their dead-letter queue"),
    ],
)
def test_versions_that_cannot_share_an_alias_are_found_before(
    endpoint: Endpoint, versions: Versions, bash: Callable[..., str], green: str, alias: str, seen: str
) -> None:
    check = fit(endpoint, green, alias)
    finding = check.look()
    assert (finding.verdict, finding.seen) == (Verdict.FAIL, seen)
    if alias == ALIAS:
        bash(check.shell(), ok=False)


def test_versions_that_fit(endpoint: Endpoint, versions: Versions, bash: Callable[..., str]) -> None:
    assert fit(endpoint).look() == Finding.passed("shop-api: versions 1 and 2 may share live")
    bash(fit(endpoint).shell())


def test_provisioned_concurrency_is_said(endpoint: Endpoint, versions: Versions) -> None:
    versions.ask("PutProvisionedConcurrencyConfig", Qualifier=ALIAS, ProvisionedConcurrentExecutions=5)
    try:
        finding = fit(endpoint).look()
        assert finding.verdict is Verdict.PASS and finding.data["warning"]
        assert "provisioned concurrency of 5 cannot be changed" in finding.seen
    finally:
        versions.ask("DeleteProvisionedConcurrencyConfig", Qualifier=ALIAS)


def test_what_cannot_be_asked_is_blind(endpoint: Endpoint, versions: Versions) -> None:
    endpoint.fault("GetAlias", code="AccessDeniedException")
    assert fit(endpoint).look().verdict is Verdict.BLIND


def test_its_calls_are_the_permitted_ones(endpoint: Endpoint, versions: Versions) -> None:
    for asked, act in (
        (share(endpoint, 0, 10), lambda: run(share(endpoint, 0, 10))),
        (fit(endpoint), lambda: fit(endpoint).look()),
    ):
        assert isinstance(asked, Permitted)
        before = len(endpoint.calls())
        act()
        made = {call["operation"] for call in endpoint.calls()[before:]}
        assert made == {permission.operation for permission in asked.permissions()}
        assert all(permission.resource.endswith(f":function:{FUNCTION}") for permission in asked.permissions())


def test_lots_are_drawn_is_said(endpoint: Endpoint) -> None:
    assert "draws lots for each invocation" in share(endpoint, 0, 10).why()
    assert replace(share(endpoint, 0, 10), alias="x").resource == "lambda:shop-api:x"
