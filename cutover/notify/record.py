"""What the journal says about telling: which messages there are, and what came of them on each channel."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cutover.core.journal import Entry
from cutover.notify.desk import Desk, Due
from cutover.notify.message import Message
from cutover.notify.story import Story

CHANNELS, NOTIFIED, FAILED = "notify-channels", "notified", "notify-failed"
OURS = (CHANNELS, NOTIFIED, FAILED)


@dataclass
class Record:
    """What the entries of one run say: the messages, and what came of them on each channel."""

    desk: Desk
    run: str
    story: Story = field(init=False)
    messages: dict[str, Message] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    """For each channel the entry from which on it is told: one that was named late does not hear of what was long before."""
    done: set[Due] = field(default_factory=set)
    given_up: dict[Due, str] = field(default_factory=dict)
    _at: dict[str, int] = field(default_factory=dict)
    _leg_at: int = 0

    def __post_init__(self) -> None:
        self.story = Story(self.desk.environment, self.run, self.desk.texts)

    def read(self, entry: Entry) -> Message | None:
        """Takes up the next entry; returns the message that people get of it."""
        if entry.kind in OURS:
            self._read_ours(entry)
            return None
        if entry.kind in ("leg-started", "leg-resumed"):
            self._leg_at = entry.seq
        message = self.story.tell(entry)
        if message is not None:
            self.add(message, entry.seq)
        return message

    def add(self, message: Message, at: int | None = None) -> bool:
        """A message that follows from the entries so far, or from time; False when it was known."""
        if message.key in self.messages:
            return False
        self.messages[message.key] = message
        self._at[message.key] = self._leg_at if at is None else at
        return True

    def _read_ours(self, entry: Entry) -> None:
        for name in entry.data.get("channels", ()):
            self.since.setdefault(str(name), self._leg_at)
        for one in entry.data.get("delivered", ()):
            self.done.add((str(one["key"]), str(one["channel"])))
        for one in entry.data.get("given_up", ()):
            self.given_up[str(one["key"]), str(one["channel"])] = str(one["error"])

    def unnamed(self) -> list[str]:
        """The channels that the record does not name yet."""
        return [name for name in self.desk.channels if name not in self.since]

    def due(self) -> list[tuple[Message, str]]:
        """What has to be sent, oldest first; a channel that is named late hears of what comes from now on."""
        found = [one for message in self.messages.values() for one in self.due_of(message)]
        return [(message, channel) for message, channel in found if channel in self.since or not self.since]

    def due_of(self, message: Message) -> list[tuple[Message, str]]:
        """Where the message still has to go."""
        return [
            (message, channel)
            for key, channel in self.desk.dues(message)
            if self._at[key] >= self.since.get(channel, self._leg_at)
            and (key, channel) not in self.done
            and (key, channel) not in self.given_up
        ]


def recorded(desk: Desk, run: str, entries: Sequence[Entry]) -> Record:
    """What these entries of one run say about telling."""
    record = Record(desk, run)
    for entry in entries:
        record.read(entry)
    return record


def undelivered(desk: Desk, run: str, entries: Sequence[Entry]) -> dict[str, Any]:
    """For `status`: what is still due by channel, and what was given up, with the reason."""
    record = recorded(desk, run, entries)
    waiting: dict[str, int] = {}
    for _, channel in record.due():
        waiting[channel] = waiting.get(channel, 0) + 1
    lost = [
        {
            "key": key,
            "channel": channel,
            "error": error,
            "title": record.messages[key].title if key in record.messages else "",
        }
        for (key, channel), error in record.given_up.items()
    ]
    incident = record.story.incident
    return {"due": waiting, "given_up": lost, "incident": incident.key if incident is not None else None}
