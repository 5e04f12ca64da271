"""The share as the weight of a CloudFront continuous deployment policy, up to 15 %, and the promotion to 100 %."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from cutover.aws.cloudfront_permission import on_distribution, on_parameter, on_policies
from cutover.aws.cloudfront_shell import deployed, promoted, restored, shown, weighed
from cutover.aws.deployment import (
    CHANGED_MEANWHILE,
    CLOUDFRONT,
    ITS_OWN,
    Config,
    Deployment,
    await_deployed,
    find_deployment,
    serves,
)
from cutover.aws.kept_distribution import Kept
from cutover.aws.listener import Missing, script
from cutover.aws.permission import Permission
from cutover.aws.session import OBSERVE_SECONDS, Aws, AwsError, OutcomeUnknown
from cutover.core import killpoint
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.share import Share
from cutover.core.step import Command, Step

LARGEST = Share.of(15)  # CloudFront API, ContinuousDeploymentSingleWeightConfig: Weight is from 0 to 0.15
ALL, NONE = Share.of(100), Share.of(0)
SENT = "cloudfront change sent"


def between(before: Share, after: Share) -> frozenset[Share | str]:
    """What a move through the promotion may show half-way: blue alone, while the policy is off."""
    return frozenset({NONE}) - {before, after} if ALL in (before, after) else frozenset()


@dataclass(frozen=True, kw_only=True)
class ContinuousDeploymentShare(Step[Share | str]):
    """Sends up to 15 % of the requests to green by the weight of a continuous deployment policy; 100 % is the promotion.

    The staging distribution has green's configuration. The promotion copies it to the primary distribution and switches the
    policy off; blue's configuration has been kept before, and going back from 100 % writes it again. Each change takes minutes
    to reach every edge location, on the way back too. In its busiest hours CloudFront may send everything to the primary
    distribution, whatever the policy says: so a share below 100 % is at most what is written, and requests have to be counted.
    Visitors whose session sticks to staging stay there until it ends.
    """

    aws: Aws
    distribution: str
    staging: str
    kept_in: str
    settle: float = 1800.0
    expected: float = 300.0

    def __post_init__(self) -> None:
        for share in (self.before, self.after):
            if isinstance(share, Share) and LARGEST < share < ALL:
                raise ValueError(
                    f"{self.name}: {share} cannot be sent to staging, only up to {LARGEST}, and then {ALL}"
                )

    @property
    def resource(self) -> str:
        return f"cloudfront:{self.distribution}"

    @property
    def lane(self) -> str:
        return "traffic"

    @property
    def kept(self) -> Kept:
        return Kept(self.aws, self.kept_in, self.distribution)

    def observe(self) -> Share | str:
        deadline = Deadline.after(OBSERVE_SECONDS)
        try:
            return self.state(self.deployment(deadline), self.kept.read(deadline))
        except Missing as missing:
            return str(missing)

    def deployment(self, deadline: Deadline) -> Deployment:
        return find_deployment(self.aws, self.distribution, self.staging, deadline)

    def state(self, seen: Deployment, kept: Config | None) -> Share | str:
        """The share that a deployment carries, or why it carries none."""
        if seen.primary.serves == seen.staging.serves:
            # The same after a promotion too, but then it is green's: somebody has given staging blue's configuration.
            if kept is not None and serves(kept) == seen.primary.serves:
                return f"{self.staging} serves what is kept of blue, as {self.distribution} does: nobody gets green"
            return ALL
        if kept is not None and serves(kept) != seen.primary.serves:
            return f"{self.distribution} serves neither what is kept of blue nor what {self.staging} serves"
        if seen.by_header:
            return f"the policy sends by the header {seen.by_header}"
        if seen.weight and not seen.staging.config.get("Enabled"):
            return f"the policy sends to {self.staging}, which is disabled"
        return _percent(seen.weight)

    def commands(self, target: Share | str) -> Sequence[Command]:
        if not isinstance(target, Share):
            raise TypeError(f"{self.name}: {target!r} is not a share")
        through = ALL in (self.before, self.after)
        return (SetDeployment(self, target, through and target != ALL),)

    def permissions(self) -> Sequence[Permission]:
        kept = ("GetParameter", "PutParameter") if ALL in (self.before, self.after) else ("GetParameter",)
        writes = ("UpdateDistribution", "UpdateDistributionWithStagingConfig") if len(kept) == 2 else ()
        return (
            *on_distribution(self.distribution, "GetDistribution", *writes),
            *on_distribution(self.staging, "GetDistribution"),
            *on_policies("GetContinuousDeploymentPolicy", "UpdateContinuousDeploymentPolicy"),
            *on_parameter(self.kept_in, kept),
        )

    def check_shell(self) -> str:
        return script(
            shown(
                self.aws,
                self.distribution,
                self.staging,
                self.kept.look_shell(f"kept=$({self.kept.read_shell()})", "kept="),
            )
        )


def _percent(weight: float) -> Share:
    percent = (Decimal(repr(weight)) * 100).quantize(Decimal("0.01"))
    return Share(max(percent, Decimal("0.01")) if weight else Decimal(0))


@dataclass(frozen=True)
class SetDeployment(Command):
    """Weighs, promotes, or puts blue's configuration back, each by compare-and-swap, and waits until it is deployed."""

    kill_points: ClassVar[tuple[str, ...]] = (SENT,)

    step: ContinuousDeploymentShare
    target: Share
    restores: bool
    """Whether the primary distribution may have been promoted."""

    def run(self, deadline: Deadline) -> None:
        step = self.step
        doubtful = False
        try:
            while (write := self._next(deadline)) is not None:
                try:
                    write(deadline)
                    doubtful = False
                    killpoint.reached(SENT)
                except OutcomeUnknown:
                    doubtful = True
                    if deadline.expired:
                        raise
                except AwsError as error:
                    # After a lost answer our own change may be what makes the version another one: look again.
                    if error.code in CHANGED_MEANWHILE and doubtful:
                        doubtful = False
                        continue
                    if error.code in CHANGED_MEANWHILE:
                        raise StepFailed(f"{step.resource}: somebody else changed it; nothing was written") from error
                    raise
        except Missing as missing:
            raise StepFailed(str(missing)) from missing

    def _next(self, deadline: Deadline) -> Callable[[Deadline], None] | None:
        """The write that brings it nearer to the target, once what was written before is deployed; None when it is there."""
        step = self.step
        seen = step.deployment(deadline)
        if busy := [one.id for one in (seen.primary, seen.staging) if one.status != "Deployed"]:
            for one in busy:
                await_deployed(step.aws, one, deadline)
            seen = step.deployment(deadline)
        kept = step.kept.read(deadline)
        state = step.state(seen, kept)
        if state not in {step.before, step.after, *step.between}:
            raise StepFailed(f"{step.resource} changed under our hands: {state}; nothing was written")
        if state == self.target:
            return None
        if self.target == ALL:
            return lambda deadline: self._promote(seen, deadline)
        if state == ALL:
            return lambda deadline: self._restore(seen, kept, deadline)
        return lambda deadline: self._weigh(seen, deadline)

    def _weigh(self, seen: Deployment, deadline: Deadline) -> None:
        config = seen.weighing(float(self.target.percent / 100))
        self._call(
            "UpdateContinuousDeploymentPolicy",
            deadline,
            Id=seen.policy_id,
            IfMatch=seen.policy_version,
            ContinuousDeploymentPolicyConfig=config,
        )

    def _promote(self, seen: Deployment, deadline: Deadline) -> None:
        # Without it there would be no way back: CloudFront keeps no copy of what the promotion overwrites.
        self.step.kept.save(seen.primary.config, deadline)
        self._call(
            "UpdateDistributionWithStagingConfig",
            deadline,
            Id=seen.primary.id,
            StagingDistributionId=seen.staging.id,
            IfMatch=f"{seen.primary.version}, {seen.staging.version}",
        )

    def _restore(self, seen: Deployment, kept: Config | None, deadline: Deadline) -> None:
        step = self.step
        if kept is None:
            raise StepFailed(
                f"refused: {step.distribution} serves green, and {step.kept_in} keeps nothing of blue. Write blue's configuration "
                f"by hand: {step.aws.shell()} cloudfront update-distribution --id {step.distribution}"
            )
        own = {key: seen.primary.config[key] for key in ITS_OWN if key in seen.primary.config}
        config = {**{key: value for key, value in kept.items() if key not in ITS_OWN}, **own}
        self._call(
            "UpdateDistribution", deadline, Id=seen.primary.id, IfMatch=seen.primary.version, DistributionConfig=config
        )

    def _call(self, operation: str, deadline: Deadline, **parameters: object) -> None:
        self.step.aws.call(CLOUDFRONT, operation, deadline, **parameters)

    def shell(self) -> str:
        step, weight = self.step, self.target.percent / 100
        if self.target == ALL:
            lines = promoted(step.aws, step.distribution, step.staging, step.kept.save_shell())
        else:
            back = restored(step.aws, step.distribution, step.kept.read_shell()) if self.restores else []
            lines = [*back, *weighed(step.aws, step.distribution, f"{weight:f}")]
        return script([*lines, *deployed(step.aws, step.distribution)])
