"""CloudFront distributions and continuous deployment in memory, as strict as AWS about versions and weights.

Sources: the CloudFront API reference ("API": UpdateDistribution, UpdateDistributionWithStagingConfig,
ContinuousDeploymentPolicyConfig and the types below it) and the developer guide's page on continuous deployment ("Guide").
Where AWS publishes the rule but not the code, InvalidArgument is used.
"""

from __future__ import annotations

import copy
import secrets
import string
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.core.exceptions import ServiceException

ACCOUNT = "123456789012"
HTTP3 = ("http3", "http2and3")

Config = dict[str, Any]


class Refusal(ServiceException):
    """What CloudFront answers to a request that it does not accept."""

    code = "InvalidArgument"


def _id(first: str = "E") -> str:
    return first + "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(13))


@dataclass
class Distribution:
    config: Config
    id: str = field(default_factory=_id)
    etag: str = field(default_factory=_id)
    domain: str = field(default_factory=lambda: f"d{secrets.token_hex(7)}.cloudfront.net")
    deployed_at: float = 0.0
    modified: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def policy(self) -> str:
        return str(self.config.get("ContinuousDeploymentPolicyId") or "")

    @property
    def staging(self) -> bool:
        return bool(self.config.get("Staging"))


@dataclass
class Policy:
    config: Config
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    etag: str = field(default_factory=_id)
    modified: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def staging_names(self) -> list[str]:
        return list(self.config["StagingDistributionDnsNames"].get("Items") or [])


@dataclass
class Distributions:
    """Every distribution and policy; a change is Deployed after `seconds`."""

    clock: Callable[[], float] = time.monotonic
    seconds: float = 0.0
    distributions: dict[str, Distribution] = field(default_factory=dict)
    policies: dict[str, Policy] = field(default_factory=dict)

    def create(self, config: Config) -> Distribution:
        if any(one.config["CallerReference"] == config["CallerReference"] for one in self.distributions.values()):
            raise Refusal("DistributionAlreadyExists", "The caller reference was used before")
        made = Distribution({"ContinuousDeploymentPolicyId": "", "Staging": False, **config})
        self._judge(made, made.config)
        self.distributions[made.id] = made
        self._deploying(made)
        return made

    def copy(
        self, primary: str, if_match: str | None, caller_reference: str, *, staging: bool, enabled: bool
    ) -> Distribution:
        source = self.find(primary)
        _same_version(if_match, source.etag)
        if not staging:  # API, CopyDistribution: "The only valid value is True"
            raise Refusal("a copy is a staging distribution: Staging must be true")
        config = copy.deepcopy(source.config) | {
            "CallerReference": caller_reference,
            "Enabled": enabled,
            "Staging": True,
            "Aliases": {"Quantity": 0},
            "ContinuousDeploymentPolicyId": "",
        }
        return self.create(config)

    def find(self, distribution: str) -> Distribution:
        if distribution not in self.distributions:
            raise Refusal("NoSuchDistribution", "The specified distribution does not exist.")
        return self.distributions[distribution]

    def status(self, one: Distribution) -> str:
        return "Deployed" if self.clock() >= one.deployed_at else "InProgress"

    def update(self, distribution: str, if_match: str | None, config: Config) -> Distribution:
        found = self.find(distribution)
        _same_version(if_match, found.etag)
        if config["CallerReference"] != found.config["CallerReference"]:
            raise Refusal("IllegalUpdate", "The caller reference cannot be changed")  # API, UpdateDistribution
        if bool(config.get("Staging")) != found.staging:
            raise Refusal("IllegalUpdate", "A distribution cannot become a staging one, or stop being one")
        # As told in public issue threads: without the id of its policy an update is refused.
        if found.policy and (
            "ContinuousDeploymentPolicyId" not in config
            or (not config["ContinuousDeploymentPolicyId"] and self.policy(found.policy).config["Enabled"])
        ):
            raise Refusal("IllegalUpdate", "The continuous deployment policy of the distribution is left out")
        merged = {"ContinuousDeploymentPolicyId": "", "Staging": found.staging, **config}
        self._judge(found, merged)
        found.config = merged
        self._changed(found)
        return found

    def delete(self, distribution: str, if_match: str | None) -> None:
        found = self.find(distribution)
        _same_version(if_match, found.etag)
        if found.config["Enabled"]:
            raise Refusal("DistributionNotDisabled", "The distribution must be disabled first")
        if any(found.domain in policy.staging_names for policy in self.policies.values()):
            raise Refusal("StagingDistributionInUse", "A continuous deployment policy names the staging distribution")
        del self.distributions[distribution]

    def promote(self, primary: str, staging: str, if_match: str | None) -> Distribution:
        """UpdateDistributionWithStagingConfig: the configuration is copied, and the policy disabled (API)."""
        target, source = self.find(primary), self.find(staging)
        versions = [one.strip() for one in (if_match or "").split(",")]
        if not if_match:
            _same_version(None, "")
        if versions != [target.etag, source.etag]:  # API: the two versions, the primary's first
            raise Refusal("PreconditionFailed", "The versions of primary and staging distribution do not match")
        policy = self.policies.get(target.policy)
        if policy is None or source.domain not in policy.staging_names:
            raise Refusal("IllegalUpdate", "The staging distribution is not the one of this primary distribution")
        kept = {
            key: target.config[key]
            for key in ("Aliases", "CallerReference", "ContinuousDeploymentPolicyId", "Staging")
            if key in target.config
        }
        target.config = copy.deepcopy(source.config) | kept
        policy.config = {**policy.config, "Enabled": False}
        policy.etag = _id()
        self._changed(target)
        return target

    def create_policy(self, config: Config) -> Policy:
        self._judge_policy(config, None)
        made = Policy(config)
        self.policies[made.id] = made
        return made

    def policy(self, policy: str) -> Policy:
        if policy not in self.policies:
            raise Refusal("NoSuchContinuousDeploymentPolicy", "The continuous deployment policy does not exist.")
        return self.policies[policy]

    def update_policy(self, policy: str, if_match: str | None, config: Config) -> Policy:
        """All fields are replaced by what is given (API, UpdateContinuousDeploymentPolicy)."""
        found = self.policy(policy)
        _same_version(if_match, found.etag)
        self._judge_policy(config, found)
        found.config, found.etag, found.modified = config, _id(), datetime.now(UTC)
        for one in self.distributions.values():
            if one.policy == policy:
                self._deploying(one)
        return found

    def delete_policy(self, policy: str, if_match: str | None) -> None:
        found = self.policy(policy)
        _same_version(if_match, found.etag)
        if any(one.policy == policy for one in self.distributions.values()):
            raise Refusal("ContinuousDeploymentPolicyInUse", "A distribution uses the policy")
        del self.policies[policy]

    def _judge(self, one: Distribution, config: Config) -> None:
        policy = config.get("ContinuousDeploymentPolicyId")
        if policy:
            self.policy(policy)
            if config.get("HttpVersion") in HTTP3:  # Guide, considerations: not with HTTP/3
                raise Refusal("Continuous deployment does not support HTTP/3")
            if any(other.policy == policy and other is not one for other in self.distributions.values()):
                raise Refusal("ContinuousDeploymentPolicyInUse", "Another distribution uses the policy")
            if config.get("Staging"):
                raise Refusal("A staging distribution has no continuous deployment policy")

    def _judge_policy(self, config: Config, found: Policy | None) -> None:
        names = config["StagingDistributionDnsNames"]
        items = list(names.get("Items") or [])
        if int(names["Quantity"]) != len(items):
            raise Refusal("InconsistentQuantities", "The value of Quantity and the size of Items do not match.")
        staging = {one.domain for one in self.distributions.values() if one.staging}
        if len(items) != 1 or not staging.issuperset(items):
            raise Refusal("The policy needs the domain name of one staging distribution")
        if any(set(items) & set(other.staging_names) for other in self.policies.values() if other is not found):
            raise Refusal("StagingDistributionInUse", "Another policy uses the staging distribution")
        traffic = config.get("TrafficConfig")
        if traffic:
            _judge_traffic(traffic)

    def _changed(self, one: Distribution) -> None:
        one.etag, one.modified = _id(), datetime.now(UTC)
        self._deploying(one)

    def _deploying(self, one: Distribution) -> None:
        one.deployed_at = self.clock() + self.seconds


