"""Who is told of a run, and the record of it: an outbox derived from the journal, in which nothing about telling ever holds up a step.

What is due follows from the entries: each one that deserves a message and has, for each channel of its routes, neither a
`notified` nor a `notify-failed` entry. It is sent from threads of its own. What came of it is written down by the walking
thread, under the lease, between two steps, and never from a window's first step to its last. Killed anywhere, the next
process finds the same messages due and sends them again under the same keys.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from cutover.core.clock import Clock, SystemClock
from cutover.core.journal import Journal, Position, State
from cutover.core.plan import Plan
from cutover.core.telling import heard, noted
from cutover.core.watch import Event, Listener
from cutover.notify.announced import Announcement, hear, plan, unheard
from cutover.notify.desk import Desk
from cutover.notify.message import ACKNOWLEDGE, RESOLVE, TRIGGER, Message, Severity
from cutover.notify.outbox import Outbox, Sent
from cutover.notify.quiet import Quiet
from cutover.notify.record import CHANNELS, FAILED, NOTIFIED, Record, recorded, undelivered
from cutover.notify.schedule import escalations, update, update_due

ACKNOWLEDGED = "acknowledged"
EVERY = 2.0  # seconds between two looks at what time has made due, while something is waited for


class Notices:
    """Tells people of one run; everything but the sending happens in the thread that walks."""

    def __init__(self, desk: Desk, journal: Journal, plan: Plan, *, clock: Clock | None = None) -> None:
        self.outbox = desk.outbox()
        self._desk, self._journal, self._plan = desk, journal, plan
        self._clock = clock or SystemClock()
        self._told = Record(desk, journal.run)
        self._quiet = Quiet(plan)
        self._commit = frozenset(step.name for step in plan.switching_steps()[:1])
        self._read = 0
        self._due: list[tuple[Message, str]] = []
        self._looked = float("-inf")
        self._catch_up()
        # Of these an earlier process may have sent some, and did not live to write it down.
        self._due = self._told.due()

    def listening(self, listen: Listener) -> Listener:
        """`listen`, and after it people are told."""

        def both(event: Event) -> None:
            try:
                listen(event)
            finally:  # a closed terminal is no reason to tell nobody
                self.heard(event)

        return both

    def heard(self, event: Event) -> None:
        """Takes up what was recorded, and writes down what came of the messages where that holds up nobody."""
        # Said while the store is asked: it may be in the middle of an append.
        aside = event.kind == "looking" and event.data.get("item") == "meanwhile"
        try:
            self._catch_up()
            self._offer()
            if not aside:
                self._by_the_clock(event)
                self._write_down()
        except Exception:  # noqa: BLE001 - whatever is wrong with telling, the run goes on; what was not told stays due
            return

    def close(self) -> None:
        """Lets out what is due for `flush` seconds at most, and writes down what came of it; the run has ended by then."""
        with suppress(Exception):  # what the run came to stays as it is
            self._catch_up()
            self._offer()
        self.outbox.close(self._desk.flush)
        with suppress(Exception):
            self._write_down(over=True)

    def _catch_up(self) -> None:
        entries = self._journal.entries()
        for entry in entries[self._read :]:
            message = self._told.read(entry)
            self._quiet.read(entry.kind, entry.data)
            if message is not None:
                self._due += self._told.due_of(message)
        self._read = len(entries)

    def _offer(self) -> None:
        self._due = [(message, channel) for message, channel in self._due if not self.outbox.put(message, channel)]

    def _by_the_clock(self, event: Event) -> None:
        now = self._clock.monotonic()
        if event.kind != "looking" or self._quiet.now or now - self._looked < EVERY:
            return
        self._looked = now
        with heard(_unheard), noted(_unnoted):
            wishes = self._journal.wishes() if self._told.story.incident is not None else ()
        position = self._journal.position()
        for message in by_the_clock(self._told, position, self._commit, wishes, self._clock.now()):
            if self._told.add(message):
                self._due += self._told.due_of(message)
        self._offer()

    def _write_down(self, *, over: bool = False) -> None:
        if self._quiet.now and not over:
            return
        if self._read and (unnamed := self._told.unnamed()):
            self._append(CHANNELS, channels=unnamed)
        sent = self.outbox.results()
        delivered = [_plain(one) for one in sent if not one.error]
        given_up = [_plain(one) for one in sent if one.error]
        if delivered:
            self._append(NOTIFIED, delivered=delivered)
        if given_up:
            self._append(FAILED, given_up=given_up)

    def _append(self, kind: str, **data: Any) -> None:
        # Whoever listens to this append must not end it half-way, nor write down in the middle of it what it tries again.
        with heard(_unheard), noted(_unnoted):
            self._journal.append(kind, **data)
        self._catch_up()


def by_the_clock(
    record: Record,
    position: Position,
    commit: frozenset[str],
    wishes: Sequence[tuple[str, Mapping[str, Any]]],
    now: float,
) -> list[Message]:
    """What time has made due: escalation of an incident that nobody took on, and the newest update after the switch."""
    story, desk = record.story, record.desk
    found: list[Message] = []
    if story.incident is not None and not story.taken_on and not _acknowledged(wishes, story.incident.key):
        found += escalations(story.incident, desk.levels, now, desk.texts)
    switched = [position.converged_at[name] for name in commit if name in position.done]
    moment = update_due(max(switched), desk.rhythms, now) if switched else None
    if moment is not None:
        seen = [f"{gate}: {said}" for gate, said in story.seen.items()]
        standing = [f"phase {story.phase}" if story.phase else "between two phases", *seen[-5:]]
        found.append(update(desk.environment, record.run, max(switched), moment, standing, desk.texts))
    return found


def told_late(desk: Desk, journal: Journal, plan: Plan) -> dict[str, Any]:
    """Sends what is still due of a run that nobody walks, and what time has made due; returns what is left, as `undelivered` does."""
    notices = Notices(desk, journal, plan)
    notices.heard(Event("looking", {"item": "telling"}))
    notices.close()
    return undelivered(desk, journal.run, journal.entries())


def acknowledged(desk: Desk, state: State, who: str, *, write: bool = True) -> Message | None:
    """Says that `who` takes on the newest run's open incident; the message of it, None when nothing critical is open."""
    entries = state.entries()
    run = entries[-1].run if entries else ""
    incident = recorded(desk, run, [entry for entry in entries if entry.run == run]).story.incident
    if incident is None:
        return None
    now = time.time()
    if write:
        state.wish(run, ACKNOWLEDGED, {"who": who, "at": now, "incident": incident.key})
    values = {"environment": desk.environment, "run": run, "who": who}
    return Message(
        key=f"{incident.key}/acknowledged",
        environment=desk.environment,
        run=run,
        event="acknowledged",
        severity=Severity.CRITICAL,  # whoever was woken by it hears that it is taken on
        title=desk.texts.fill("acknowledged", values),
        at=now,
        incident=incident.key,
        action=ACKNOWLEDGE,
    )


