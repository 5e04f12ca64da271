"""Routes and receivers of Alertmanager for the generated alerts; secrets stand in files, and their paths here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover.metrics.alert_rules import HEAD, Alerts, document
from cutover.metrics.promql import duration

SILENT = "cutover-nobody"
SEVERITIES = ("info", "warning", "critical")
PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"


@dataclass(frozen=True)
class Slack:
    """An incoming webhook, whose URL is the secret (Alertmanager, slack_config)."""

    url_file: str

    def written(self) -> dict[str, Any]:
        return {
            "slack_configs": [
                {
                    "api_url_file": self.url_file,
                    "send_resolved": True,
                    "title": "{{ .CommonLabels.environment }}: {{ .CommonLabels.trigger }} ({{ .CommonLabels.severity }})",
                    "text": "{{ range .Alerts }}{{ .Annotations.summary }}\n{{ .Annotations.runbook_url }}\n{{ end }}",
                }
            ]
        }


@dataclass(frozen=True)
class PagerDuty:
    """A service of PagerDuty; the file has the integration key of Events API v2 (Alertmanager, pagerduty_config)."""

    key_file: str
    url: str = PAGERDUTY

    def written(self) -> dict[str, Any]:
        severity = '{{ if eq .CommonLabels.severity "critical" }}critical{{ else }}warning{{ end }}'
        elsewhere = {} if self.url == PAGERDUTY else {"url": self.url}
        return {"pagerduty_configs": [{"routing_key_file": self.key_file, **elsewhere, "severity": severity}]}


@dataclass(frozen=True)
class Sns:
    """A topic of SNS, with the credentials of the machine (Alertmanager, sns_config)."""

    topic: str
    region: str

    def written(self) -> dict[str, Any]:
        return {"sns_configs": [{"topic_arn": self.topic, "sigv4": {"region": self.region}}]}


@dataclass(frozen=True)
class Webhook:
    """An address of your own that takes Alertmanager's JSON, and is no secret itself (Alertmanager, webhook_config)."""

    url: str

    def written(self) -> dict[str, Any]:
        return {"webhook_configs": [{"url": self.url, "send_resolved": True}]}


@dataclass(frozen=True)
class Mail:
    """Letters by a mail server (Alertmanager, email_config), which reads a password from a file, but no user's name."""

    smarthost: str
    sender: str
    to: tuple[str, ...]
    tls: bool = True
    password_file: str = ""

    def written(self) -> dict[str, Any]:
        letter = {
            "to": ", ".join(self.to),
            "from": self.sender,
            "smarthost": self.smarthost,
            "require_tls": self.tls,
            **({"auth_password_file": self.password_file} if self.password_file else {}),
            "headers": {"Subject": "[{{ .CommonLabels.severity }}] {{ .CommonLabels.environment }}: {{ .CommonLabels.trigger }}"},
            "text": "{{ range .Alerts }}{{ .Annotations.summary }}\n{{ .Annotations.description }}\n{{ .Annotations.runbook_url }}\n{{ end }}",
            "send_resolved": True,
        }  # fmt: skip
        return {"email_configs": [letter]}


Receiver = Slack | PagerDuty | Sns | Webhook | Mail


@dataclass(frozen=True)
class Route:
    """Alerts whose trigger names no channel: as urgent as `least`, or more, they go `to` these; None takes none of them."""

    to: tuple[str, ...]
    least: str | None = "info"

    @property
    def severities(self) -> tuple[str, ...]:
        return () if self.least is None else SEVERITIES[SEVERITIES.index(self.least) :]


@dataclass(frozen=True)
class Level:
    """A critical alert that still fires, and is not silenced, `after` so many seconds is told to these as well."""

    after: float
    to: tuple[str, ...]


def configuration(
    alerts: Alerts,
    receivers: Mapping[str, Receiver],
    routes: Sequence[Route] = (),
    levels: Sequence[Level] = (),
    by_hand: Sequence[str] = (),
) -> str:
    """The whole configuration: an alert goes to each channel that its trigger names; one that names none goes by `routes`.

    Without routes that is to all. A channel of `routes` and `levels` that is no receiver is passed over: whoever left it out
    says so, and in `by_hand`, which is written at the top, what a person has to put in place. Without receivers nobody is
    told.
    """
    environment = f'environment="{alerts.environment}"'
    told = [*_told(environment, receivers, routes), *_escalated(environment, receivers, levels)]
    data = {
        "route": {
            "receiver": SILENT,
            "group_by": ["environment", "trigger"],
            "group_wait": "10s",
            "group_interval": "1m",
            "repeat_interval": "1h",
            "routes": told,
        },
        "receivers": [
            {"name": SILENT},
            *({"name": f"cutover-{name}", **one.written()} for name, one in receivers.items()),
        ],
    }
    notes = "".join(f"# {line}\n" for line in by_hand)
    return HEAD.format(environment=alerts.environment) + notes + document(data)


def _told(environment: str, receivers: Mapping[str, Receiver], routes: Sequence[Route]) -> Iterator[dict[str, Any]]:
    """Who is told at once, each channel once for one alert."""
    for name in receivers:
        # A matcher is anchored; the label has a comma before and after each name. An alert that names none has no label.
        if not routes:
            yield _route(name, environment, f'channels=~"(|.*,{name},.*)"')
            continue
        yield _route(name, environment, f'channels=~".*,{name},.*"')
        wanted = {one for route in routes if name in route.to for one in route.severities}
        if wanted:
            severities = "|".join(one for one in SEVERITIES if one in wanted)
            yield _route(name, environment, 'channels=""', f'severity=~"{severities}"')


def _escalated(
    environment: str, receivers: Mapping[str, Receiver], levels: Sequence[Level]
) -> Iterator[dict[str, Any]]:
    """A group that waits before it is told for the first time is told only where the alert has not ended meanwhile."""
    for level in levels:
        for name in level.to:
            if name in receivers:
                yield {
                    **_route(name, environment, 'severity="critical"'),
                    "group_wait": duration(level.after),
                }


def _route(name: str, *matchers: str) -> dict[str, Any]:
    return {"receiver": f"cutover-{name}", "matchers": list(matchers), "continue": True}
