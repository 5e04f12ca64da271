"""A CloudFront distribution with its staging distribution and the policy between them, as they are now."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cutover.aws.listener import Missing
from cutover.aws.session import Aws, AwsError
from cutover.core.clock import Backoff, Deadline
from cutover.core.errors import NotConverged
from cutover.core.telling import say

CLOUDFRONT = "cloudfront"
# What decides who answers a request and how. The promotion copies it, and it tells blue's configuration from green's.
SERVES = (
    "Origins",
    "OriginGroups",
    "DefaultCacheBehavior",
    "CacheBehaviors",
    "CustomErrorResponses",
    "DefaultRootObject",
)
# What a distribution keeps through a promotion, and through the way back (CloudFront API, UpdateDistributionWithStagingConfig).
ITS_OWN = ("CallerReference", "Aliases", "ContinuousDeploymentPolicyId", "Staging")
CHANGED_MEANWHILE = frozenset({"PreconditionFailed", "InvalidIfMatchVersion"})

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Distribution:
    """A distribution as described; `version` is its ETag."""

    id: str
    version: str
    status: str
    domain: str
    config: Config

    @property
    def serves(self) -> Config:
        return serves(self.config)


@dataclass(frozen=True)
class Deployment:
    """The two distributions, and the primary's continuous deployment policy with its version."""

    primary: Distribution
    staging: Distribution
    policy_id: str
    policy_version: str
    policy: Config

    @property
    def weight(self) -> float:
        """What the policy sends to staging now, as a fraction; 0 while it is disabled."""
        if not self.policy.get("Enabled"):
            return 0.0
        return float((self.policy.get("TrafficConfig") or {}).get("SingleWeightConfig", {}).get("Weight", 0.0))

    @property
    def by_header(self) -> str:
        """The header by which an enabled policy sends requests; empty for one with a weight."""
        traffic = self.policy.get("TrafficConfig") or {}
        if not self.policy.get("Enabled") or traffic.get("Type") != "SingleHeader":
            return ""
        return str(traffic["SingleHeaderConfig"]["Header"])

    def weighing(self, weight: float) -> dict[str, Any]:
        """The policy's whole configuration with another weight; its stickiness stays."""
        before = (self.policy.get("TrafficConfig") or {}).get("SingleWeightConfig") or {}
        single = {**before, "Weight": weight}
        traffic = {"Type": "SingleWeight", "SingleWeightConfig": single}
        # Disabled at 0, so that sessions that stick to staging end with it.
        return {**self.policy, "Enabled": weight > 0, "TrafficConfig": traffic}


def serves(config: Config) -> Config:
    """The part of a configuration that tells blue's from green's; what is empty counts as left out."""
    return {key: config[key] for key in SERVES if config.get(key) not in (None, "", {"Quantity": 0})}


def find_distribution(aws: Aws, distribution: str, deadline: Deadline) -> Distribution:
    """Raises Missing when there is none of that id, AwsError when it cannot be read."""
    try:
        answer = aws.call(CLOUDFRONT, "GetDistribution", deadline, Id=distribution)
    except AwsError as error:
        if error.code == "NoSuchDistribution":
            raise Missing(f"there is no distribution {distribution}") from None
        raise
    found = answer["Distribution"]
    return Distribution(distribution, answer["ETag"], found["Status"], found["DomainName"], found["DistributionConfig"])


def find_deployment(aws: Aws, primary: str, staging: str, deadline: Deadline) -> Deployment:
    """Raises Missing with what is not as it has to be, AwsError when it cannot be read."""
    first, second = (find_distribution(aws, one, deadline) for one in (primary, staging))
    policy_id = str(first.config.get("ContinuousDeploymentPolicyId") or "")
    if not policy_id:
        raise Missing(f"distribution {primary} has no continuous deployment policy")
    answer = aws.call(CLOUDFRONT, "GetContinuousDeploymentPolicy", deadline, Id=policy_id)
    policy = answer["ContinuousDeploymentPolicy"]["ContinuousDeploymentPolicyConfig"]
    names = policy["StagingDistributionDnsNames"].get("Items") or []
    if second.domain not in names:
        raise Missing(f"policy {policy_id} sends to {', '.join(names) or 'nobody'}, and not to {staging}")
    return Deployment(first, second, policy_id, answer["ETag"], policy)


def await_deployed(aws: Aws, distribution: str, deadline: Deadline) -> None:
    """Waits until a distribution is deployed everywhere, and says so meanwhile; raises NotConverged at the deadline."""
    backoff = Backoff(deadline.clock, first=0.05, longest=2.0)
    while (status := find_distribution(aws, distribution, deadline).status) != "Deployed":
        if deadline.expired:
            raise NotConverged(f"distribution {distribution} is still {status}: the deployment goes on without us")
        say(f"distribution {distribution}: {status}")
        backoff.pause(deadline)
