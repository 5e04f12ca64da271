"""How often AWS may be asked: a token bucket for each API, so that we are not the ones who use up the account's share of it."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from cutover.core.clock import Clock
from cutover.core.errors import ConfigurationRefused


@dataclass(frozen=True)
class Rate:
    """Calls per second in the long run, and how many may be sent at once after a quiet while."""

    per_second: float
    burst: float

    @classmethod
    def of(cls, per_second: float) -> "Rate":
        """A rate whose burst is what one second allows, and one call at least."""
        return cls(per_second, max(1.0, per_second))


# By service, or service:Operation. Where AWS publishes a limit of the account this is below it, because deployments and
# consoles ask there too: Route 53 guide, "Throttling API requests" (50 at once, 10 a second; 5 a second on older pages); Elastic
# Load Balancing user guide, "Request throttling" (40 at once); Lambda (15 a second), CloudWatch, Systems Manager and Secrets
# Manager quotas. The others publish none. ELB has its whole burst: a maintenance page in the window must not wait for turns.
DEFAULT_RATES: Mapping[str, Rate] = {
    "application-autoscaling": Rate(5, 10),
    "autoscaling": Rate(5, 10),
    "cloudformation": Rate(2, 10),
    "cloudfront": Rate(2, 10),
    "cloudwatch": Rate(20, 20),
    "ecs": Rate(5, 20),
    "elbv2": Rate(10, 40),
    "events": Rate(2, 5),
    "iam": Rate(5, 5),
    "lambda": Rate(7, 7),
    "logs": Rate(2, 5),
    "rds": Rate(5, 10),
    "route53": Rate(5, 10),
    "s3": Rate(100, 200),
    "secretsmanager": Rate(50, 50),
    "sns": Rate(10, 10),
    "ssm": Rate(20, 20),
    "sts": Rate(10, 10),
}


def rates_of(written: Mapping[str, float], defaults: Mapping[str, Rate]) -> dict[str, Rate]:
    """The defaults with what an environment says instead; raises ConfigurationRefused for an operation that no API has."""
    import difflib

    import botocore.session

    problems = []
    for key in written:
        service, _, operation = key.partition(":")
        known = botocore.session.get_session().get_service_model(service).operation_names if operation else []
        if operation and operation not in known:
            near = difflib.get_close_matches(operation, known, n=1)
            problems.append(f"aws.rates: {key}: no such operation" + (f"; did you mean {near[0]}?" if near else ""))
    if problems:
        raise ConfigurationRefused(problems)
    return {**defaults, **{key: Rate.of(value) for key, value in written.items()}}


@dataclass
class _Bucket:
    rate: Rate
    tokens: float
    at: float

    def filled(self, now: float) -> float:
        """The tokens of now; never more than the burst."""
        self.tokens = min(self.rate.burst, self.tokens + max(0.0, now - self.at) * self.rate.per_second)
        self.at = now
        return self.tokens


@dataclass
class Buckets:
    """The buckets of one account, shared by all threads; `rates` by service or service:Operation, none is unlimited."""

    rates: Mapping[str, Rate] = field(default_factory=dict)
    _kept: dict[str, _Bucket] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, service: str, operation: str, clock: Clock) -> float:
        """Takes a token and returns 0, or returns the seconds after which to ask again, and takes none."""
        now = clock.monotonic()
        with self._lock:
            found = self._of(service, operation, now)
            # A hair under one whole token is one: the time that was waited for it is a float, too.
            wait = max(
                (max(0.0, 1.0 - 1e-6 - one.filled(now)) / one.rate.per_second for one in found),
                default=0.0,
            )
            if wait == 0.0:
                for one in found:
                    one.tokens -= 1.0
            return wait

    def empty(self, service: str, operation: str, clock: Clock) -> None:
        """AWS has throttled us: its bucket is empty, whatever ours says."""
        now = clock.monotonic()
        with self._lock:
            for one in self._of(service, operation, now):
                one.filled(now)
                one.tokens = min(one.tokens, 0.0)

    def slowest(self, service: str, operation: str) -> float:
        """The calls per second that this one waits for."""
        return min(self.rates[key].per_second for key in _keys(service, operation) if key in self.rates)

    def _of(self, service: str, operation: str, now: float) -> list[_Bucket]:
        for key in _keys(service, operation):
            if key in self.rates and key not in self._kept:
                self._kept[key] = _Bucket(self.rates[key], self.rates[key].burst, now)
        return [self._kept[key] for key in _keys(service, operation) if key in self._kept]


def _keys(service: str, operation: str) -> tuple[str, str]:
    return service, f"{service}:{operation}"
