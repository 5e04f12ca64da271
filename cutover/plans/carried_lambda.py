"""A hostname whose share is the weights of two versions behind one Lambda alias."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cutover.aws.lambda_alias import LambdaAliasShare, VersionsFit, find_alias
from cutover.aws.listener import Missing
from cutover.core.clock import Deadline
from cutover.core.share import Share
from cutover.core.step import Step
from cutover.environment import LambdaCarrier
from cutover.plans.carried import Carried, Named

READ_SECONDS = 30.0


@dataclass(frozen=True)
class CarriedByLambda(Carried):
    words: LambdaCarrier

    def share(self, before: Share, after: Share) -> Step[Any]:
        words = self.words
        return LambdaAliasShare(
            name=self.step_name(after),
            before=before,
            after=after,
            aws=self.means.aws,
            function=words.function,
            alias=words.alias,
            blue=words.blue,
            green=words.green,
        )

    def preflight(self) -> Named:
        return [(f"versions-fit-{self.name}", self._fit())]

    def healthy(self) -> Named:
        return [(self.name, self._fit())]

    def documents(self) -> list[tuple[str, Callable[[], Any]]]:
        return [(f"lambda {self.words.function}:{self.words.alias}", self._alias)]

    def _fit(self) -> VersionsFit:
        words = self.words
        return VersionsFit(
            aws=self.means.aws, function=words.function, alias=words.alias, blue=words.blue, green=words.green
        )

    def _alias(self) -> str:
        deadline = Deadline.after(READ_SECONDS)
        try:
            return str(find_alias(self.means.aws, self.words.function, self.words.alias, deadline))
        except Missing as missing:
            return str(missing)
