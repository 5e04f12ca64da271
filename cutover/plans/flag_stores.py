"""The stores of an environment's flags, wired: our own way to AWS, references read when they are needed, permissions named."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from cutover.aws.parameter import SSM, parameter_permissions
from cutover.aws.permission import Permission
from cutover.aws.session import OBSERVE_SECONDS, Aws
from cutover.core.clock import Deadline
from cutover.core.share import Share
from cutover.environment import FlagCarrier, Ref
from cutover.flags.share import StoreShare
from cutover.flags.stores import Store, opened
from cutover.plans.means import Means


@dataclass(frozen=True)
class ParameterStore:
    """What a store of flags in SSM asks of AWS."""

    path: str
    flag: str
    region: str = ""
    """Where it is, if that is not the environment's own region."""

    def permissions(self) -> Iterator[Permission]:
        arn = f"arn:aws:ssm:{{region}}:{{account}}:parameter/{self.path.strip('/')}"
        asked = (*parameter_permissions(f"{self.path}/{self.flag}"), Permission(SSM, "GetParametersByPath", arn))
        for one in asked:
            yield replace(one, resource=one.resource.replace("{region}", self.region)) if self.region else one


def opening(means: Means, ref: Ref) -> Callable[[], AbstractContextManager[Store]]:
    """What opens a store; its address is read as late as a secret."""
    address = means.value_of(ref)
    return lambda: opened(address(), partial(asked, means.aws), read_only=means.read_only)


def store_of(means: Means, words: FlagCarrier) -> Ref:
    """Where a carrier's flag is kept; the environment has made sure that one of the two says so."""
    return words.store or means.environment.flags[words.flag].store


def store_share(means: Means, words: FlagCarrier, name: str, before: Share, after: Share) -> StoreShare:
    """The step that moves a hostname's share by its flag."""
    ref = store_of(means, words)
    in_ssm = ref.kind == "literal" and ref.name.startswith("ssm:")
    path, _, query = ref.name.removeprefix("ssm:").partition("?")
    return StoreShare(
        name=name,
        before=before,
        after=after,
        store=opening(means, ref),
        place=means.shell_of(ref),
        flag=words.flag,
        aws=means.aws.shell(),
        needs=ParameterStore(path, words.flag, query.removeprefix("region=")) if in_ssm else None,
    )


def asked(aws: Aws, region: str | None, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    there = aws if region in (None, aws.region) else replace(aws, region=region)
    return there.call(SSM, operation, Deadline.after(OBSERVE_SECONDS), **parameters)