def tried(desk: Desk, message: Message, *, routed: bool = False) -> dict[str, str]:
    """One try of the message on every channel (or on those of its routes) at the same time: the error of each, empty when it arrived."""
    outbox = Outbox(desk.channels, patience=desk.patience, give_up=0.0)
    names = [channel for _, channel in desk.dues(message)] if routed else list(desk.channels)
    for name in names:
        for action in [message.action] if desk.channels[name].takes(message) else [TRIGGER, RESOLVE]:
            # A channel that takes nothing but incidents is tried by one, which is over at once.
            outbox.put(replace(message, action=action), name)
    outbox.close(desk.patience * 2 + 1.0)
    errors: dict[str, list[str]] = {}
    for one in outbox.results():
        errors.setdefault(one.channel, []).append(one.error)
    return {name: max(errors.get(name) or [f"no answer within {desk.patience:g} s"]) for name in names}


def announce(desk: Desk, state: State, announcement: Announcement) -> dict[str, str]:
    """One try of an announcement on every channel that wants it and has not taken it; the error of each, empty when it arrived.

    It is kept before it is sent, and who has taken it when that is known: killed anywhere, it is sent again under its key.
    """
    announcement = plan(state, announcement)
    left = unheard(state, desk, announcement)
    found = tried(desk, replace(announcement.message(desk), to=tuple(left)), routed=True) if left else {}
    hear(state, announcement, [name for name, error in found.items() if not error])
    return found


def _acknowledged(wishes: Sequence[tuple[str, Mapping[str, Any]]], incident: str) -> bool:
    return any(kind == ACKNOWLEDGED and data.get("incident") == incident for kind, data in wishes)


def _plain(one: Sent) -> dict[str, Any]:
    found = {"key": one.key, "channel": one.channel, "tries": one.tries, "seconds": one.seconds}
    return {**found, "error": one.error} if one.error else found


def _unheard(_: str) -> None:
    """What an append about telling waits for is shown to nobody."""


def _unnoted(call: str, why: str) -> None:
    """And written down nowhere."""
