"""One way to AWS: explicit timeouts, one send per attempt, our own visible retries until a deadline, and a guard for dry-runs.

Unreachable
└── AwsError            AWS refused, or could not be asked; `code` is AWS's own (or the local exception's name)
    └── OutcomeUnknown  a write was sent and no answer came: read back before sending it again
Refused
└── WriteRefused        a read-only session was asked to write; nothing was sent
"""

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cutover.core.clock import Deadline
from cutover.core.errors import Refused, Unreachable

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

OBSERVE_SECONDS = 5.0
CONNECT_SECONDS = 3.0
READ_SECONDS = (1.0, 5.0, 15.0)  # one client each; the longest that fits into what is left of a deadline is used

READS = ("BatchGet", "Describe", "Get", "Head", "List")
ALSO_READS = frozenset({"route53:TestDNSAnswer", "logs:FilterLogEvents", "iam:SimulatePrincipalPolicy"})
# What botocore itself sends to obtain credentials goes through the same hook.
LOG_INS = frozenset(
    {"sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sso:GetRoleCredentials", "sso-oidc:CreateToken"}
)

THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    }
)
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "UnauthorizedSSOTokenError"})
UNKNOWN_KEY = frozenset({"InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure"})
SKEWED = frozenset({"RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"})
BAD_SIGNATURE = frozenset({"InvalidSignatureException", "SignatureDoesNotMatch"})
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
ABSENT = frozenset({"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError"})


