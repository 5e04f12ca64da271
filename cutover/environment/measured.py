"""What is measured: where figures come from, and what each of them asks for."""

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import Field

from cutover.aws.metric_presets import CLOUDWATCH_PRESETS
from cutover.core.preset import Preset
from cutover.environment.evidence import JsonField
from cutover.environment.own_steps import VariableName
from cutover.environment.reading import Reads, by_side_schema, number, text_of, word, wrong
from cutover.environment.reference import BaseUrl, HostPort, LedgerPath, Ref
from cutover.environment.section import Section
from cutover.environment.written import ConfigPath, Duration, Flag, Name, Region, Wait
from cutover.metrics.presets import JSON_LINES, PROBE, PROMETHEUS, REDIS
from cutover.postgres.metric_presets import POSTGRES

FIGURE = r"[a-z][a-z0-9_]{0,39}"
FigureName = Annotated[str, word(FIGURE, "lower-case letters, digits and _, starting with a letter (at most 40)")]
LogFile = Annotated[str, word(r"(?!.*//)[^\x00-\x1f\x7f:@*?\[\]]{1,500}", "the path of a log file")]
UserName = Annotated[str, word(r"[A-Za-z0-9._@-]{1,128}", "a user's name")]
PresetName = Annotated[str, word(r"[a-z][a-z0-9-]{0,39}", "the name of a preset, such as p95 or connections-used")]
FolderUid = Annotated[str, word(r"[A-Za-z0-9_-]{1,40}", "the uid of a folder, as its address has it")]
Of = Annotated[str, word(r"[a-z_]{1,40}", "a word of the preset")]
UNIT = r"%|ms|s|/s|/min|count|bytes|kB|MB|GB|cores|[A-Z]{3}"
Unit = Annotated[
    str, word(UNIT, "a unit: %, ms, s, /s, /min, count, bytes, kB, MB, GB, cores, or a currency such as EUR")
]

PRESETS: Mapping[str, Mapping[str, Preset]] = {
    "prometheus": PROMETHEUS,
    "cloudwatch": CLOUDWATCH_PRESETS,
    "cost-explorer": {},
    "postgres": POSTGRES,
    "json-lines": JSON_LINES,
    "redis": REDIS,
    "probe": PROBE,
    "command": {},
}
SIDED = ("postgres", "json-lines", "redis", "probe")
"""Sources with a place for each side; the others tell the sides apart in the query."""
STEPS = {"cloudwatch": 60.0, "cost-explorer": 86_400.0}
DELAYS = {"prometheus": 60.0, "cloudwatch": 120.0, "cost-explorer": 86_400.0, "json-lines": 10.0}
"""How late a sample of each kind may be, in seconds; the models have the same as their defaults."""
LONGEST_QUERY = 4000


def _text(value: object) -> str:
    written = text_of(value, "a query").strip()
    if not written or len(written) > LONGEST_QUERY:
        raise wrong(f"wants a query, at most {LONGEST_QUERY} characters")
    if any(not (c.isprintable() or c in "\n\t") for c in written):
        raise wrong("holds a control character or an invisible one")
    return written


def _by_side(value: object) -> str | dict[str, str]:
    if isinstance(value, Mapping):
        if set(map(str, value)) != {"blue", "green"}:
            raise wrong("wants one text, or one for each side: {blue: …, green: …}")
        return {str(side): _text(one) for side, one in value.items()}
    return _text(value)


BySide = Annotated[str | dict[str, str], Reads(_by_side, by_side_schema(LONGEST_QUERY))]


class PrometheusSource(Section):
    """A Prometheus server, or what has its HTTP API; queries are PromQL, and give one series."""

    kind: Literal["prometheus"] = "prometheus"
    url: BaseUrl
    token: Ref | None = None
    """A bearer token."""
    user: UserName | None = None
    """For basic authentication, with `password`."""
    password: Ref | None = None
    ca: ConfigPath | None = None
    """A file of certificates to trust in place of the system's."""
    delay: Duration = 60.0
    """How old the newest sample may be: the longest scrape interval."""
    rules: LedgerPath | None = None
    """A folder of rule files that this server reads (rule_files: FOLDER/*.rules.yaml) and this machine writes:
    `invoke alerts --apply` puts the alerts there, and has the server read them (it needs --web.enable-lifecycle)."""


class CloudWatchSource(Section):
    """CloudWatch in the environment's account; a query is an expression, and below it its metrics."""

    kind: Literal["cloudwatch"] = "cloudwatch"
    region: Region | None = None
    """Where it is not aws.region; CloudFront's metrics are found by themselves."""
    delay: Duration = 120.0
    """How long after a period its figures are whole."""


class CostExplorerSource(Section):
    """What was spent, by whole days and a day late; a query is `all`, or conditions such as service=AmazonRDS tag:side=green."""

    kind: Literal["cost-explorer"] = "cost-explorer"
    delay: Duration = 86_400.0
    """How long after a day its costs are known."""


class PostgresSource(Section):
    """The databases of the cutover; a query is SQL that answers one row with one number, asked in a read-only transaction."""

    kind: Literal["postgres"] = "postgres"
    database: Name | None = None
    """Which of several databases."""


