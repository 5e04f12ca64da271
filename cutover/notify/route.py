"""Which channels a message goes to."""

from collections.abc import Sequence
from dataclasses import dataclass

from cutover.notify.message import RESOLVE, Message, Severity


@dataclass(frozen=True)
class Route:
    """Messages of `least` and above (None: of no severity by itself), and those of the named `events`, go to these channels."""

    to: tuple[str, ...]
    least: Severity | None = Severity.INFO
    events: tuple[str, ...] = ()

    def takes(self, message: Message) -> bool:
        urgent = self.least is not None and message.severity >= self.least
        # Who was told of a trouble hears of its end.
        ended = self.least is not None and message.action == RESOLVE
        return urgent or ended or message.event in self.events


def channels_of(message: Message, routes: Sequence[Route]) -> tuple[str, ...]:
    """The names of the channels, each once, in the order of the routes."""
    if message.to is not None:
        return message.to
    return tuple(dict.fromkeys(name for route in routes if route.takes(message) for name in route.to))
