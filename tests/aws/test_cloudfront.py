"""The share as a continuous deployment's weight, the promotion, and the way back from it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from contract import holds
from local_aws import Endpoint
from local_distribution import KEPT_IN, OF_GREEN, STICKY, LocalDistribution

from cutover.aws.cloudfront import ContinuousDeploymentShare
from cutover.aws.cloudfront_ready import ContinuousDeploymentReady
from cutover.aws.kept_distribution import KEPT, NOT_KEPT, BlueKept, Kept
from cutover.aws.session import Aws, AwsError
from cutover.core.clock import Deadline
from cutover.core.errors import NotConverged, StepFailed
from cutover.core.gate import Verdict
from cutover.core.plan import Phase, Plan
from cutover.core.share import Share
from cutover.core.step import Step
from cutover.core.telling import heard

WEIGH, PROMOTE, RESTORE, KEEP = (
    "UpdateContinuousDeploymentPolicy",
    "UpdateDistributionWithStagingConfig",
    "UpdateDistribution",
    "PutParameter",
)


@pytest.fixture(scope="module")
def _edge() -> dict[str, LocalDistribution]:
    return {}


@pytest.fixture
def edge(endpoint: Endpoint, _edge: dict[str, LocalDistribution]) -> Iterator[LocalDistribution]:
    if not _edge:
        made = LocalDistribution(endpoint)
        made.make()
        _edge["made"] = made
    yield _edge["made"]
    _edge["made"].reset()


def run(step: Step[Any], seconds: float = 20.0) -> None:
    for command in step.commands(step.after):
        command.run(Deadline.after(seconds))


def take(step: Step[Any]) -> None:
    run(step)
    assert step.observe() == step.after


def test_a_weight_and_back(edge: LocalDistribution) -> None:
    step = edge.share(0, 10)
    assert edge.endpoint.writes_during(lambda: take(step)) == [WEIGH]
    assert edge.endpoint.writes_during(lambda: take(step)) == []
    single = edge.policy_config()["TrafficConfig"]["SingleWeightConfig"]
    assert single == {"Weight": 0.1, "SessionStickinessConfig": STICKY}
    take(step.inverse())
    assert edge.policy_config()["Enabled"] is False


def test_the_promotion_turns_the_policy_off_and_blue_comes_back_whole(edge: LocalDistribution) -> None:
    edge.weigh(0.15)
    blue = edge.config(edge.primary)
    step = edge.share(15, 100)
    assert edge.endpoint.writes_during(lambda: take(step)) == [KEEP, PROMOTE]
    assert (edge.origin(), edge.policy_config()["Enabled"]) == (OF_GREEN, False)
    assert edge.config(edge.primary)["Aliases"] == blue["Aliases"]
    assert edge.endpoint.writes_during(lambda: take(step)) == []
    assert edge.endpoint.writes_during(lambda: take(step.inverse())) == [RESTORE, WEIGH]
    assert edge.config(edge.primary) == blue
    assert edge.policy_config()["TrafficConfig"]["SingleWeightConfig"]["Weight"] == 0.15


def test_a_rollback_on_another_machine_goes_from_100_to_0_in_one_write(edge: LocalDistribution) -> None:
    steps = (edge.keeping(), edge.share(0, 10), edge.share(10, 15), edge.share(15, 100))
    plan = Plan(name="cutover", environment="e", phases=(Phase(name="all", owner="traffic", items=steps),))
    for _, step in plan.steps():
        take(step)
    back = plan.inverse([step.name for _, step in plan.steps()])
    elsewhere = Aws("us-east-1")
    moves: list[Step[Any]] = []
    for _, step in back.steps():
        assert isinstance(step, ContinuousDeploymentShare | BlueKept)
        moves.append(replace(step, aws=elsewhere))
    assert [(move.before, move.after) for move in moves] == [(Share.of(100), Share.of(0)), (KEPT, NOT_KEPT)]
    written = [edge.endpoint.writes_during(partial(take, move)) for move in moves]
    assert written == [[RESTORE], ["DeleteParameter"]]
    assert edge.config(edge.primary) == edge.made[edge.primary]


def test_what_is_kept_is_not_let_go_while_green_serves(edge: LocalDistribution) -> None:
    keeping = edge.keeping()
    take(keeping)
    take(edge.share(0, 100))
    with pytest.raises(StepFailed, match="is the only way back"):
        run(keeping.inverse())
    edge.forget()
    with pytest.raises(StepFailed, match="keeps nothing of blue"):
        run(edge.share(0, 100).inverse())
    with pytest.raises(StepFailed, match="there is no blue to keep"):
        run(keeping)


def test_staging_that_serves_blue_again_is_no_promotion(edge: LocalDistribution, bash: Callable[..., str]) -> None:
    keeping = edge.keeping()
    take(keeping)
    edge.serve(edge.staging, "blue.example.com")
    step = edge.share(15, 100)
    seen = f"{edge.staging} serves what is kept of blue, as {edge.primary} does: nobody gets green"
    assert step.observe() == seen
    with pytest.raises(StepFailed, match="nobody gets green; nothing was written"):
        run(step)
    assert bash(step.check_shell()).splitlines()[-1] == "both serve blue: nobody gets green"
    assert f"{edge.staging} serves the same" in ready(edge).look().seen
    take(keeping.inverse())


def test_staging_that_moves_on_after_the_promotion_is_not_taken_for_blue(edge: LocalDistribution) -> None:
    take(edge.share(0, 100))
    edge.serve(edge.staging, "next.example.com")
    seen = edge.share(0, 100).observe()
    assert seen == f"{edge.primary} serves neither what is kept of blue nor what {edge.staging} serves"


@pytest.mark.parametrize("operation", [WEIGH, PROMOTE, KEEP, RESTORE])
def test_a_lost_answer_is_looked_after(edge: LocalDistribution, operation: str) -> None:
    edge.weigh(0.15)
    edge.endpoint.fault(operation, lose_response=True)
    step = edge.share(15, 100)
    take(step)
    take(step.inverse())


@pytest.mark.parametrize(("moment", "after"), [(WEIGH, 10), (PROMOTE, 100)])
def test_somebody_who_writes_between_looking_and_writing_wins(
    edge: LocalDistribution, moment: str, after: float
) -> None:
    class Meddled(Aws):
        def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
            if operation == moment:
                edge.change(edge.staging, Comment="mine") if after == 100 else edge.weigh(0.03)
            return super().call(service, operation, deadline, **parameters)

    with pytest.raises(StepFailed, match="somebody else changed it; nothing was written"):
        run(edge.share(0, after, aws=Meddled("us-east-1")))
    assert edge.share(0, 5).observe() == Share.of(0 if after == 100 else 3)


def test_it_is_done_when_it_is_deployed_and_says_so_meanwhile(edge: LocalDistribution) -> None:
    said: list[str] = []
    edge.deploying(0.3)
    with heard(said.append):
        take(edge.share(0, 10))
    assert set(said) == {f"distribution {edge.primary}: InProgress"}
    edge.deploying(30)
    with pytest.raises(NotConverged, match="is still InProgress"):
        run(edge.share(10, 5), seconds=0.5)


def test_a_share_above_15_is_no_step() -> None:
    with pytest.raises(ValueError, match="20 % cannot be sent to staging, only up to 15 %, and then 100 %"):
        ContinuousDeploymentShare(
            name="no",
            before=Share.of(15),
            after=Share.of(20),
            aws=Aws("us-east-1"),
            distribution="E1",
            staging="E2",
            kept_in="/x",
        )


def test_what_carries_no_share_is_a_state_and_no_error(edge: LocalDistribution) -> None:
    assert edge.share(0, 10, distribution="EXXXXXX").observe() == "there is no distribution EXXXXXX"
    assert edge.share(0, 10, distribution=edge.staging, staging=edge.primary).observe() == (
        f"distribution {edge.staging} has no continuous deployment policy"
    )
    header = {"Header": "aws-cf-cd-test", "Value": "1"}
    edge.weigh(0, Enabled=True, TrafficConfig={"Type": "SingleHeader", "SingleHeaderConfig": header})
    assert edge.share(0, 10).observe() == "the policy sends by the header aws-cf-cd-test"
    edge.weigh(0.05)
    edge.change(edge.staging, Enabled=False)
    assert edge.share(0, 10).observe() == f"the policy sends to {edge.staging}, which is disabled"


def test_the_local_cloudfront_is_strict(edge: LocalDistribution) -> None:
    refused: list[tuple[Callable[[], object], str]] = [
        (lambda: edge.weigh(0.16), "InvalidArgument"),
        (
            lambda: edge.weigh(
                0,
                TrafficConfig={"Type": "SingleHeader", "SingleHeaderConfig": {"Header": "x-test", "Value": "1"}},
            ),
            "InvalidArgument",
        ),
        (lambda: edge.change(edge.primary, HttpVersion="http3"), "InvalidArgument"),
        (lambda: edge.change(edge.primary, CallerReference="other"), "IllegalUpdate"),
        (
            lambda: edge.call(PROMOTE, Id=edge.primary, StagingDistributionId=edge.staging, IfMatch="E1, E2"),
            "PreconditionFailed",
        ),
        (lambda: edge.call("GetContinuousDeploymentPolicy", Id="no"), "NoSuchContinuousDeploymentPolicy"),
    ]
    for act, code in refused:
        with pytest.raises(AwsError) as error:
            act()
        assert error.value.code == code
    seen = edge.call("GetDistributionConfig", Id=edge.primary)
    left_out = {k: v for k, v in seen["DistributionConfig"].items() if k != "ContinuousDeploymentPolicyId"}
    with pytest.raises(AwsError, match="IllegalUpdate"):
        edge.call(RESTORE, Id=edge.primary, IfMatch=seen["ETag"], DistributionConfig=left_out)


def ready(edge: LocalDistribution) -> ContinuousDeploymentReady:
    return ContinuousDeploymentReady(share=edge.share(0, 5))


def test_a_distribution_that_can_carry_the_share(edge: LocalDistribution) -> None:
    found = ready(edge).look()
    assert (found.verdict, found.seen) == (
        Verdict.PASS,
        f"{edge.primary} serves blue, {edge.staging} is ready, the share is 0 %",
    )


@pytest.mark.parametrize(
    ("act", "seen"),
    [
        (lambda edge: edge.weigh(0.03), "the share is 3 %, 0 % is where the plan begins"),
        (lambda edge: edge.serve(edge.staging, "blue.example.com"), "serves the same as"),
        (lambda edge: edge.change(edge.staging, Enabled=False), "is disabled"),
        (lambda edge: edge.change(edge.staging, HttpVersion="http2and3"), "speaks http2and3"),
    ],
)
def test_what_cannot_carry_it_says_why(
    edge: LocalDistribution, act: Callable[[LocalDistribution], None], seen: str
) -> None:
    act(edge)
    found = ready(edge).look()
    assert (found.verdict, seen in found.seen, bool(found.hint)) == (Verdict.FAIL, True, True)


def test_a_deployment_under_way_is_waited_for_and_one_that_is_not_seen_is_blind(edge: LocalDistribution) -> None:
    edge.deploying(30)
    edge.change(edge.staging, Comment="new")
    assert ready(edge).look().verdict is Verdict.INSUFFICIENT
    edge.endpoint.fault("GetDistribution", code="AccessDenied")
    assert ready(edge).look().verdict is Verdict.BLIND


def test_what_does_not_fit_into_a_parameter_is_refused_before(edge: LocalDistribution) -> None:
    comment = "".join(f"{number * 7919:x}" for number in range(6000))
    kept = Kept(edge.endpoint.aws, KEPT_IN, edge.primary)
    with pytest.raises(StepFailed, match="an SSM parameter 8192"):
        kept.save({**edge.config(edge.primary), "Comment": comment}, Deadline.after(5))


def test_a_parameter_of_somebody_else_is_left_alone(edge: LocalDistribution) -> None:
    put = {"Name": KEPT_IN, "Value": "hello", "Type": "String"}
    edge.endpoint.aws.call("ssm", KEEP, Deadline.after(5), **put)
    assert edge.keeping().observe() == f"parameter {KEPT_IN} keeps no distribution's configuration"
    for step in (edge.keeping(), edge.share(0, 10)):
        with pytest.raises(StepFailed, match="keeps no distribution's configuration"):
            run(step)


@pytest.mark.slow
@pytest.mark.sampled
def test_the_contract_of_a_weight(edge: LocalDistribution, tmp_path: Path) -> None:
    holds(
        lambda: edge.share(0, 10),
        kills=6,
        state_dir=tmp_path,
        reset=edge.reset,
        strays=[lambda: edge.weigh(0.03), lambda: edge.serve(edge.staging, "blue.example.com")],
    )


@pytest.mark.slow
@pytest.mark.sampled
def test_the_contract_of_the_promotion(edge: LocalDistribution, tmp_path: Path) -> None:
    holds(
        lambda: edge.share(15, 100),
        kills=8,
        state_dir=tmp_path,
        reset=lambda: edge.reset(0.15),
        strays=[lambda: edge.weigh(0.03)],
    )


@pytest.mark.slow
@pytest.mark.sampled
def test_the_contract_of_keeping_blue(edge: LocalDistribution, tmp_path: Path) -> None:
    def stale() -> None:
        run(edge.keeping())
        edge.serve(edge.primary, "other.example.com")

    holds(edge.keeping, kills=4, state_dir=tmp_path, reset=edge.reset, strays=[stale])


@pytest.mark.slow
def test_what_is_printed_reaches_the_same_states(edge: LocalDistribution, bash: Callable[..., str]) -> None:
    keeping = edge.keeping()
    bash(keeping.commands(KEPT)[0].shell())
    assert keeping.observe() == KEPT == bash(keeping.check_shell()).strip()
    first, last = edge.share(0, 10), edge.share(10, 100)
    bash(first.commands(first.after)[0].shell())
    assert first.observe() == first.after
    assert bash(first.check_shell()).splitlines()[-1] == "10 %"
    bash(last.commands(last.after)[0].shell())
    assert last.observe() == last.after
    assert bash(last.check_shell()).splitlines()[-1] == "100 %"
    bash(last.inverse().commands(last.before)[0].shell())
    assert last.observe() == last.before
    assert edge.config(edge.primary) == edge.made[edge.primary]
    bash(first.inverse().commands(first.before)[0].shell())
    assert first.observe() == first.before
    bash(keeping.inverse().commands(NOT_KEPT)[0].shell())
    assert keeping.observe() == NOT_KEPT == bash(keeping.check_shell()).strip()
