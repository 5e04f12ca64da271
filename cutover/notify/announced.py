"""Maintenance that is planned: what was announced for when, and who has heard of it, kept where the journal is."""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from cutover.core.errors import ConfigurationRefused
from cutover.core.journal import State
from cutover.notify.desk import Desk
from cutover.notify.message import Message, Severity

ANNOUNCED = "announced"
"""The wishes under this word are announcements and who has heard of them: they belong to no run, and need no lease."""
PLANNED, HEARD = "planned", "heard"
FARTHEST = 366 * 86_400.0
_MOMENT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[ T]([0-9]{2}):([0-9]{2})(?::00)? ?(UTC|Z|[+-][0-9]{2}:?[0-9]{2})?", re.ASCII
)
_EXAMPLE = '"2026-12-01 02:00 UTC" or "2026-12-01 02:00 +01:00"'


@dataclass(frozen=True)
class Announcement:
    """Maintenance at `when`, announced `at` (both seconds since the epoch) by `who`."""

    environment: str
    when: float
    who: str
    at: float

    @property
    def key(self) -> str:
        """The same however often it is sent: whoever has heard of it does not hear of it again."""
        return f"{self.environment}/announced/{time.strftime('%Y%m%dT%H%MZ', time.gmtime(self.when))}/{self.at:.3f}"

    @property
    def moment(self) -> str:
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.when))

    def message(self, desk: Desk) -> Message:
        """What people are told, with the text for users."""
        values = {"environment": self.environment, "when": self.moment, "who": self.who}
        return Message(
            key=self.key,
            environment=self.environment,
            run="",
            event="announced",
            severity=Severity.INFO,
            title=desk.texts.fill("announced", values),
            at=self.at,
            body=(f"announced by {self.who}",),
            users=desk.texts.fill("users-announced", values),
            next_command=f"invoke preflight --env {self.environment}",
        )


def moment(written: str, now: float) -> float:
    """The time in seconds since the epoch; raises ConfigurationRefused for what is no time, has no zone or is not to come."""
    found = _MOMENT.fullmatch(written.strip())
    if found is None:
        raise ConfigurationRefused([f"--when cannot be read as a date and time: write {_EXAMPLE}"])
    if found[6] is None:
        raise ConfigurationRefused([f"--when has no time zone: write {_EXAMPLE}"])
    try:
        year, month, day, hour, minute = (int(part) for part in found.groups()[:5])
        when = datetime(year, month, day, hour, minute, tzinfo=_zone(found[6])).timestamp()
    except ValueError as error:
        raise ConfigurationRefused([f"--when is no time that there is: {error}"]) from None
    shown = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(when))
    if when <= now:
        raise ConfigurationRefused([f"--when lies in the past: {shown}"])
    if when > now + FARTHEST:
        raise ConfigurationRefused([f"--when is more than a year ahead: {shown}"])
    return when


def announced(state: State, environment: str) -> list[Announcement]:
    """Every announcement, oldest first; a time that was announced again right after itself stands once."""
    found: list[Announcement] = []
    for kind, data in state.wishes(ANNOUNCED):
        if kind == PLANNED:
            one = Announcement(environment, float(data["when"]), str(data["who"]), float(data["at"]))
            if not found or found[-1].when != one.when:
                found.append(one)
    return found


def unheard(state: State, desk: Desk, announcement: Announcement) -> list[str]:
    """The channels that want it, and have not taken it yet."""
    heard = {
        str(data["channel"])
        for kind, data in state.wishes(ANNOUNCED)
        if kind == HEARD and data["key"] == announcement.key
    }
    return [name for _, name in desk.dues(announcement.message(desk)) if name not in heard]


def plan(state: State, announcement: Announcement) -> Announcement:
    """Keeps the announcement before anything of it is sent; the one that stands already where its time is the newest one."""
    last = announced(state, announcement.environment)[-1:]
    if last and last[0].when == announcement.when:
        return last[0]
    told = {"when": announcement.when, "who": announcement.who, "at": announcement.at}
    state.wish(ANNOUNCED, PLANNED, told)
    return announcement


def hear(state: State, announcement: Announcement, channels: Iterable[str]) -> None:
    """Keeps which channels have taken it; who is killed before sends again, under the same key."""
    for name in channels:
        state.wish(ANNOUNCED, HEARD, {"key": announcement.key, "channel": name, "at": time.time()})


def _zone(written: str) -> timezone:
    if written in ("UTC", "Z"):
        return UTC
    hours, minutes = int(written[1:3]), int(written[-2:])
    if hours > 14 or minutes > 59:
        raise ValueError("its zone is none")
    return timezone((1 if written[0] == "+" else -1) * timedelta(hours=hours, minutes=minutes))
