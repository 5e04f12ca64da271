"""PagerDuty, by its Events API v2: an incident is opened, acknowledged and resolved under one key."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cutover.core.clock import Deadline
from cutover.notify.message import TRIGGER, Message, Severity

EVENTS = "https://events.pagerduty.com/v2/enqueue"
WORDS = {Severity.DETAIL: "info", Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "critical"}
LONGEST_SUMMARY = 1024


@dataclass(frozen=True)
class PagerDuty:
    """A service of PagerDuty; `key` reads its integration key (developer.pagerduty.com, "Send an Event", Events API v2).

    The dedup key is the incident's: what belongs to one trouble is one incident there, however often it is sent.
    """

    key: Callable[[], str] = field(repr=False)
    url: str = EVENTS

    def takes(self, message: Message) -> bool:
        """Only what opens, acknowledges or resolves an incident: good news pages nobody."""
        return bool(message.action)

    def deliver(self, message: Message, deadline: Deadline) -> None:
        from cutover.notify.posting import post

        document: dict[str, Any] = {
            "routing_key": self.key(),
            "event_action": message.action,
            "dedup_key": message.incident or message.key,
        }
        if message.action == TRIGGER:
            document["payload"] = {
                "summary": message.title[:LONGEST_SUMMARY],
                "source": message.environment,
                "severity": WORDS[message.severity],
                "component": "cutover",
                "class": message.event,
                "custom_details": {
                    "run": message.run,
                    "key": message.key,
                    "told": "\n".join(message.body),
                    "next": message.next_command,
                },
            }
        post(self.url, json.dumps(document).encode(), {"Content-Type": "application/json"}, deadline)
