"""What an environment is: the models behind environments/*.yaml. Durations are seconds, shares percent of requests."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from cutover.environment.clients import Ttl
from cutover.environment.contradictions import contradictions
from cutover.environment.databases import Database
from cutover.environment.reading import Reads, number, prose, whole, wrong
from cutover.environment.reference import BaseUrl, DnsServers, LedgerPath
from cutover.environment.section import Section
from cutover.environment.shapes import CHECKLIST_SCHEMA, checklist_items, rising_to_100, soak_reader
from cutover.environment.written import (
    Account,
    AwsName,
    Balancers,
    DnsName,
    Duration,
    Flag,
    Line,
    Methods,
    Name,
    Profile,
    Region,
    Role,
    SetIdentifier,
    Share,
    SmokePath,
    SmokeTests,
    Wait,
)


class World(Section):
    """The local world: present only where the toolkit starts the system itself."""

    rows: Annotated[int, whole(1, 50_000_000)] = 200_000
    """Rows that the shop's database is loaded with, about."""
    rate: Annotated[int, whole(0, 10_000)] = 60
    """Requests per second of all customers together."""
    hooks: Flag = False
    """A second database, in which the shop keeps its webhooks."""


class Aws(Section):
    """The AWS account that traffic is steered in."""

    region: Region = "us-east-1"
    profile: Profile | None = None
    """A profile of the AWS configuration; without it the usual chain of credentials."""
    account: Account | None = None
    """The account number that the credentials must belong to; quote it, it may start with 0."""


class Owners(Section):
    """The roles that sign, each as your organisation calls it."""

    decision: Line
    database: Line
    traffic: Line
    application: Line


class AlbCarrier(Section):
    """The share is the weight of two target groups behind one load balancer."""

    kind: Literal["alb"] = "alb"
    load_balancer: AwsName
    listener_port: Annotated[int, whole(1, 65_535)] = 80
    blue: AwsName
    """Blue's target group."""
    green: AwsName
    """Green's target group."""
    healthy_at_least: Annotated[int, whole(1, 1000)] = 1
    """Healthy targets that green needs before it may take traffic."""


class Route53Carrier(Section):
    """The share is the weight of two record sets of one name."""

    kind: Literal["route53"] = "route53"
    zone: DnsName
    type: Literal["A", "AAAA", "CNAME"] = "CNAME"
    blue: SetIdentifier
    """The SetIdentifier of blue's record set."""
    green: SetIdentifier
    """The SetIdentifier of green's record set."""
    ttl: Ttl
    health: Balancers = ()
    """Load balancers whose targets must be healthy."""
    listener_port: Annotated[int, whole(1, 65_535)] = 80
    """The listener of these load balancers that serves this name."""


class Hostname(Section):
    """A public name, and the one provider that carries its share."""

    host: DnsName
    carrier: Annotated[AlbCarrier | Route53Carrier, Field(discriminator="kind")]


class Dns(Section):
    """Whom to ask about names."""

    servers: DnsServers | None = None
    """host:port, separated by commas; without it the zone's own name servers."""


class Maintenance(Section):
    """What visitors get while writes are stopped."""

    kind: Literal["alb", "none"] = "none"
    """`alb`: a listener rule answers write methods with 503; `none`: the pause of the database alone."""
    load_balancers: Balancers = ()
    methods: Methods = ("POST", "PUT", "PATCH", "DELETE")
    message: Annotated[str, prose(1024)] = "A short maintenance is under way. Please try again in a minute."
    priority: Annotated[int, whole(1, 50_000)] = 1
    """The rule's priority on each listener; it must be free."""


class Window(Section):
    """The part in which writes are stopped."""

    budget: Wait = 60.0
    on_overrun: Literal["undo", "hold"] = "undo"
    """Before the commit point: give blue its writes back, or hold. After it the window is always finished."""


