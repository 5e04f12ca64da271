"""CloudFront in the local world: the operations on distributions in memory, answered instead of moto's.

moto has no continuous deployment, hands out one ETag for ever and accepts a wrong If-Match.
"""

from __future__ import annotations

from typing import Any, ClassVar

from moto.core.responses import ActionResult, BaseResponse, EmptyResult

from cutover.world.distributions import ACCOUNT, Distribution, Distributions, Policy


def install() -> Distributions:
    """A fresh account without distributions."""
    StrictCloudFront.account = Distributions()
    return StrictCloudFront.account


class StrictCloudFront(BaseResponse):
    """One request; the state is shared."""

    account: ClassVar[Distributions]

    def __init__(self) -> None:
        super().__init__(service_name="cloudfront")
        self.automated_parameter_parsing = True

    def create_distribution(self) -> ActionResult:
        return self._shown(self.account.create(self._get_param("DistributionConfig")))

    def copy_distribution(self) -> ActionResult:
        made = self.account.copy(
            self._get_param("PrimaryDistributionId"),
            self._get_param("IfMatch"),
            self._get_param("CallerReference"),
            staging=_true(self._get_param("Staging")),
            enabled=_true(self._get_param("Enabled", True)),
        )
        return self._shown(made)

    def get_distribution(self) -> ActionResult:
        return self._shown(self.account.find(self._get_param("Id")))

    def get_distribution_config(self) -> ActionResult:
        found = self.account.find(self._get_param("Id"))
        return ActionResult({"DistributionConfig": found.config, "ETag": found.etag})

    def update_distribution(self) -> ActionResult:
        return self._shown(
            self.account.update(
                self._get_param("Id"), self._get_param("IfMatch"), self._get_param("DistributionConfig")
            )
        )

    def update_distribution_with_staging_config(self) -> ActionResult:
        return self._shown(
            self.account.promote(
                self._get_param("Id"), self._get_param("StagingDistributionId"), self._get_param("IfMatch")
            )
        )

    def delete_distribution(self) -> ActionResult:
        self.account.delete(self._get_param("Id"), self._get_param("IfMatch"))
        return EmptyResult()

    def create_continuous_deployment_policy(self) -> ActionResult:
        return _policy(self.account.create_policy(self._get_param("ContinuousDeploymentPolicyConfig")))

    def get_continuous_deployment_policy(self) -> ActionResult:
        return _policy(self.account.policy(self._get_param("Id")))

    def get_continuous_deployment_policy_config(self) -> ActionResult:
        found = self.account.policy(self._get_param("Id"))
        return ActionResult({"ContinuousDeploymentPolicyConfig": found.config, "ETag": found.etag})

    def update_continuous_deployment_policy(self) -> ActionResult:
        config = self._get_param("ContinuousDeploymentPolicyConfig")
        return _policy(self.account.update_policy(self._get_param("Id"), self._get_param("IfMatch"), config))

    def delete_continuous_deployment_policy(self) -> ActionResult:
        self.account.delete_policy(self._get_param("Id"), self._get_param("IfMatch"))
        return EmptyResult()

    def _shown(self, one: Distribution) -> ActionResult:
        described: dict[str, Any] = {
            "Id": one.id,
            "ARN": f"arn:aws:cloudfront::{ACCOUNT}:distribution/{one.id}",
            "Status": self.account.status(one),
            "LastModifiedTime": one.modified,
            "InProgressInvalidationBatches": 0,
            "DomainName": one.domain,
            "DistributionConfig": one.config,
        }
        return ActionResult({"Distribution": described, "ETag": one.etag, "Location": f"/{one.id}"})


def _policy(one: Policy) -> ActionResult:
    described = {"Id": one.id, "LastModifiedTime": one.modified, "ContinuousDeploymentPolicyConfig": one.config}
    return ActionResult({"ContinuousDeploymentPolicy": described, "ETag": one.etag, "Location": f"/{one.id}"})


def _true(value: object) -> bool:
    return str(value).lower() == "true"
