"""A hostname whose share is a parameter of a CloudFormation stack."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cutover.aws.cloudformation import StackShare
from cutover.aws.stack_document import stack_document
from cutover.aws.stack_parameter import StackParameter
from cutover.aws.stack_ready import StackReady
from cutover.core.share import Share
from cutover.core.step import Step
from cutover.environment import CloudFormationCarrier
from cutover.plans.carried import Carried, Named


@dataclass(frozen=True)
class CarriedByCloudFormation(Carried):
    words: CloudFormationCarrier

    @property
    def parameter(self) -> StackParameter:
        return StackParameter(self.words.parameter, self.words.scale, self.words.decimals)

    @property
    def explicit(self) -> tuple[tuple[str, str], ...]:
        return tuple(sorted(self.words.parameters.items()))

    def share(self, before: Share, after: Share) -> Step[Any]:
        return StackShare(
            name=self.step_name(after),
            before=before,
            after=after,
            aws=self.means.aws,
            stack=self.words.stack,
            parameter=self.parameter,
            explicit=self.explicit,
            may_touch=self.words.may_touch,
            settle=self.words.settle,
        )

    def preflight(self) -> Named:
        check = StackReady(
            aws=self.means.aws,
            stack=self.words.stack,
            parameter=self.parameter,
            shares=self.planned(),
            explicit=self.explicit,
        )
        return [(f"stack-ready-{self.name}", check)]

    def documents(self) -> list[tuple[str, Callable[[], Any]]]:
        return [(f"stack {self.words.stack}", lambda: stack_document(self.means.aws, self.words.stack))]
