"""One way to AWS: explicit timeouts, one send per attempt, a turn for each call, our own visible retries, one account, no writes in a dry-run."""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from cutover.aws.bucket import Buckets, Rate
from cutover.aws.reading import WriteRefused, is_read, refuse_writes
from cutover.aws.trouble import AwsError, OutcomeUnknown, Trouble, no_answer, one_line, refusal
from cutover.core.clock import Clock, Deadline, SystemClock
from cutover.core.errors import Refused
from cutover.core.telling import say, tried_again

__all__ = [
    "CONNECT_SECONDS",
    "OBSERVE_SECONDS",
    "READ_SECONDS",
    "Aws",
    "AwsError",
    "OtherAccount",
    "OutcomeUnknown",
    "WriteRefused",
    "is_read",
]

OBSERVE_SECONDS = 5.0
CONNECT_SECONDS = 3.0
READ_SECONDS = (1.0, 5.0, 15.0)  # one client each; the longest that fits into what is left of a deadline is used
CONNECTIONS = 32  # kept open by one client; more threads than these would connect anew for every call
PROFILE_SECONDS = 1.0  # for so long a profile that is not there is not looked for again
USER_AGENT = "cutover"  # by which CloudTrail tells our calls
COUNTDOWN_SECONDS = 0.5  # a wait says how long it still is this often; shown is one of them every two seconds


class OtherAccount(Refused):
    """The credentials belong to another account than the environment names; nothing was written."""


@dataclass
class _Clients:
    lock: threading.Lock = field(default_factory=threading.Lock)
    session: Any = None
    no_profile: tuple[str, float] = ("", float("-inf"))  # its name, and until when it is not looked for again
    made: dict[tuple[str, float], Any] = field(default_factory=dict)
    proven: bool = False


