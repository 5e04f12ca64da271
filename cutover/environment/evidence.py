"""Who bears witness that traffic really moved, and how much is asked of them."""

from typing import Annotated, Literal

from cutover.environment.reading import Reads, number, percentage, prose, whole, word, wrong
from cutover.environment.section import Section
from cutover.environment.written import Duration, Flag, Wait

HeaderName = Annotated[str, word(r"[A-Za-z0-9-]{1,100}", "the name of a response header")]
JsonField = Annotated[
    str, word(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){0,9}", "a field of a JSON object, such as app.version")
]
UrlPath = Annotated[str, word(r"/[A-Za-z0-9._~/-]{0,199}(\?[A-Za-z0-9._~=&-]{0,199})?", "a path such as /health")]
Bucket = Annotated[str, word(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the name of an S3 bucket")]
Prefix = Annotated[
    str, word(r"(?!/)[A-Za-z0-9!_.*'()/=-]{1,300}", "the beginning of an S3 key, without a slash in front")
]
Column = Annotated[str, word(r"[A-Za-z0-9()_-]{1,100}", "the name of a log's column")]


def _precision(value: object) -> float:
    read = float(str(percentage.read(value)))
    if not 1 <= read <= 50:
        raise wrong("must be from 1% to 50%")
    return read


Precision = Annotated[float, Reads(_precision, percentage.schema)]


def _port(value: object) -> int | str:
    return "srv" if value == "srv" else int(str(whole(1, 65_535).read(value)))


Port = Annotated[
    int | Literal["srv"],
    Reads(_port, {"anyOf": [{"const": "srv"}, {"type": "integer", "minimum": 1, "maximum": 65_535}]}),
]


class Tag(Section):
    """What tells by a response which side gave it: a header, or a field of its JSON body."""

    header: HeaderName | None = None
    field: JsonField | None = None
    blue: Annotated[str, prose(100)]
    """The header's or field's value on blue."""
    green: Annotated[str, prose(100)]
    """The header's or field's value on green."""
    path: UrlPath = "/"
    """What is asked for; it must lead through the rule whose share moves."""
    scheme: Literal["https", "http"] = "https"
    port: Port = 443
    """`srv`: as the SRV record _https._tcp (or _http._tcp) of the name's end says."""


class AccessLogs(Section):
    """Access logs in S3, in which each line says which side answered."""

    bucket: Bucket
    prefix: Prefix = "AWSLogs"
    """What the keys of the log files begin with; the day is appended for `alb`."""
    format: Literal["alb", "cloudfront"] = "alb"
    column: Column = "x-routing-target"
    """CloudFront alone: the column, or the key of a JSON line, that names the side."""
    blue: Annotated[str, prose(200)] | None = None
    """What the column says for blue; an ALB's log says the target group, which the carrier knows."""
    green: Annotated[str, prose(200)] | None = None
    late: Duration = 360.0
    """How long after a request its line may come: an ALB writes every 5 minutes."""
    largest: Annotated[int, whole(1, 100_000_000_000)] = 200_000_000
    """Bytes of compressed logs that are read at most."""


class Observed(Section):
    """The witnesses of a hostname's share; without any, a shift is as the provider's API shows it."""

    dns: Flag = False
    """Draws at the zone's name servers, for a share that records carry."""
    tag: Tag | None = None
    requests: Flag = False
    """CloudWatch's request counts of the carrier's target groups."""
    logs: AccessLogs | None = None


class Evidence(Section):
    """How sure a shift has to be."""

    alpha: Annotated[float, number(0.05, above_zero=True)] = 0.001
    """How often, over a whole cutover, shares that are right may be doubted."""
    precision: Precision = 20.0
    """How near the share of the rarer side is found, in percent of itself; visitors' counts may be off by as much."""
    requests: Annotated[int, whole(30, 100_000)] = 2000
    """Draws of one witness at one share, at most."""
    seconds: Wait = 10.0
    """How long one witness draws at one share, at most."""
    settle: Duration = 5.0
    """How long after the provider's answer the change is in force everywhere."""
    deadline: Wait = 900.0
    """How long counts and logs may take to come in; never less than the slowest of them needs."""
