"""What carries the share of a hostname: one model per provider, told apart by its `kind`."""

import ipaddress
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field

from cutover.environment.clients import Ttl
from cutover.environment.flags import FlagName, FlagStore
from cutover.environment.reading import Reads, prose, text_of, whole, word
from cutover.environment.reference import BaseUrl, DnsServers
from cutover.environment.section import Section
from cutover.environment.shapes import distinct
from cutover.environment.written import (
    AliasName,
    AwsName,
    Balancers,
    ConfigPath,
    DistributionId,
    DnsName,
    Duration,
    Flag,
    FlagKey,
    FunctionName,
    HostPattern,
    LogicalId,
    LogicalIds,
    ParameterName,
    PathPattern,
    Seconds,
    SetIdentifier,
    SsmName,
    StackName,
    VersionNumber,
    Wait,
)

_NAME: Reads = get_args(DnsName)[1]


def _target(value: object) -> object:
    try:
        return str(ipaddress.ip_address(text_of(value, "a DNS name or an IP address")))
    except ValueError:
        return _NAME.read(value)


VpcId = Annotated[str, word(r"vpc-[0-9a-f]{8,17}", "the id of a VPC such as vpc-0123456789abcdef0")]
Target = Annotated[str, Reads(_target, {"type": "string", "minLength": 1, "maxLength": 253})]


class AlbRule(Section):
    """Which rule of the listener carries the share: the one with these conditions, and no others."""

    host: HostPattern
    """A value of its host-header condition, as it is written there."""
    path: PathPattern | None = None
    """A value of its path-pattern condition; without it the rule has none."""


class Drain(Section):
    """When blue's target group counts as empty: by the load balancer's own figures (CloudWatch, RequestCount)."""

    window: Wait
    """For so long blue must have got no request while the load balancer reported others."""
    late: Duration = 120.0
    """How long figures need until they can be read."""
    deadline: Wait = 3600.0
    """How long this is waited for; then a person is asked."""


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
    """Healthy targets that a side needs before it may take (more) traffic: green on the way there, blue on the way back."""
    rule: AlbRule | None = None
    """The listener rule that carries the share; without it the listener's default action does."""
    sticky: Seconds | None = None
    """The group stickiness that the listener has outside of a cutover, in seconds; it is off for the time of a cutover."""
    bypassing: Literal["refuse", "tell"] = "refuse"
    """Rules and listeners that send this hostname's requests past the share: stop before anything is touched, or only say so."""
    drain: Drain | None = None
    """At 100 %, wait until blue gets no request any more."""


class Above(Section):
    """A CNAME in front of the hostname: whoever comes through it has its answer for its TTL as well."""

    name: DnsName
    ttl: Seconds


class Migration(Section):
    """The hostname is one simple record now: the plan makes it a weighted group in which blue is alone."""

    green: Target
    """Where green leads: a name for a CNAME or an alias, else an address."""
    green_ipv6: Target | None = None
    """Green's IPv6 address, where there is an AAAA record beside the A record."""


class Route53Carrier(Section):
    """The share is the weight of two record sets of one name."""

    kind: Literal["route53"] = "route53"
    zone: DnsName
    private: Flag = False
    """The zone is a private one: its name servers answer only inside of its VPCs."""
    vpc: VpcId | None = None
    """The VPC of the private zone, where several are called alike."""
    resolver: DnsServers | None = None
    """The DNS resolvers of that VPC, host:port separated by commas; a private zone needs them, for nobody else can look at it."""
    type: Literal["A", "AAAA", "CNAME"] = "CNAME"
    blue: SetIdentifier
    """The SetIdentifier of blue's record set."""
    green: SetIdentifier
    """The SetIdentifier of green's record set."""
    ttl: Ttl | None = None
    """Needed unless the records are aliases."""
    alias: Flag = False
    """The records are aliases of load balancers: AWS answers them with 60 s, and there is nothing to lower."""
    above: Annotated[tuple[Above, ...], AfterValidator(distinct)] = ()
    """CNAMEs that lead to this hostname; what they were answered with is waited out, too."""
    fail_back: Literal["allowed", "refused"] | None = None
    """Whether a side at weight 0 may get visitors again by itself, when health checks of the other one fail."""
    migrate: Migration | None = None
    """Only where the hostname is one simple record now."""
    health: Balancers = ()
    """Load balancers whose targets must be healthy. The one to which a side's record leads is asked right before that side gets
    (more) visitors, on the way back too."""
    listener_port: Annotated[int, whole(1, 65_535)] = 80
    """The listener of these load balancers that serves this name."""