def _judge_traffic(traffic: Config) -> None:
    """API: TrafficConfig, ContinuousDeploymentSingleWeightConfig, SessionStickinessConfig, …SingleHeaderConfig."""
    weight, header = traffic.get("SingleWeightConfig"), traffic.get("SingleHeaderConfig")
    if traffic["Type"] == "SingleWeight":
        if not weight or header:
            raise Refusal("SingleWeight wants a SingleWeightConfig and nothing else")
        if not 0 <= float(weight["Weight"]) <= 0.15:
            raise Refusal("The weight must be between 0 and 0.15")
        sticky = weight.get("SessionStickinessConfig")
        if sticky:
            idle, most = int(sticky["IdleTTL"]), int(sticky["MaximumTTL"])
            if not 300 <= idle <= most <= 3600:
                raise Refusal("IdleTTL and MaximumTTL must be from 300 to 3600, and IdleTTL not the longer one")
    elif traffic["Type"] == "SingleHeader":
        if not header or weight:
            raise Refusal("SingleHeader wants a SingleHeaderConfig and nothing else")
        if not str(header["Header"]).lower().startswith("aws-cf-cd-"):
            raise Refusal("The header must have the prefix aws-cf-cd-")
    else:
        raise Refusal("The type is SingleWeight or SingleHeader")


def _same_version(if_match: str | None, etag: str) -> None:
    if not if_match:
        raise Refusal("InvalidIfMatchVersion", "The If-Match version is missing or not valid for the resource.")
    if if_match != etag:
        raise Refusal("PreconditionFailed", "The request failed because it didn't meet the preconditions")
