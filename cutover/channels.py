"""An environment's words about telling, wired to the ways that there are; nothing is opened, and no secret is read here."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from cutover.app import App
from cutover.aws.notice import Topic
from cutover.aws.secret import Secrets
from cutover.aws.session import Aws, AwsError
from cutover.core.clock import Deadline
from cutover.environment import Notify, Ref
from cutover.environment.notify import EmailChannel, PagerDutyChannel, SlackChannel, SnsChannel, WebhookChannel
from cutover.notify.desk import Desk
from cutover.notify.message import Channel, Message, NotDelivered, Severity
from cutover.notify.route import Route
from cutover.notify.schedule import HOUR, Level, Rhythm
from cutover.notify.texts import Texts

DEFAULT_RHYTHMS = (Rhythm(8 * HOUR, HOUR), Rhythm(24 * HOUR, 4 * HOUR))
PASSING = ("Throttling", "ServiceUnavailable", "InternalError", "InternalFailure", "NoTurn")

Wired = SlackChannel | PagerDutyChannel | WebhookChannel | EmailChannel | SnsChannel


def desk_of(app: App) -> Desk:
    """Channels and rules of one environment."""
    words = app.environment.notify
    # Its own: a thread that tells somebody asks the journal nothing, and takes no turn from a step.
    aws = replace(app.means.aws, may_write=None, rates={})
    secrets = Secrets(aws)

    def value_of(ref: Ref) -> Callable[[], str]:
        return lambda: ref.resolve(app.means.values(), secrets.fetch)

    return Desk(
        environment=app.environment.name,
        channels={name: _channel(one, value_of, aws) for name, one in words.channels.items()},
        routes=_routes(words),
        levels=[Level(one.after, one.to) for one in words.escalation],
        rhythms=[Rhythm(one.until, one.every) for one in words.updates] or DEFAULT_RHYTHMS,
        texts=Texts(words.texts),
        patience=words.patience,
        give_up=words.give_up,
        flush=words.flush,
    )


def _routes(words: Notify) -> list[Route]:
    if not words.routes:
        return [Route(tuple(words.channels))]
    return [
        Route(one.to, None if one.least == "none" else Severity[one.least.upper()], one.events) for one in words.routes
    ]


def _channel(words: Wired, value_of: Callable[[Ref], Callable[[], str]], aws: Aws) -> Channel:
    def given(ref: Ref | None) -> Callable[[], str] | None:
        return None if ref is None else value_of(ref)

    match words:
        case SlackChannel():
            from cutover.notify.slack import Slack

            return Slack(value_of(words.webhook))
        case PagerDutyChannel():
            from cutover.notify.pagerduty import PagerDuty

            return PagerDuty(value_of(words.key), words.url)
        case WebhookChannel():
            from cutover.notify.webhook import Webhook

            return Webhook(value_of(words.url), given(words.secret))
        case EmailChannel():
            from cutover.notify.mail import Mail

            return Mail(
                host=words.host,
                port=words.port,
                security=words.security,
                sender=words.sender,
                to=words.to,
                user=given(words.user),
                password=given(words.password),
            )
        case SnsChannel():
            return Sns(Topic(aws, words.topic))


@dataclass(frozen=True)
class Sns:
    """Messages on a topic."""

    topic: Topic

    def takes(self, message: Message) -> bool:
        return True

    def deliver(self, message: Message, deadline: Deadline) -> None:
        about = {"key": message.key, "event": message.event, "severity": message.severity.word, "run": message.run}
        text = f"{message.title}\n\n{message.text()}"
        try:
            self.topic.publish(f"[{message.severity.word}] {message.title}", text, about, deadline)
        except AwsError as error:
            again = error.code not in LASTING
            raise NotDelivered(error.message, again=again) from None


LASTING = frozenset(
    {"AuthorizationError", "AuthorizationErrorException", "InvalidParameter", "NotFound", "NotFoundException"}
)
