"""A webhook of the user's own: JSON, signed so that the receiver can tell that it is ours and unchanged."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cutover.core.clock import Deadline
from cutover.notify.message import Message

SCHEMA = "cutover.notice/1"


@dataclass(frozen=True)
class Webhook:
    """A URL that takes a JSON document (`cutover.notice/1`).

    With `secret` the header `Cutover-Signature: t=SECONDS,v1=HEX` says when it was sent and HMAC-SHA256(secret, "SECONDS." + body)
    in hexadecimal: a receiver computes the same, compares in constant time, and refuses what is older than a few minutes.
    `Idempotency-Key` is the message's key, the same however often it is sent.
    """

    url: Callable[[], str] = field(repr=False)
    secret: Callable[[], str] | None = field(default=None, repr=False)

    def takes(self, message: Message) -> bool:
        return True

    def deliver(self, message: Message, deadline: Deadline) -> None:
        from cutover.notify.posting import post

        body = json.dumps(document(message), sort_keys=True).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": message.key}
        if self.secret is not None:
            headers["Cutover-Signature"] = signature(self.secret(), body, int(time.time()))
        post(self.url(), body, headers, deadline)


def document(message: Message) -> dict[str, Any]:
    """The message as data."""
    return {
        "schema": SCHEMA,
        "key": message.key,
        "environment": message.environment,
        "run": message.run,
        "event": message.event,
        "severity": message.severity.word,
        "title": message.title,
        "body": list(message.body),
        "users": message.users,
        "next_command": message.next_command,
        "at": message.at,
        "incident": message.incident,
        "action": message.action,
    }


def signature(secret: str, body: bytes, at: int) -> str:
    """The value of `Cutover-Signature` for a body that is sent at `at`, seconds since the epoch."""
    made = hmac.new(secret.encode(), str(at).encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={made}"