class AwsError(Unreachable):
    """AWS refused the call, or could not be asked; `code` tells which."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class OutcomeUnknown(AwsError):
    """A write was sent and the answer was lost: it may have taken effect."""


class WriteRefused(Refused):
    """A read-only session was asked for an operation that is not known to read."""


@dataclass
class _Clients:
    lock: threading.Lock = field(default_factory=threading.Lock)
    session: Any = None
    made: dict[tuple[str, float], Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Aws:
    """An account seen from one region; opens nothing before the first call, and may be used from several threads."""

    region: str
    profile: str | None = None
    read_only: bool = False
    on_retry: Callable[[str], None] | None = field(default=None, repr=False, compare=False)
    _clients: _Clients = field(default_factory=_Clients, init=False, repr=False, compare=False)

    def call(self, service: str, operation: str, deadline: Deadline, **parameters: Any) -> dict[str, Any]:
        """One operation by its API name, sent again after throttling (a read also after any other passing trouble) until `deadline`.

        Raises AwsError, OutcomeUnknown for a write whose answer was lost, WriteRefused on a read-only session.
        """
        import botocore.exceptions
        import botocore.parsers

        pauses = _pauses()
        while True:
            try:
                answer: dict[str, Any] = self._send(service, operation, deadline, parameters)
                return answer
            except botocore.exceptions.ClientError as error:
                trouble = _refusal(service, operation, error)
            except botocore.exceptions.ParamValidationError:
                raise  # a defect of ours, not of the connection
            except botocore.exceptions.BotoCoreError as error:
                trouble = _no_answer(service, operation, error)
            except botocore.parsers.ResponseParserError as error:
                trouble = _Trouble(OutcomeUnknown, "ResponseParserError", _line(error), f"{service} {operation}")
            if trouble.passes_for(reading=is_read(service, operation)) and not deadline.expired:
                if self.on_retry is not None:
                    self.on_retry(f"{trouble}; {deadline.remaining():.0f} s left to try again")
                deadline.clock.sleep(min(next(pauses), deadline.remaining()))
                continue
            raise trouble.error(reading=is_read(service, operation))

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

    def shell(self) -> str:
        """The aws command with this region and profile, quoted."""
        import shlex

        profile = f" --profile {shlex.quote(self.profile)}" if self.profile else ""
        return f"aws --region {shlex.quote(self.region)}{profile}"

    def _send(self, service: str, operation: str, deadline: Deadline, parameters: dict[str, Any]) -> dict[str, Any]:
        from botocore import xform_name

        left = deadline.remaining()
        fitting = max((seconds for seconds in READ_SECONDS if seconds <= left), default=READ_SECONDS[0])
        answer: dict[str, Any] = getattr(self.client(service, fitting), xform_name(operation))(**parameters)
        return answer

    def _make(self, service: str, read_seconds: float) -> Any:
        import boto3
        from botocore.config import Config

        if self._clients.session is None:
            session = boto3.Session(region_name=self.region, profile_name=self.profile)
            if self.read_only:
                session.events.register("before-parameter-build", _refuse_writes)
            self._clients.session = session
        config = Config(
            connect_timeout=min(CONNECT_SECONDS, read_seconds),
            read_timeout=read_seconds,
            retries={"total_max_attempts": 1},
        )
        return self._clients.session.client(service, config=config)


def is_read(service: str, operation: str) -> bool:
    """Whether an operation is known to change nothing; what is not known counts as a write."""
    return operation.startswith(READS) or f"{service}:{operation}" in ALSO_READS


def _refuse_writes(model: Any, **_: Any) -> None:
    service = model.service_model.service_name
    if not is_read(service, model.name) and f"{service}:{model.name}" not in LOG_INS:
        raise WriteRefused(f"read-only: {service} {model.name} was refused here and not sent to AWS")


@dataclass(frozen=True)
class _Trouble:
    kind: type[AwsError]
    code: str
    text: str
    what: str
    unsent: bool = False
    advice: str = ""

    def passes_for(self, *, reading: bool) -> bool:
        # A write without an answer may have taken effect: sending it again blindly is the caller's decision.
        return self.unsent or (reading and self.kind is OutcomeUnknown)

    def error(self, *, reading: bool) -> AwsError:
        kind = AwsError if reading else self.kind
        lost = " (it may have taken effect: read back)" if kind is OutcomeUnknown else ""
        return kind(f"{self}{lost}" + (f". {self.advice}" if self.advice else ""), self.code)

    def __str__(self) -> str:
        return f"{self.what}: {self.code}: {self.text}"


def _refusal(service: str, operation: str, error: "ClientError") -> _Trouble:
    given = error.response.get("Error", {})
    code, text = str(given.get("Code", "?")), _line(given.get("Message", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    throttled = code in THROTTLED
    kind = OutcomeUnknown if status >= 500 and not throttled else AwsError
    return _Trouble(kind, code, text, f"{service} {operation}", unsent=throttled, advice=_advice(code, text))


def _no_answer(service: str, operation: str, error: "BotoCoreError") -> _Trouble:
    import botocore.exceptions as known

    code = type(error).__name__
    unsent = isinstance(error, known.EndpointConnectionError | known.ConnectTimeoutError | known.ProxyConnectionError)
    kind = OutcomeUnknown if isinstance(error, known.HTTPClientError | known.ConnectionError) else AwsError
    return _Trouble(
        kind if not unsent else AwsError, code, _line(error), f"{service} {operation}", unsent, _advice(code)
    )


def _advice(code: str, text: str = "") -> str:
    if code in SKEWED or (code in BAD_SIGNATURE and ("expired" in text.lower() or "not yet" in text.lower())):
        return "This machine's clock is wrong: set it by NTP (timedatectl), then try again"
    if code in EXPIRED:
        return "The credentials have expired: log in again (aws sso login, or fresh keys), then resume"
    if code in ABSENT or code in {"ProfileNotFound", "SSOTokenLoadError"}:
        return "There are no usable credentials: set AWS_PROFILE or log in, and look with: aws sts get-caller-identity"
    if code in UNKNOWN_KEY or code in BAD_SIGNATURE:
        return "AWS does not accept these credentials: look with: aws sts get-caller-identity"
    if code in DENIED:
        return "The credentials lack the permission for this call"
    return ""


def _pauses() -> Iterator[float]:
    ceiling = 0.1
    while True:
        yield random.uniform(ceiling / 2, ceiling)
        ceiling = min(ceiling * 2, 5.0)


def _line(text: object) -> str:
    return " ".join(str(text).split())[:500]