class Limits(Section):
    """Above these, green is failing."""

    error_rate: Annotated[float, number(100)] = 5.0
    """Percent of requests."""
    p95_ms: Annotated[float, number(600_000, above_zero=True)] = 2000.0
    at_least: Annotated[int, whole(1, 1_000_000)] = 20
    """With fewer requests than this the answer is `insufficient`, never `well`."""


class Shift(Section):
    """How traffic moves to green."""

    strategy: Literal["gradual", "immediate"] = "gradual"
    shares: Annotated[tuple[Share, ...], AfterValidator(rising_to_100)] = (10.0, 50.0, 100.0)
    soak: Annotated[float | tuple[float, ...], soak_reader] = 600.0
    """How long green must stay well at each share: one duration, or one for each."""
    on_failure: Literal["rollback", "hold", "previous-phase"] = "rollback"
    limits: Limits = Limits()

    @property
    def soaks(self) -> tuple[float, ...]:
        """One soak in seconds for each share."""
        return self.soak if isinstance(self.soak, tuple) else (self.soak,) * len(self.shares)


class Smoke(Section):
    """Tests that a side must pass; plain pytest."""

    path: SmokePath = "smoke"
    blue: BaseUrl | None = None
    """Blue's own address, past the load balancer."""
    green: BaseUrl | None = None
    """Green's own address, past the load balancer."""
    timeout: Wait = 60.0


class ChecklistItem(Section):
    """A line of the checklist: smoke tests that answer it, or the role that does."""

    name: Name
    smoke: SmokeTests | None = None
    """An expression as for pytest -k."""
    attest: Role | None = None


class Bake(Section):
    """The time at 100 % before the cutover counts as done."""

    soak: Duration = 86_400.0


class Rollback(Section):
    """The way back."""

    window: Duration = 86_400.0
    """How long after the switch it is kept warm at least."""
    waiting_period: Duration = 604_800.0
    """How long after a rollback the next cutover is refused."""
    deadline: Wait = 120.0
    """How long a failing rollback is retried before a person is asked."""


class Environment(Section):
    """One system that can be cut over, as environments/NAME.yaml describes it."""

    schema_version: Annotated[Literal[1], Reads(whole(1, 1).read, {"type": "integer", "const": 1})] = 1
    name: Name
    description: Line
    protected: Flag = False
    """Production: the environment's name has to be typed."""
    world: World | None = None
    aws: Aws = Aws()
    owners: Owners
    database: Database | None = None
    """The database that is cut over; several stand under `databases`, each with a name of its own."""
    databases: Annotated[dict[Name, Database], Field(min_length=1)] | None = None
    """Several databases, which switch in one window: all of them, or none."""
    hostnames: Annotated[dict[Name, Hostname], Field(min_length=1)]
    dns: Dns = Dns()
    maintenance: Maintenance = Maintenance()
    window: Window = Window()
    shift: Shift = Shift()
    smoke: Smoke = Smoke()
    checklist: Annotated[
        tuple[ChecklistItem, ...], BeforeValidator(checklist_items), WithJsonSchema(CHECKLIST_SCHEMA)
    ] = ()
    bake: Bake = Bake()
    rollback: Rollback = Rollback()
    ledger: LedgerPath | None = None
    """The ledger that probes and customers write, for counting lost writes."""
    ledger_keys: Annotated[str, prose(2000)] | None = None
    """SQL that finds the ledger's keys again: one row for each row that holds one of the keys given as %s (a text array).

    The probe write's row is looked up with it, too."""
    ledger_database: Name | None = None
    """Which of several databases `ledger_keys` is asked in."""

    @property
    def every_database(self) -> Mapping[str, Database]:
        """The databases by name; the only one has none."""
        return self.databases or ({"": self.database} if self.database is not None else {})

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Environment":
        found = [c.reason for c in contradictions(self.model_dump())]
        if found:
            raise wrong("; ".join(found))
        return self
