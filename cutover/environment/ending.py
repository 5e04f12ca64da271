"""How blue's life ends: how long it is kept, what is saved of it, and what of it is deleted."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from cutover.environment.clients import ClientKind
from cutover.environment.reading import word
from cutover.environment.section import Section
from cutover.environment.shapes import distinct
from cutover.environment.written import AwsName, ConfigPath, Duration, Flag

InstanceName = Annotated[
    str, word(r"[a-z](-?[a-z0-9]){0,62}", "the identifier of an RDS instance: lower-case letters, digits and dashes")
]


class DumpBackup(Section):
    """A whole dump by pg_dump, read back and counted."""

    kind: Literal["dump"] = "dump"
    folder: ConfigPath | None = None
    """Where it is kept, on a disk that outlives blue; without it beside the journal."""
    before: Flag = False
    """Also taken in the preparation, before anything is touched; for what is small."""


class SnapshotBackup(Section):
    """A snapshot that RDS keeps."""

    kind: Literal["rds-snapshot"] = "rds-snapshot"
    instance: InstanceName
    """Blue's instance."""
    before: Flag = False
    """Also taken in the preparation, before anything is touched."""


Backup = Annotated[DumpBackup | SnapshotBackup, Field(discriminator="kind")]


class TargetGroupResource(Section):
    """A target group, once no listener names it."""

    kind: Literal["target-group"] = "target-group"
    name: AwsName


class LoadBalancerResource(Section):
    """A load balancer of blue's own, once no record leads to it."""

    kind: Literal["load-balancer"] = "load-balancer"
    name: AwsName


class InstanceResource(Section):
    """A database instance of RDS; a last snapshot is taken on the way."""

    kind: Literal["rds-instance"] = "rds-instance"
    name: InstanceName


Resource = Annotated[TargetGroupResource | LoadBalancerResource | InstanceResource, Field(discriminator="kind")]
RESOURCE_KINDS = ("target-group", "load-balancer", "rds-instance")


class Decommission(Section):
    """The end of blue, long after `finish`."""

    retention: Duration = 2_592_000.0
    """How long blue is kept after `finish`, at least: 30 days."""
    remind: Duration = 5_184_000.0
    """After this time since `finish` it is said that blue still costs: 60 days."""
    quiet: Duration = 86_400.0
    """How long nobody may have used blue before anything of it is deleted."""
    spared: Annotated[tuple[ClientKind, ...], AfterValidator(distinct)] = ()
    """Roles and application names that may be on blue's database all the same, as monitoring and backups."""
    resources: tuple[Resource, ...] = ()
    """What of blue is deleted, in this order, each after a confirmation of its own."""
