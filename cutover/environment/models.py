"""What an environment is: the models behind environments/*.yaml. Durations are seconds, shares percent of requests."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from cutover.environment.approvals import Approval
from cutover.environment.carriers import Carrier
from cutover.environment.checklist import CHECKLIST_SCHEMA, ChecklistItem
from cutover.environment.checkpoints import Checkpoints
from cutover.environment.compared_to_blue import Comparison
from cutover.environment.console import Console
from cutover.environment.contradictions import contradictions
from cutover.environment.databases import Database
from cutover.environment.ending import Decommission
from cutover.environment.evidence import Evidence, Observed
from cutover.environment.flags import RoutedFlags
from cutover.environment.incidents import Incidents
from cutover.environment.measured import Metrics
from cutover.environment.notify import Notify
from cutover.environment.own_steps import OwnStep
from cutover.environment.reading import Reads, number, prose, whole, wrong
from cutover.environment.reference import BaseUrl, DnsServers, LedgerPath, Ref, StatePlace
from cutover.environment.rehearsal import Rehearsal, RehearsalWords
from cutover.environment.section import Section
from cutover.environment.shapes import checklist_items, rising_to_100, soak_reader
from cutover.environment.triggers import Trigger
from cutover.environment.workers import Setting, Worker
from cutover.environment.written import (
    Account,
    Api,
    Balancers,
    DnsName,
    Duration,
    Flag,
    Hosts,
    Line,
    Methods,
    Name,
    Profile,
    Region,
    Share,
    SmokePath,
    Wait,
)

Lines = Annotated[tuple[ChecklistItem, ...], BeforeValidator(checklist_items), WithJsonSchema(CHECKLIST_SCHEMA)]


class World(Section):
    """The local world: present only where the toolkit starts the system itself."""

    rows: Annotated[int, whole(1, 50_000_000)] = 200_000
    """Rows that the shop's database is loaded with, about."""
    rate: Annotated[int, whole(0, 10_000)] = 60
    """Requests per second of all customers together."""
    hooks: Flag = False
    """A second database, in which the shop keeps its webhooks."""
    watched: Flag = False
    """A Prometheus that scrapes both shops each second; Debian's program has to be installed."""
    suggestions: Flag = False
    """A service of the shop that a flag routes; customers ask it, too."""


class Aws(Section):
    """The AWS account that traffic is steered in."""

    region: Region = "us-east-1"
    profile: Profile | None = None
    """A profile of the AWS configuration; without it the usual chain of credentials."""
    account: Account | None = None
    """The account number that the credentials must belong to; quote it, it may start with 0."""
    rates: dict[Api, Annotated[float, number(10_000, least=0.2)]] = Field(default_factory=dict)
    """Calls per second at most, by API: route53, or elbv2:ModifyListener for one operation; others keep their defaults."""


class Owners(Section):
    """The roles that sign, each as your organisation calls it."""

    decision: Line
    database: Line
    traffic: Line
    application: Line


class Hostname(Section):
    """A public name, and the one provider that carries its share."""

    host: DnsName
    carrier: Carrier
    observed: Observed = Observed()
    """Who else says which side answers; each shift has to agree with them."""


class Dns(Section):
    """Whom to ask about names."""

    servers: DnsServers | None = None
    """host:port, separated by commas; without it the zone's own name servers."""
    resolvers: DnsServers | None = None
    """host:port of resolvers that visitors use, separated by commas: `invoke propagation` shows what they answer."""


class Maintenance(Section):
    """What visitors get while writes are stopped."""

    kind: Literal["alb", "none"] = "none"
    """`alb`: a listener rule answers write methods with 503; `none`: the pause of the database alone."""
    load_balancers: Balancers = ()
    methods: Methods = ("POST", "PUT", "PATCH", "DELETE")
    message: Annotated[str, prose(1024)] = "A short maintenance is under way. Please try again in a minute."
    priority: Annotated[int, whole(1, 50_000)] = 1
    """The rule's priority on each listener; it must be free. Several hosts may need several rules, one priority after the other."""
    hosts: Hosts = ()
    """Where other systems share the load balancers: the hostnames whose writes are refused. Without them it is every hostname's."""


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
    evidence: Evidence = Evidence()

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
    behind_bytes: Annotated[int, whole(1, 10**15)] | None = None
    """When blue lacks more than this, the run does not go back by itself any more: it freezes, and a person decides."""
    behind_time: Wait | None = None
    """The same for the time by which blue is behind."""


class Environment(Section):
    """One system that can be cut over, as environments/NAME.yaml describes it."""

    schema_version: Annotated[Literal[1], Reads(whole(1, 1).read, {"type": "integer", "const": 1})] = 1
    name: Name
    description: Line
    protected: Flag = False
    """Production: the environment's name has to be typed."""
    rehearsed_on: Name | None = None
    """The environment on which the same plan is rehearsed: its record tells how long each step took there."""
    rehearsal: RehearsalWords = Rehearsal()
    """`required`: a cutover is refused without a rehearsal of this very plan that is young enough."""
    world: World | None = None
    state: StatePlace = Ref("literal", "sqlite")
    """Where journal and lease are kept: `sqlite`, a file of this machine, or an S3 prefix or a PostgreSQL database that
    operators on several machines share. A database with a password is named by reference; it is never a side of the cutover."""
    aws: Aws = Aws()
    owners: Owners
    database: Database | None = None
    """The database that is cut over; several stand under `databases`, each with a name of its own."""
    databases: Annotated[dict[Name, Database], Field(min_length=1)] | None = None
    """Several databases, which switch in one window: all of them, or none."""
    shared_database: Flag = False
    """Both sides work on the same databases: only traffic moves, and there is no window."""
    hostnames: Annotated[dict[Name, Hostname], Field(min_length=1)]
    dns: Dns = Dns()
    maintenance: Maintenance = Maintenance()
    window: Window = Window()
    shift: Shift = Shift()
    smoke: Smoke = Smoke()
    readiness: Lines = ()
    """What has to be so before anything is touched, by name: tests, benchmarks, figures, and what only a person can say."""
    checklist: Lines = ()
    """What has to be so after the cutover, by name."""
    approvals: Annotated[dict[Name, Approval], Field(default_factory=dict)]
    """Gates that people open, by name."""
    workers: Annotated[dict[Name, Worker], Field(default_factory=dict)]
    """Background workers by name; without them nothing but traffic and writes changes sides."""
    configuration: Annotated[dict[Name, Setting], Field(default_factory=dict)]
    """Parameters by name that have another value on green."""
    steps: Annotated[dict[Name, OwnStep], Field(default_factory=dict)]
    """Steps of your own by name, taken in the order in which they stand here."""
    flags: RoutedFlags
    """Flags by which the applications route, by name."""
    metrics: Metrics = Metrics()
    """Figures of both sides, by the names that conditions use."""
    triggers: Annotated[dict[Name, Trigger], Field(default_factory=dict)]
    """What is watched while green has traffic, by name, and what each starts."""
    comparison: Comparison | None = None
    """Green beside blue, by what both count, at every share below 100 %."""
    checkpoints: Checkpoints | None = None
    """Everything that can be checked while green serves, at set times after the switch."""
    bake: Bake = Bake()
    rollback: Rollback = Rollback()
    decommission: Decommission = Decommission()
    incidents: Incidents = Incidents()
    """What is kept when a cutover is taken back."""
    notify: Notify = Notify()
    console: Console = Console()
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