@dataclass(frozen=True)
class Aws:
    """An account seen from one region; opens nothing before the first call, and may be used from several threads.

    `account` is the number that the credentials must belong to before anything is written. `rates` bounds how often an API is
    asked, without it nothing does. Time is the deadlines' own, or `clock` where that is given.

    `may_write` is asked when a write is signed and about to be sent, and raises when it must not be: whoever was stopped for
    long before that asks again, and a signature that grows old after it is refused by AWS (Signature Version 4, 5 minutes).
    `token` is the fencing token of that lease, shown where AWS compares; 0, or none given, asks nobody.
    """

    region: str
    profile: str | None = None
    read_only: bool = False
    account: str | None = field(default=None, kw_only=True)
    rates: Mapping[str, Rate] = field(default_factory=dict, kw_only=True, repr=False, compare=False)
    clock: Clock | None = field(default=None, kw_only=True, repr=False, compare=False)
    may_write: Callable[[], None] | None = field(default=None, kw_only=True, repr=False, compare=False)
    token: Callable[[], int] | None = field(default=None, kw_only=True, repr=False, compare=False)
    claimed: set[tuple[str, ...]] = field(default_factory=set, init=False, repr=False, compare=False)
    """Where the token has been shown by this process."""
    _clients: _Clients = field(default_factory=_Clients, init=False, repr=False, compare=False)
    _buckets: list[Buckets] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._buckets.append(Buckets(self.rates))

    def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
        """One operation by its API name, sent again after throttling (a read also after any other passing trouble) until `deadline`.

        Raises AwsError, OutcomeUnknown for a write whose answer was lost, WriteRefused on a read-only session, OtherAccount
        before the first write with credentials of another account.
        """
        if self.clock is not None:
            deadline = Deadline.after(deadline.remaining(), self.clock)
        reading = is_read(service, operation)
        if not reading and not self.read_only:
            self.prove_account(deadline)
        pauses, attempt = _pauses(), 1
        trouble: Trouble | None = None
        while True:
            if not self._has_turn(service, operation, deadline):
                raise trouble.error(reading=reading) if trouble else _no_turn(service, operation)
            found = self._send(service, operation, deadline, parameters)
            if not isinstance(found, Trouble):
                return found
            trouble = found
            if trouble.throttled:
                self._buckets[0].empty(service, operation, deadline.clock)
            if deadline.expired or not trouble.passes_for(reading=reading):
                raise trouble.error(reading=reading)
            attempt += 1
            tried_again(trouble.what, f"{trouble.code}: {trouble.text}")
            _wait(max(next(pauses), trouble.patience), f"{trouble}; attempt {attempt}", deadline)

    def pages(
        self, service: str, operation: str, deadline: Deadline, result: str, **parameters: Any
    ) -> Iterator[dict[str, Any]]:
        """The items of `result` over all pages of an operation that pages by Marker."""
        marker: dict[str, Any] = {}
        while True:
            page = self.call(service, operation, deadline, **parameters, **marker)
            yield from page[result]
            if not page.get("NextMarker"):
                return
            marker = {"Marker": page["NextMarker"]}

    def client(self, service: str, read_seconds: float = READ_SECONDS[-1]) -> Any:
        """The boto3 client of a service, made once; it never retries by itself."""
        with self._clients.lock:  # boto3 sessions are not thread-safe, clients are
            key = (service, read_seconds)
            if key not in self._clients.made:
                self._clients.made[key] = self._make(service, read_seconds)
            return self._clients.made[key]

    def prove_account(self, deadline: Deadline) -> None:
        """Asks once whose credentials these are; raises OtherAccount unless it is `account`, AwsError when AWS does not say."""
        if self.account is None or self._clients.proven:
            return
        whose = str(self.call("sts", "GetCallerIdentity", deadline)["Account"])
        if whose != self.account:
            raise OtherAccount(
                f"the AWS credentials belong to account {whose}, the environment names {self.account}; nothing was touched. "
                "Log in to that account, or correct aws.profile or aws.account in the environment file",
                next_command=f"{self.shell()} sts get-caller-identity",
            )
        self._clients.proven = True

    def shell(self) -> str:
        """The aws command with this region and profile, quoted."""
        import shlex

        profile = f" --profile {shlex.quote(self.profile)}" if self.profile else ""
        return f"aws --region {shlex.quote(self.region)}{profile}"

    def _has_turn(self, service: str, operation: str, deadline: Deadline) -> bool:
        """Waits until the call may be sent; False when that is not before the deadline."""
        buckets = self._buckets[0]
        while (wait := buckets.take(service, operation, deadline.clock)) > 0:
            if deadline.expired:
                return False
            often = f"{buckets.slowest(service, operation):g} a second (aws.rates)"
            _wait(wait, f"{service} {operation} waits for its turn, {often}", deadline)
        return True

    def _send(
        self, service: str, operation: str, deadline: Deadline, parameters: dict[str, Any]
    ) -> dict[str, Any] | Trouble:
        """The answer, or what came instead of one."""
        import botocore.exceptions
        import botocore.parsers
        from botocore import xform_name

        left = deadline.remaining()
        fitting = max((seconds for seconds in READ_SECONDS if seconds <= left), default=READ_SECONDS[0])
        try:
            answer: dict[str, Any] = getattr(self.client(service, fitting), xform_name(operation))(**parameters)
            return answer
        except botocore.exceptions.ClientError as error:
            return refusal(service, operation, error)
        except botocore.exceptions.ParamValidationError:
            raise  # a defect of ours, not of the connection
        except botocore.exceptions.BotoCoreError as error:
            return no_answer(service, operation, error)
        except botocore.parsers.ResponseParserError as error:
            return Trouble(OutcomeUnknown, "ResponseParserError", one_line(error), f"{service} {operation}")

    def _ask_before_write(self, service: str, event_name: str, **_: Any) -> None:
        # The event's own name of the service is another one than boto3's: elastic-load-balancing-v2, route-53.
        operation = event_name.rpartition(".")[2]
        if self.may_write is not None and not is_read(service, operation):
            self.may_write()

    def _make(self, service: str, read_seconds: float) -> Any:
        from botocore.config import Config

        if self._clients.session is None:
            session = self._session()
            if self.read_only:
                session.events.register("before-parameter-build", refuse_writes)
            self._clients.session = session
        config = Config(
            connect_timeout=min(CONNECT_SECONDS, read_seconds),
            read_timeout=read_seconds,
            retries={"total_max_attempts": 1},
            user_agent_extra=USER_AGENT,
            max_pool_connections=CONNECTIONS,
        )
        client = self._clients.session.client(service, config=config)
        if self.may_write is not None:
            client.meta.events.register("before-send", partial(self._ask_before_write, service))
        return client

    def _session(self) -> Any:
        """Raises ProfileNotFound."""
        import boto3
        from botocore.exceptions import ProfileNotFound

        clock = self.clock or SystemClock()
        name, until = self._clients.no_profile
        if clock.monotonic() < until:
            raise ProfileNotFound(profile=name)
        try:
            return boto3.Session(region_name=self.region, profile_name=self.profile)
        except ProfileNotFound as error:
            # A plan asks once for each step, and looking takes as long as the rest of it; who adds the profile meanwhile is seen.
            self._clients.no_profile = str(error.kwargs["profile"]), clock.monotonic() + PROFILE_SECONDS
            raise


def _no_turn(service: str, operation: str) -> AwsError:
    return AwsError(f"{service} {operation} was not sent: its turn (aws.rates) did not come in time", "NoTurn")


def _wait(seconds: float, why: str, deadline: Deadline) -> None:
    """Waits, but not beyond the deadline, and counts down aloud; raises what ends the wait."""
    end = deadline.within(seconds)
    while True:
        say(f"{why} in {end.remaining():.1f} s; {deadline.remaining():.0f} s left to try again")
        end.clock.sleep(min(COUNTDOWN_SECONDS, end.remaining()))
        if end.expired:
            return


def _pauses() -> Iterator[float]:
    ceiling = 0.1
    while True:
        yield random.uniform(ceiling / 2, ceiling)
        ceiling = min(ceiling * 2, 5.0)
