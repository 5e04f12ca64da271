"""Who is let in: links that work once, and the sessions that they begin."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from enum import StrEnum

from cutover.core.clock import Clock, SystemClock

TOKEN_LIFE, SESSION_LIFE, SESSION_IDLE = 600.0, 12 * 3600.0, 2 * 3600.0  # seconds
FAILURES, PAUSE = (
    5,
    60.0,
)  # after so many wrong tokens within so many seconds no other wrong one is looked at until the first is that old
MOST = 200  # open links, and sessions; past it the oldest one ends


class Role(StrEnum):
    """What a person may: whoever is let in may look."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"


@dataclass(frozen=True)
class Person:
    """Whom a link is for, as the journal names them, and what they may."""

    name: str
    roles: frozenset[Role]

    def may(self, role: Role) -> bool:
        return role is Role.VIEWER or role in self.roles


class NotLetIn(Exception):
    """The token is none, is too old, or was used before; it is not said which."""


class TooManyTries(Exception):
    """Whoever has no link is not heard before `seconds` are over."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"too many wrong tokens; the next one is looked at in {seconds:.0f} s")
        self.seconds = seconds


@dataclass(frozen=True)
class _Since:
    """A moment. A machine that slept has a monotonic clock that stood still, and a wall clock can be set back: the longer counts."""

    wall: float
    monotonic: float

    @classmethod
    def now(cls, clock: Clock) -> "_Since":
        return cls(clock.now(), clock.monotonic())

    def seconds(self, clock: Clock) -> float:
        return max(clock.now() - self.wall, clock.monotonic() - self.monotonic)


@dataclass(eq=False)
class Session:
    """One browser of one person; `token` is what its requests carry in a header, against requests that other pages make."""

    person: Person
    token: str = field(repr=False)
    began: _Since = field(repr=False)
    used: _Since = field(repr=False)
    ended: bool = False
    streams: int = 0
    """How many event streams it has open."""


class Sessions:
    """All links and sessions of one console, in memory; what opens the door is kept as its sha256. Used from one thread."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._links: dict[bytes, tuple[_Since, Person]] = {}
        self._sessions: dict[bytes, Session] = {}
        self._failures: list[_Since] = []

    def invite(self, person: Person) -> str:
        """A token of 256 bits that lets this person in once, within ten minutes."""
        token = secrets.token_urlsafe(32)
        self._links[_hashed(token)] = (_Since.now(self._clock), person)
        while len(self._links) > MOST:
            del self._links[next(iter(self._links))]
        return token

    def enter(self, token: str) -> tuple[str, Session]:
        """The cookie's value and the session that this token begins; raises NotLetIn or TooManyTries."""
        found = _found(token, self._links)
        since, person = self._links.pop(found) if found is not None else (None, None)
        if since is None or person is None or since.seconds(self._clock) > TOKEN_LIFE:
            self._may_try()  # nobody guesses 256 bits: only who has no link is slowed down, or anybody could lock all others out
            self._failures.append(_Since.now(self._clock))
            raise NotLetIn
        value, now = secrets.token_urlsafe(32), _Since.now(self._clock)
        session = Session(person, secrets.token_urlsafe(32), began=now, used=now)
        self._sessions[_hashed(value)] = session
        while len(self._sessions) > MOST:
            self.end(next(iter(self._sessions.values())))
        return value, session

    def _may_try(self) -> None:
        self._failures = [one for one in self._failures if one.seconds(self._clock) < PAUSE]
        if len(self._failures) >= FAILURES:
            raise TooManyTries(PAUSE - self._failures[0].seconds(self._clock))

    def find(self, value: str) -> Session | None:
        """The live session of a cookie."""
        found = _found(value, self._sessions)
        session = self._sessions[found] if found is not None else None
        return session if session is not None and self.alive(session) else None

    def alive(self, session: Session) -> bool:
        """Whether it goes on; one that was not used for two hours, or is twelve hours old, ends here."""
        if session.began.seconds(self._clock) > SESSION_LIFE or session.used.seconds(self._clock) > SESSION_IDLE:
            self.end(session)
        return not session.ended

    def used(self, session: Session) -> None:
        """Somebody did something with it. A stream that is open by itself is no such thing."""
        session.used = _Since.now(self._clock)

    def end(self, session: Session) -> None:
        """Logs out."""
        session.ended = True
        self._sessions = {key: one for key, one in self._sessions.items() if one is not session}


def _hashed(value: str) -> bytes:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()


def _found(value: str, known: "dict[bytes, tuple[_Since, Person]] | dict[bytes, Session]") -> bytes | None:
    """The key that the value hashes to, looked for in constant time."""
    wanted, found = _hashed(value), None
    for key in known:
        if hmac.compare_digest(key, wanted):
            found = key
    return found
