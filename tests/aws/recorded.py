"""Which calls a step or check really makes, held against those that it says it may make."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from contract import holds

from cutover.aws.iam import Place
from cutover.aws.permission import Permission, Permitted
from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.core.step import Step

PLACE = Place("us-east-1", "123456789012")


@dataclass(frozen=True)
class Recorded(Aws):
    """An account that keeps every call with its parameters."""

    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list, compare=False, kw_only=True)

    def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
        self.calls.append((service, operation, parameters))
        return super().call(service, operation, deadline, **parameters)

    def made_exactly(self, *permitted: Permitted) -> None:
        """Every call is allowed by what these say, with the resource that it named, and each of theirs was made."""
        said = {one for thing in permitted for one in thing.permissions()}
        assert {(one.service, one.operation) for one in said} == {call[:2] for call in self.calls}
        for service, operation, parameters in self.calls:
            fitting = [one for one in said if (one.service, one.operation) == (service, operation)]
            for arn in _arns(parameters):
                assert any(_covers(one, arn) for one in fitting), f"{operation} on {arn} is not among {fitting}"


def holds_exactly(make: Callable[[Aws], Step[Any]], **how: Any) -> None:
    """The contract of the step that `make` gives, which makes all the calls that it says it may make, and no others."""
    aws = Recorded("us-east-1")
    holds(lambda: make(aws), **how)
    step = make(aws)
    assert isinstance(step, Permitted), f"{step.name}: it talks to AWS and does not say which calls it may make"
    aws.made_exactly(step)


def _arns(parameters: dict[str, Any]) -> Iterable[str]:
    for key, value in parameters.items():
        if key.endswith("Arn"):
            yield value
        if key == "HostedZoneId":
            yield f"arn:aws:route53:::hostedzone/{value}"
        if key == "Id" and str(value).startswith("/change/"):
            yield f"arn:aws:route53:::{str(value).removeprefix('/')}"


def _covers(permission: Permission, arn: str) -> bool:
    return re.fullmatch(re.escape(PLACE.arn(permission.resource)).replace(r"\*", ".*"), arn) is not None