class JsonLinesSource(Section):
    """A log of JSON lines on this machine, with its rotated predecessors (FILE.1, FILE.2.gz, FILE-20260131.gz)."""

    kind: Literal["json-lines"] = "json-lines"
    blue: LogFile
    """The file of blue's application, as the runbook's reader finds it."""
    green: LogFile
    """The file of green's."""
    time: JsonField = "time"
    """The field that says when: ISO 8601, or seconds or milliseconds since 1970."""
    delay: Duration = 10.0
    """How late a line may be written."""


class RedisSource(Section):
    """Redis or Valkey; a query is a sum of INFO's fields, such as 100 * used_memory / maxmemory."""

    kind: Literal["redis"] = "redis"
    blue: HostPort
    """Blue's server; it may be green's, too."""
    green: HostPort
    """Green's server."""
    user: UserName | None = None
    password: Ref | None = None
    tls: Flag = False
    ca: ConfigPath | None = None


class ProbeSource(Section):
    """Requests of our own to each side; a query is `latency /path`, `status /path` or `failed /path`."""

    kind: Literal["probe"] = "probe"
    blue: BaseUrl
    """Blue's own address, past the load balancer."""
    green: BaseUrl
    """Green's own address, past the load balancer."""
    ca: ConfigPath | None = None


class CommandSource(Section):
    """Commands of your own; a query is bash that prints one number as its last line, and changes nothing."""

    kind: Literal["command"] = "command"
    variables: Annotated[dict[VariableName, Ref], Field(default_factory=dict)]
    """Environment variables of the commands, each with a reference to its value."""


AnySource = (
    PrometheusSource
    | CloudWatchSource
    | CostExplorerSource
    | PostgresSource
    | JsonLinesSource
    | RedisSource
    | ProbeSource
    | CommandSource
)
MetricSource = Annotated[AnySource, Field(discriminator="kind")]
METRIC_KINDS = tuple(str(get_args(one.model_fields["kind"].annotation)[0]) for one in get_args(AnySource))


class Figure(Section):
    """One figure: where it comes from, what is asked, and in what it is measured."""

    source: Name
    preset: PresetName | None = None
    """A query with a name; which there are depends on the source's kind."""
    query: BySide | None = None
    """In the source's own language; {side} in it becomes blue or green, or there is one text for each."""
    of: Annotated[dict[Of, BySide], Field(default_factory=dict)]
    """What a preset is about, by its words, such as load_balancer; {side} in it as in a query."""
    unit: Unit | None = None
    """In what the query's answer is measured; a preset knows its own."""
    side: Literal["blue", "green", "both"] = "both"
    """Whose figure it is."""
    step: Wait | None = None
    """The distance of its samples; without it 60 s from CloudWatch, a day from Cost Explorer, and 15 s from all others."""

    @property
    def sides(self) -> tuple[str, ...]:
        return ("blue", "green") if self.side == "both" else (self.side,)


class Cost(Section):
    """What a phase may cost, estimated from what it uses."""

    currency: Annotated[str, word(r"[A-Z]{3}", "a currency such as USD")] = "USD"
    hourly: dict[Name, Annotated[float, number(1_000_000)]] = Field(default_factory=dict)
    """What runs for as long as the phase lasts, by name: its price for an hour."""
    used: dict[FigureName, Annotated[float, number(1_000_000)]] = Field(default_factory=dict)
    """Figures measured in /s, by name: the price of a million of what they count."""
    budget: Annotated[float, number(1_000_000_000, above_zero=True)] | None = None
    """What a phase may cost."""


class GrafanaWords(Section):
    """A Grafana whose dashboard `invoke dashboards --apply` makes and keeps."""

    url: BaseUrl
    token: Ref
    """Of a service account that may write dashboards."""
    folder: FolderUid | None = None
    """The uid of the folder that a new dashboard goes into; without it the top."""
    ca: ConfigPath | None = None
    """A file of certificates to trust in place of the system's."""


class Metrics(Section):
    """What is measured, by name; conditions, dashboards and alerts use these names."""

    sources: dict[Name, MetricSource] = Field(default_factory=dict)
    """Where figures come from, by names of your own."""
    figures: dict[FigureName, Figure] = Field(default_factory=dict)
    """Figures by name."""
    cost: Cost = Cost()
    grafana: GrafanaWords | None = None

    def unit(self, name: str) -> str:
        """In what a figure is measured; raises KeyError for a name that there is not."""
        figure = self.figures[name]
        preset = self._preset(figure)
        return figure.unit or (preset.unit if preset else "count")

    def step(self, name: str) -> float:
        """The distance of a figure's samples in seconds."""
        figure = self.figures[name]
        return figure.step or STEPS.get(self.sources[figure.source].kind, 15.0)

    def query(self, name: str, side: str) -> str:
        """What is asked for one side of a figure."""
        figure = self.figures[name]
        preset = self._preset(figure)
        of = {word: _for(text, side) for word, text in figure.of.items()}
        return preset.filled({**of, "side": side}) if preset else _for(figure.query or "", side)

    def _preset(self, figure: Figure) -> Preset | None:
        return PRESETS[self.sources[figure.source].kind][figure.preset] if figure.preset else None


def _for(text: str | Mapping[str, str], side: str) -> str:
    return (text if isinstance(text, str) else text[side]).replace("{side}", side)
