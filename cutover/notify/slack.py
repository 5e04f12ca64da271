"""Slack, by an incoming webhook."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from cutover.core.clock import Deadline
from cutover.notify.message import Message, Severity

SIGNS = {Severity.DETAIL: "·", Severity.INFO: "●", Severity.WARNING: "▲", Severity.CRITICAL: "■"}
LONGEST = 2900  # characters of one section's text; Slack takes 3000


@dataclass(frozen=True)
class Slack:
    """A channel of a Slack workspace; `webhook` reads the incoming webhook's URL, which is the secret (api.slack.com, "Sending messages using incoming webhooks")."""

    webhook: Callable[[], str] = field(repr=False)

    def takes(self, message: Message) -> bool:
        return True

    def deliver(self, message: Message, deadline: Deadline) -> None:
        from cutover.notify.posting import post

        title = f"{SIGNS[message.severity]} {message.title}"
        text = f"*{escaped(title)}*\n{escaped(message.text())}"
        document = {
            "text": escaped(title),
            "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": _cut(text), "verbatim": True}}],
        }
        post(self.webhook(), json.dumps(document).encode(), {"Content-Type": "application/json"}, deadline)


def escaped(text: str) -> str:
    """Text in which nothing is a link, a mention or a command (api.slack.com, "Escaping text")."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    kept = text[:LONGEST]
    # Not in the middle of an entity.
    start = kept.rfind("&", len(kept) - 5)
    return (kept[:start] if start >= 0 and ";" not in kept[start:] else kept) + " …"