class CloudFormationCarrier(Section):
    """The share is a numeric parameter of a CloudFormation stack."""

    kind: Literal["cloudformation"] = "cloudformation"
    stack: StackName
    parameter: LogicalId
    """The parameter that says how much green gets."""
    scale: Annotated[int, whole(1, 1_000_000)] = 100
    """The parameter's value when green gets everything."""
    decimals: Annotated[int, whole(0, 4)] = 0
    """Digits behind the point that the parameter's users understand."""
    parameters: dict[LogicalId, Annotated[str, prose(4096)]] = Field(default_factory=dict)
    """Parameters that have to be given by value, with the value that they have already; all others keep theirs."""
    may_touch: LogicalIds = ()
    """Logical ids of the resources that may be modified; without them any, but none is ever replaced, added or removed."""
    settle: Wait = 900.0
    """How long an update of the stack may take."""


class CloudFrontCarrier(Section):
    """The share is the weight of a continuous deployment policy, up to 15 %; 100 % is the promotion of the staging distribution."""

    kind: Literal["cloudfront"] = "cloudfront"
    distribution: DistributionId
    """The primary distribution, which serves the hostname."""
    staging: DistributionId
    """The staging distribution, which has green's configuration."""
    kept_in: SsmName
    """The SSM parameter in which blue's configuration is kept for the way back from the promotion."""
    settle: Wait = 1800.0
    """How long a distribution may take to be deployed everywhere."""


class LambdaCarrier(Section):
    """The share is the weight of a second version behind a Lambda alias; Lambda draws lots for each invocation."""

    kind: Literal["lambda"] = "lambda"
    function: FunctionName
    alias: AliasName
    blue: VersionNumber
    """The number of blue's published version."""
    green: VersionNumber
    """The number of green's published version."""


class PercentageFlag(Section):
    """A percentage that the application reads, and by which it sends requests to green."""

    key: FlagKey | None = None
    """The key of the percentage in a JSON object, which may hold others; without it the number stands alone."""
    reported: Annotated[tuple[BaseUrl, ...], AfterValidator(distinct)] = ()
    """Where the application says which percentage it goes by, one address for each instance: in the same form."""


class SsmCarrier(PercentageFlag):
    """The share is a number in an SSM parameter of type String."""

    kind: Literal["ssm"] = "ssm"
    parameter: ParameterName


class FileCarrier(PercentageFlag):
    """The share is a number in a file on this machine, or on a disk that it shares with the application."""

    kind: Literal["file"] = "file"
    file: ConfigPath
    """The file, which must exist; a link to it is followed."""


class FlagCarrier(Section):
    """The share is a flag of the routing library, in any of its stores."""

    kind: Literal["flag"] = "flag"
    flag: FlagName
    store: FlagStore | None = None
    """Where it is kept; without it as `flags` says for the flag of this name."""
    reported: Annotated[tuple[BaseUrl, ...], AfterValidator(distinct)] = ()
    """Where each process shows what its router counted, as JSON: it says which share holds there."""


Carrier = Annotated[
    AlbCarrier
    | Route53Carrier
    | CloudFormationCarrier
    | CloudFrontCarrier
    | LambdaCarrier
    | SsmCarrier
    | FileCarrier
    | FlagCarrier,
    Field(discriminator="kind"),
]
CARRIERS = tuple(get_args(get_args(Carrier)[0]))
KINDS = tuple(str(get_args(carrier.model_fields["kind"].annotation)[0]) for carrier in CARRIERS)
