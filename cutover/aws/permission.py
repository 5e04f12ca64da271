"""What an object may ask of AWS, as data: the least-privilege policy is the union of these, and tests hold the calls against it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from cutover.aws.reading import is_read


@dataclass(frozen=True, order=True)
class Permission:
    """One API operation on one resource.

    `resource` is an ARN in which {region} and {account} stand for the environment's own and * for an id that AWS gives; it is
    a lone * only where AWS takes no resource for the action (Service Authorization Reference, "Resource types").
    {zone:NAME} and {listener:LOAD_BALANCER:PORT} stand for ids that can be asked for; they are a * until somebody asks.
    """

    service: str
    """As boto3 calls it: elbv2, route53."""
    operation: str
    """The API's name: ModifyListener."""
    resource: str
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    """What narrows it further, as IAM writes it: operator, key, values."""

    @property
    def reads(self) -> bool:
        return is_read(self.service, self.operation)


@runtime_checkable
class Permitted(Protocol):
    """A step or check that talks to AWS."""

    def permissions(self) -> Iterable[Permission]:
        """Every call that it may make, looking and acting."""


IDENTITY = Permission("sts", "GetCallerIdentity", "*")
