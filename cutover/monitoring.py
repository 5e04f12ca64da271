"""An environment's triggers, figures and channels, wired to what monitoring reads; nothing is opened here."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from cutover.app import App
from cutover.environment import Environment, PrometheusSource, Ref
from cutover.environment.notify import EmailChannel, Notify, PagerDutyChannel, SlackChannel, SnsChannel, WebhookChannel
from cutover.figures import prometheus_of
from cutover.metrics.alert_files import BASELINES, FIGURES, TRIGGERS, files
from cutover.metrics.alert_rules import Alerts, Unsaid, figures_of
from cutover.metrics.alertmanager import Level, Mail, PagerDuty, Receiver, Route, Slack, Sns
from cutover.metrics.rule_tests import untested
from cutover.metrics.rules_served import EARLIER, KEPT, NONE, PARTLY, RulesServed, joined
from cutover.plans.triggered import triggers

SECRETS = PurePosixPath("/etc/alertmanager/cutover")
"""Where Alertmanager finds the secrets of the channels, below it by environment and channel."""
TLS_PORT = 465
NO_WEBHOOK = (
    "Alertmanager reads a webhook's address from no file before 0.26, and signs nothing: the program alone tells it"
)


@dataclass(frozen=True)
class Monitoring:
    """The Prometheus and Alertmanager side of one environment, and by name what could not be said there."""

    server: str
    """The source of the environment whose rules these are."""
    alerts: Alerts
    channels: "Channels"
    routes: tuple[Route, ...]
    levels: tuple[Level, ...]

    def files(self, baselines: Mapping[str, float]) -> dict[str, str]:
        """Every file by its name."""
        channels = self.channels
        return files(self.alerts, channels.receivers, baselines, self.routes, self.levels, channels.by_hand)

    def missing(self, baselines: Mapping[str, float]) -> dict[str, tuple[Unsaid, ...]]:
        """What dropped out, by the kind of it."""
        return {
            "not a Prometheus alert": self.alerts.unsaid(),
            "cannot fire yet": self.alerts.without_baseline(baselines),
            "without a unit test": untested(self.alerts),
            "channel left out": tuple(self.channels.left_out),
            "Alertmanager tells nobody": tuple(self._unheard()),
        }

    def _unheard(self) -> Iterator[Unsaid]:
        """The alerts that reach no receiver."""
        receivers = self.channels.receivers
        for rule in self.alerts.said():
            routed = [name for route in self.routes if rule.severity in route.severities for name in route.to]
            names = rule.channels or (routed if self.routes else list(receivers))
            if not any(name in receivers for name in names):
                whom = f"it is for {', '.join(names)}" if names else f"no route takes what is {rule.severity}"
                yield Unsaid(rule.name, f"{whom}, and Alertmanager has no receiver for it")


@dataclass
class Channels:
    """Receivers of Alertmanager, what a person puts in place for them, and which channels it has no way to."""

    receivers: dict[str, Receiver] = field(default_factory=dict)
    by_hand: list[str] = field(default_factory=list)
    left_out: list[Unsaid] = field(default_factory=list)


def monitoring_of(app: App) -> Monitoring:
    """The generated monitoring of an environment; no secret is read, and no server is asked."""
    environment = app.environment
    words = environment.notify
    levels = tuple(Level(one.after, one.to) for one in words.escalation)
    server = _server(app)
    return Monitoring(server, _alerts(app, server), _channels(environment.name, words), _routes(words), levels)


def rules_step(
    app: App, made: Monitoring, baselines: Mapping[str, float] | None, *, remove: bool = False
) -> RulesServed | str | None:
    """The alerts in Prometheus as a step from what is there now, or why they are left alone; asks it, and changes nothing.

    None where the environment names no folder of rules. Baselines that are not known (None) may be in what is there.
    """
    source = app.environment.metrics.sources.get(made.server)
    if not isinstance(source, PrometheusSource) or source.rules is None:
        return None
    files = made.files(baselines or {})
    text = joined(app.environment.name, [files[name] for name in (FIGURES, BASELINES, TRIGGERS)])
    one = RulesServed(
        name="prometheus-rules",
        server=prometheus_of(app.means, source),
        folder=app.means.value_of(source.rules),
        folder_shell=app.means.shell_of(source.rules),
        environment=app.environment.name,
        text=text,
    )
    seen, there = one.observe(), one.written()
    if seen not in (NONE, KEPT, PARTLY):
        return f"{seen} in Prometheus' rules is not ours, and stays"
    if remove:
        text = next(iter(there.values()), text)
        return replace(one, name="prometheus-rules-undo", text=text, before=KEPT, after=NONE)
    if baselines is None:
        return "the baselines of the last run are not known, so that the rules in Prometheus stay as they are"
    if not text:
        return "no trigger is a Prometheus alert"
    if there and seen != KEPT:
        (earlier, *others) = there.values()
        return replace(one, earlier=earlier, before=PARTLY if others else EARLIER)
    return one


def _server(app: App) -> str:
    """The first Prometheus of the environment that a trigger needs a figure of."""
    metrics = app.environment.metrics
    used = [metrics.figures[figure.name].source for figure in figures_of(triggers(app.means))]
    servers = (name for name, source in metrics.sources.items() if isinstance(source, PrometheusSource))
    return next((name for name in servers if name in used), "")


def _alerts(app: App, server: str) -> Alerts:
    """Rules of one Prometheus."""
    environment, rules = app.environment, triggers(app.means)
    metrics = environment.metrics
    queries = {
        (name, side): metrics.query(name, side)
        for name, figure in metrics.figures.items()
        if figure.source == server
        for side in figure.sides
    }
    places = {name: _place(environment, figure.source) for name, figure in metrics.figures.items()}
    return Alerts(environment.name, rules, queries, f"runbooks/{environment.name}/ROLLBACK-RUNBOOK.md", places)


def _place(environment: Environment, source: str) -> str:
    kind = environment.metrics.sources[source].kind
    return f"the other Prometheus {source}" if kind == "prometheus" else f"{source} ({kind})"


def _routes(words: Notify) -> tuple[Route, ...]:
    least = {"detail": "info", "none": None}
    return tuple(Route(one.to, least.get(one.least, one.least)) for one in words.routes)


def _channels(environment: str, words: Notify) -> Channels:
    found = Channels()

    def secret(name: str, ref: Ref, what: str = "") -> str:
        """The file that Alertmanager reads it from; the reader is told what belongs there."""
        if ref.kind == "file" and PurePosixPath(ref.name).is_absolute():
            return ref.name
        path = str(SECRETS / environment / (name + what))
        found.by_hand.append(f"Put {ref} into {path} (mode 0400, of Alertmanager's user).")
        return path

    for name, words_of in words.channels.items():
        match words_of:
            case SlackChannel():
                found.receivers[name] = Slack(secret(name, words_of.webhook))
            case PagerDutyChannel():
                found.receivers[name] = PagerDuty(secret(name, words_of.key), words_of.url)
            case SnsChannel():
                found.receivers[name] = Sns(words_of.topic, words_of.topic.split(":")[3])
            case EmailChannel():
                _mail(name, words_of, found, secret)
            case WebhookChannel():
                found.left_out.append(Unsaid(name, NO_WEBHOOK))
    return found


def _mail(name: str, words: EmailChannel, found: Channels, secret: Callable[..., str]) -> None:
    # Alertmanager speaks TLS from the first byte on port 465 alone (Alertmanager, email_config).
    if words.security == "tls" and words.port != TLS_PORT:
        found.left_out.append(Unsaid(name, f"Alertmanager begins with TLS on port {TLS_PORT} only, not {words.port}"))
        return
    password = secret(name, words.password, ".password") if words.password else ""
    if words.user:
        # It logs in with a name that stands in its file; ours is a reference, and is not resolved into one.
        found.by_hand.append(f"Add auth_username to the receiver cutover-{name}: what {words.user} stands for.")
    smarthost = f"{words.host}:{words.port}"
    found.receivers[name] = Mail(smarthost, words.sender, words.to, words.security == "starttls", password)
