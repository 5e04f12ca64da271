"""A hostname whose share is the weight of a CloudFront continuous deployment policy, and then a promotion."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cutover.aws.cloudfront import ContinuousDeploymentShare, between
from cutover.aws.cloudfront_document import deployment_document
from cutover.aws.cloudfront_ready import ContinuousDeploymentReady
from cutover.aws.kept_distribution import BlueKept
from cutover.core.plan import Item
from cutover.core.share import Share
from cutover.core.step import Step
from cutover.environment import CloudFrontCarrier
from cutover.plans.carried import Carried, Named


@dataclass(frozen=True)
class CarriedByCloudFront(Carried):
    words: CloudFrontCarrier

    def share(self, before: Share, after: Share) -> Step[Any]:
        return self._share(before, after)

    def preflight(self) -> Named:
        check = ContinuousDeploymentReady(share=self._share(*self.planned()[:2]))
        return [(f"distribution-ready-{self.name}", check)]

    def attached(self) -> list[Item]:
        return [
            BlueKept(
                name=f"blue-kept-{self.name}",
                aws=self.means.aws,
                distribution=self.words.distribution,
                staging=self.words.staging,
                parameter=self.words.kept_in,
            )
        ]

    def documents(self) -> list[tuple[str, Callable[[], Any]]]:
        aws, words = self.means.aws, self.words
        name = f"distribution {words.distribution}"
        return [(name, lambda: deployment_document(aws, words.distribution, words.staging))]

    def _share(self, before: Share, after: Share) -> ContinuousDeploymentShare:
        return ContinuousDeploymentShare(
            name=self.step_name(after),
            before=before,
            after=after,
            between=between(before, after),
            aws=self.means.aws,
            distribution=self.words.distribution,
            staging=self.words.staging,
            kept_in=self.words.kept_in,
            settle=self.words.settle,
        )
