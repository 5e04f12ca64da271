"""What people are told: one message, whatever channel carries it, and what a channel is."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError


class Severity(IntEnum):
    """How urgent a message is; channels are chosen by it."""

    DETAIL = 0
    INFO = 1
    WARNING = 2
    CRITICAL = 3

    @property
    def word(self) -> str:
        return self.name.lower()


TRIGGER, ACKNOWLEDGE, RESOLVE = "trigger", "acknowledge", "resolve"


@dataclass(frozen=True, kw_only=True)
class Message:
    """One thing to be told; `at` is seconds since the epoch.

    `key` is the same however often the message is sent: a receiver tells a repeated one by it. `incident` is the key of the
    message that opened the trouble which this one belongs to, and `action` what it does to that: trigger, acknowledge, resolve.
    """

    key: str
    environment: str
    run: str
    event: str
    severity: Severity
    title: str
    at: float
    body: tuple[str, ...] = ()
    users: str = ""
    """What users may be told, ready to be pasted."""
    next_command: str = ""
    incident: str = ""
    action: str = ""
    to: tuple[str, ...] | None = None
    """The channels that it is for; None leaves that to the routes."""

    def text(self) -> str:
        """The whole message as plain text, without its title."""
        parts = list(self.body)
        parts += [f"Next: {self.next_command}"] if self.next_command else []
        parts += [f"For users: {self.users}"] if self.users else []
        return "\n".join([*parts, f"({self.key})"])


class NotDelivered(CutoverError):
    """A message did not arrive, or nobody knows; `again` is whether to send it again, after `pause` seconds at least."""

    def __init__(self, message: str, *, again: bool = True, pause: float = 0.0) -> None:
        super().__init__(message)
        self.again, self.pause = again, pause


class Channel(Protocol):
    """A way to people."""

    def takes(self, message: Message) -> bool:
        """Whether the channel has a form for the message; one that it has none for counts as delivered."""

    def deliver(self, message: Message, deadline: Deadline) -> None:
        """Sends it, once; returns when the other side has accepted it. Raises NotDelivered, or ConfigurationRefused."""
