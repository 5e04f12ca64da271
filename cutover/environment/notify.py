"""Who is told what happens, and how."""

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field

from cutover.environment.reading import prose, whole, word
from cutover.environment.reference import Ref
from cutover.environment.section import Section
from cutover.environment.shapes import distinct
from cutover.environment.written import Duration, Name, Wait

MailAddress = Annotated[
    str, word(r"[A-Za-z0-9._%+'=-]{1,64}@[A-Za-z0-9.-]{1,190}", "an e-mail address such as oncall@example.com")
]
MailHost = Annotated[str, word(r"[A-Za-z0-9.-]{1,253}", "the name of a mail server")]
TopicArn = Annotated[
    str, word(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?", "the ARN of an SNS topic")
]
ServiceUrl = Annotated[
    str,
    word(
        r"https://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*|http://127\.0\.0\.1:[0-9]{1,5}(/[A-Za-z0-9._~-]+)*",
        "an https:// address without user, password or query",
    ),
]
EventName = Annotated[str, word(r"[a-z][a-z-]{1,39}", "the name of an event, such as phase or rollback")]
Names = Annotated[tuple[Name, ...], AfterValidator(distinct), Field(min_length=1)]


class SlackChannel(Section):
    """A channel of a Slack workspace."""

    kind: Literal["slack"] = "slack"
    webhook: Ref
    """The incoming webhook's URL; whoever knows it can post, so it is a secret."""


class PagerDutyChannel(Section):
    """A service of PagerDuty: critical messages open an incident there, a good end resolves it."""

    kind: Literal["pagerduty"] = "pagerduty"
    key: Ref
    """The integration key of Events API v2."""
    url: ServiceUrl = "https://events.pagerduty.com/v2/enqueue"
    """Another address for an account in the EU: https://events.eu.pagerduty.com/v2/enqueue"""


class WebhookChannel(Section):
    """A URL of your own that takes JSON."""

    kind: Literal["webhook"] = "webhook"
    url: Ref
    secret: Ref | None = None
    """Signs each body: the header Cutover-Signature is t=SECONDS,v1=HMAC-SHA256 in hexadecimal of "SECONDS.BODY"."""


class EmailChannel(Section):
    """Letters by a mail server."""

    kind: Literal["email"] = "email"
    host: MailHost
    port: Annotated[int, whole(1, 65_535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`none` logs in nowhere: a password does not go over an open line."""
    user: Ref | None = None
    password: Ref | None = None
    sender: MailAddress
    to: Annotated[tuple[MailAddress, ...], AfterValidator(distinct), Field(min_length=1)]


class SnsChannel(Section):
    """A topic of SNS."""

    kind: Literal["sns"] = "sns"
    topic: TopicArn


Channel = Annotated[
    SlackChannel | PagerDutyChannel | WebhookChannel | EmailChannel | SnsChannel, Field(discriminator="kind")
]
CHANNEL_KINDS = tuple(str(get_args(one.model_fields["kind"].annotation)[0]) for one in get_args(get_args(Channel)[0]))


class RouteWords(Section):
    """Which messages go to which channels."""

    to: Names
    least: Literal["detail", "info", "warning", "critical", "none"] = "info"
    """Messages as urgent as this, or more; `none`: only the `events`."""
    events: Annotated[tuple[EventName, ...], AfterValidator(distinct)] = ()
    """Messages of these kinds, however urgent."""


class LevelWords(Section):
    """Who is told when a critical message was not taken on for so long."""

    after: Wait
    to: Names


class RhythmWords(Section):
    """How often people hear how it stands after the switch."""

    until: Wait
    """This long after the switch."""
    every: Wait


class Notify(Section):
    """Who is told what happens; without channels nobody is. It may be changed while a run is open."""

    channels: dict[Name, Channel] = Field(default_factory=dict)
    """Ways to people, by name."""
    routes: tuple[RouteWords, ...] = ()
    """Without any, every channel gets what is `info` or more."""
    escalation: tuple[LevelWords, ...] = ()
    """Level 2 and further; the routes tell level 1 at once. `invoke acknowledge` ends it."""
    updates: tuple[RhythmWords, ...] = ()
    """Without any: every hour in the first 8 hours after the switch, then every 4 hours until 24 hours after it."""
    texts: dict[EventName, Annotated[str, prose(500)]] = Field(default_factory=dict)
    """Words of your own for a message, by its event, or for users: users-window, users-done, users-rollback and others."""
    patience: Wait = 10.0
    """How long one try may take."""
    give_up: Wait = 600.0
    """How long a message is tried again; then it is recorded as given up."""
    flush: Duration = 5.0
    """How long a command that ends waits for messages that are still under way."""
