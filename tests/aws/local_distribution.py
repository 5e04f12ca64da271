"""A primary and a staging distribution of the local CloudFront with a policy between them, and what tests do to them."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from local_aws import Endpoint

from cutover.aws.cloudfront import ContinuousDeploymentShare, between
from cutover.aws.kept_distribution import BlueKept
from cutover.aws.session import AwsError
from cutover.core.clock import Deadline
from cutover.core.share import Share

KEPT_IN = "/cutover/tests/edge/blue"
STICKY = {"IdleTTL": 300, "MaximumTTL": 600}
OF_GREEN = "green.example.com"


@dataclass
class LocalDistribution:
    """Made once by `make`, and brought back to blue by `reset`."""

    endpoint: Endpoint
    primary: str = ""
    staging: str = ""
    policy: str = ""
    domain: str = ""
    made: dict[str, Any] = field(default_factory=dict)

    def make(self) -> None:
        name = uuid.uuid4().hex
        origin = {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "https-only"}
        config = {
            "CallerReference": name,
            "Comment": "shop",
            "Enabled": True,
            "Aliases": {"Quantity": 1, "Items": ["shop.example.com"]},
            "Origins": {
                "Quantity": 1,
                "Items": [{"Id": "origin", "DomainName": "blue.example.com", "CustomOriginConfig": origin}],
            },
            "DefaultCacheBehavior": {"TargetOriginId": "origin", "ViewerProtocolPolicy": "redirect-to-https"},
            "HttpVersion": "http2",
            "WebACLId": "acl-of-blue",
        }
        made = self.call("CreateDistribution", DistributionConfig=config)
        self.primary = made["Distribution"]["Id"]
        copied = self.call(
            "CopyDistribution",
            PrimaryDistributionId=self.primary,
            Staging=True,
            IfMatch=made["ETag"],
            CallerReference=f"{name}-staging",
            Enabled=True,
        )
        self.staging = copied["Distribution"]["Id"]
        self.domain = copied["Distribution"]["DomainName"]
        self.policy = self.call("CreateContinuousDeploymentPolicy", ContinuousDeploymentPolicyConfig=self.weighing(0))[
            "ContinuousDeploymentPolicy"
        ]["Id"]
        self.change(self.primary, ContinuousDeploymentPolicyId=self.policy)
        self.serve(self.staging, OF_GREEN)
        self.made = {one: self.config(one) for one in (self.primary, self.staging)}

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        # The first call loads the description of the whole service, on both sides of the wire.
        return self.endpoint.aws.call("cloudfront", operation, Deadline.after(60), **parameters)

    def config(self, distribution: str) -> dict[str, Any]:
        config: dict[str, Any] = self.call("GetDistributionConfig", Id=distribution)["DistributionConfig"]
        return config

    def change(self, distribution: str, **parts: Any) -> None:
        seen = self.call("GetDistributionConfig", Id=distribution)
        config = {**seen["DistributionConfig"], **parts}
        self.call("UpdateDistribution", Id=distribution, IfMatch=seen["ETag"], DistributionConfig=config)

    def serve(self, distribution: str, origin: str) -> None:
        origins = self.config(distribution)["Origins"]
        self.change(distribution, Origins={**origins, "Items": [{**origins["Items"][0], "DomainName": origin}]})

    def origin(self) -> str:
        origin: str = self.config(self.primary)["Origins"]["Items"][0]["DomainName"]
        return origin

    def weighing(self, weight: float) -> dict[str, Any]:
        """A policy's configuration; its stickiness is 300 to 600 s."""
        single = {"Weight": weight, "SessionStickinessConfig": STICKY}
        return {
            "StagingDistributionDnsNames": {"Quantity": 1, "Items": [self.domain]},
            "Enabled": weight > 0,
            "TrafficConfig": {"Type": "SingleWeight", "SingleWeightConfig": single},
        }

    def weigh(self, weight: float, **parts: Any) -> None:
        """Somebody else's weight."""
        version = self.call("GetContinuousDeploymentPolicy", Id=self.policy)["ETag"]
        config = {**self.weighing(weight), **parts}
        self.call(
            "UpdateContinuousDeploymentPolicy", Id=self.policy, IfMatch=version, ContinuousDeploymentPolicyConfig=config
        )

    def policy_config(self) -> dict[str, Any]:
        config: dict[str, Any] = self.call("GetContinuousDeploymentPolicyConfig", Id=self.policy)[
            "ContinuousDeploymentPolicyConfig"
        ]
        return config

    def deploying(self, seconds: float) -> None:
        self.endpoint.control("POST", "distributions", {"seconds": seconds})

    def forget(self) -> None:
        """Nothing is kept."""
        try:
            self.endpoint.aws.call("ssm", "DeleteParameter", Deadline.after(10), Name=KEPT_IN)
        except AwsError as error:
            assert error.code == "ParameterNotFound", error

    def reset(self, weight: float = 0) -> None:
        """Blue at this weight, nothing kept."""
        self.deploying(0)
        self.forget()
        for one, config in self.made.items():
            if self.config(one) != config:
                self.change(one, **config)
        if self.policy_config() != self.weighing(weight):
            self.weigh(weight)

    def share(self, before: float, after: float, **more: Any) -> ContinuousDeploymentShare:
        first, last = Share.of(before), Share.of(after)
        return ContinuousDeploymentShare(
            name=f"edge-to-{after:g}",
            before=first,
            after=last,
            between=between(first, last),
            aws=more.pop("aws", self.endpoint.aws),
            distribution=more.pop("distribution", self.primary),
            staging=more.pop("staging", self.staging),
            kept_in=KEPT_IN,
            **more,
        )

    def keeping(self) -> BlueKept:
        return BlueKept(
            name="blue-kept",
            aws=self.endpoint.aws,
            distribution=self.primary,
            staging=self.staging,
            parameter=KEPT_IN,
        )
