"""One environment's channels and rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cutover.notify.message import Channel, Message
from cutover.notify.outbox import Outbox
from cutover.notify.route import Route, channels_of
from cutover.notify.schedule import Level, Rhythm
from cutover.notify.texts import Texts

Due = tuple[str, str]
"""The key of a message, and the channel that it is for."""


@dataclass(frozen=True)
class Desk:
    """One environment's channels and rules, wired; `patience` and `give_up` as in Outbox, `flush` seconds at a process's end."""

    environment: str
    channels: Mapping[str, Channel] = field(default_factory=dict)
    routes: Sequence[Route] = ()
    levels: Sequence[Level] = ()
    rhythms: Sequence[Rhythm] = ()
    texts: Texts = field(default_factory=Texts)
    patience: float = 10.0
    give_up: float = 600.0
    flush: float = 5.0

    def outbox(self) -> Outbox:
        return Outbox(self.channels, patience=self.patience, give_up=self.give_up)

    def dues(self, message: Message) -> list[Due]:
        """Where the message has to go."""
        known = [name for name in channels_of(message, self.routes) if name in self.channels]
        return [(message.key, name) for name in known if self.channels[name].takes(message)]
