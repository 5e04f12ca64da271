"""The sending itself: one thread and one bounded queue for each channel, so that a dead one holds up nobody."""

import queue
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.telling import heard
from cutover.notify.message import Channel, Message, NotDelivered

MOST_WAITING = 200  # messages of one channel; what finds no room stays due, and is offered again
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0


@dataclass(frozen=True)
class Sent:
    """What came of one message on one channel; `error` is empty when it was delivered, else it was given up."""

    key: str
    channel: str
    tries: int
    seconds: float
    error: str = ""


@dataclass
class Outbox:
    """Sends from threads of its own; nothing of it ever waits for the caller, or makes the caller wait but in `close`.

    One try takes `patience` seconds at most; a message that nobody took `give_up` seconds after it was put is given up.
    """

    channels: Mapping[str, Channel]
    patience: float = 10.0
    give_up: float = 600.0
    _lanes: dict[str, "_Lane"] = field(default_factory=dict, init=False, repr=False)
    _sent: "queue.SimpleQueue[Sent]" = field(default_factory=queue.SimpleQueue, init=False, repr=False)

    def put(self, message: Message, channel: str) -> bool:
        """Queues the message; False where the queue is full."""
        if channel not in self._lanes:
            self._lanes[channel] = _Lane(channel, self.channels[channel], self.patience, self.give_up, self._sent)
        return self._lanes[channel].put(message)

    def results(self) -> list[Sent]:
        """What came of messages since the last time this was asked."""
        found: list[Sent] = []
        while True:
            try:
                found.append(self._sent.get_nowait())
            except queue.Empty:
                return found

    def failing(self) -> dict[str, str]:
        """The channels whose last try failed, and why."""
        return {name: lane.error for name, lane in self._lanes.items() if lane.error}

    def close(self, seconds: float) -> None:
        """Lets what is queued go out for `seconds` at most, then ends; what was not sent is not known to be sent."""
        end = time.monotonic() + seconds
        for lane in self._lanes.values():
            lane.last()
        for lane in self._lanes.values():
            lane.join(max(0.0, end - time.monotonic()))
        for lane in self._lanes.values():
            lane.stop.set()


class _Lane:
    """One channel's queue and the thread that empties it."""

    def __init__(
        self, name: str, channel: Channel, patience: float, give_up: float, sent: "queue.SimpleQueue[Sent]"
    ) -> None:
        self.stop = threading.Event()
        self.error = ""
        self._name, self._channel, self._patience, self._give_up = name, channel, patience, give_up
        self._sent = sent
        self._waiting: queue.Queue[tuple[Message, float] | None] = queue.Queue(MOST_WAITING + 1)
        # Nothing may wait for an endpoint when the program ends: what it still holds is sent again by the next one.
        self._thread = threading.Thread(target=self._work, name=f"notify-{name}", daemon=True)
        self._thread.start()

    def put(self, message: Message) -> bool:
        if self._waiting.qsize() >= MOST_WAITING:
            return False
        self._waiting.put_nowait((message, time.monotonic()))
        return True

    def last(self) -> None:
        with suppress(queue.Full):  # it was said before
            self._waiting.put_nowait(None)

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def _work(self) -> None:
        with heard(_unheard):
            while not self.stop.is_set():
                found = self._waiting.get()
                if found is None:
                    return
                self._send(*found)

    def _send(self, message: Message, put_at: float) -> None:
        tries, pause = 0, FIRST_PAUSE
        while not self.stop.is_set():
            tries += 1
            wait, again = 0.0, True
            try:
                self._channel.deliver(message, Deadline.after(self._patience))
                self.error = ""
            except NotDelivered as error:
                self.error, wait, again = error.message, error.pause, error.again
            except CutoverError as error:
                self.error = error.message
            except Exception as error:  # noqa: BLE001 - any technology's: its text may hold the secret, so only its name is told
                self.error = f"failed with {type(error).__name__}"
            late = time.monotonic() - put_at
            wait = max(wait, pause)
            if not self.error or not again or late + wait > self._give_up:
                self._sent.put(Sent(message.key, self._name, tries, round(late, 3), self.error))
                return
            self.stop.wait(wait)
            pause = min(pause * 2, LONGEST_PAUSE)


def _unheard(_: str) -> None:
    """What a call says while it waits is nothing that the run waits for."""
