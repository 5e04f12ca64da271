"""What can go wrong with a call to AWS: told apart by whether it may have taken effect, and by what mends it.

Unreachable
└── AwsError            AWS refused, or could not be asked; `code` is AWS's own (or the local exception's name)
    └── OutcomeUnknown  a write was sent and no answer came: read back before sending it again
"""

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from cutover.core.errors import Unreachable

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

# botocore, retries/standard.py (what it sends again itself): nothing was done.
THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
TOO_MANY_REQUESTS = 429  # HTTP, RFC 6585
EXPIRED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "LoginRefreshRequired",
        "TokenRefreshRequired",
        "UnauthorizedSSOTokenError",
    }
)
UNKNOWN_KEY = frozenset({"InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure"})
SKEWED = frozenset({"RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"})
BAD_SIGNATURE = frozenset({"InvalidSignatureException", "SignatureDoesNotMatch"})
DENIED = frozenset({"403", "AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation"})
ABSENT = frozenset(
    {
        "CredentialRetrievalError",
        "LoginTokenLoadError",
        "MissingAuthenticationToken",
        "NoAuthTokenError",
        "NoCredentialsError",
        "PartialCredentialsError",
        "ProfileNotFound",
        "SSOTokenLoadError",
        "TokenRetrievalError",
    }
)


class AwsError(Unreachable):
    """AWS refused the call, or could not be asked; `code` tells which."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class OutcomeUnknown(AwsError):
    """A write was sent and the answer was lost: it may have taken effect."""

    shows_within = 10.0  # reads of AWS may be late: what they show at once may be what was before the write


@dataclass(frozen=True)
class Trouble:
    """What came instead of an answer; `unsent` says that nothing was done, `patience` how many seconds AWS asks for."""

    kind: type[AwsError]
    code: str
    text: str
    what: str
    unsent: bool = False
    advice: str = ""
    patience: float = 0.0
    throttled: bool = False

    def passes_for(self, *, reading: bool) -> bool:
        """Whether the same call may be sent again by itself."""
        # A write without an answer may have taken effect: sending it again blindly is the caller's decision.
        return self.unsent or (reading and self.kind is OutcomeUnknown)

    def error(self, *, reading: bool) -> AwsError:
        """What to raise when it is not sent again."""
        kind = AwsError if reading else self.kind
        lost = " (it may have taken effect: read back)" if kind is OutcomeUnknown else ""
        return kind(f"{self}{lost}" + (f". {self.advice}" if self.advice else ""), self.code)

    def __str__(self) -> str:
        return f"{self.what}: {self.code}: {self.text}"


def refusal(service: str, operation: str, error: "ClientError") -> Trouble:
    """The trouble that AWS answered with."""
    given, about = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
    code, text = str(given.get("Code", "?")), one_line(given.get("Message", ""))
    status = about.get("HTTPStatusCode", 0)
    throttled = code in THROTTLED or status == TOO_MANY_REQUESTS
    kind = OutcomeUnknown if status >= 500 and not throttled else AwsError
    patience = _seconds(about.get("HTTPHeaders", {}).get("retry-after", ""))
    return Trouble(kind, code, text, f"{service} {operation}", throttled, _advice(code, text), patience, throttled)


def no_answer(service: str, operation: str, error: "BotoCoreError") -> Trouble:
    """The trouble that no answer came, or that none could be asked for."""
    import botocore.exceptions as known

    code = type(error).__name__
    unsent = isinstance(error, known.EndpointConnectionError | known.ConnectTimeoutError | known.ProxyConnectionError)
    kind = OutcomeUnknown if isinstance(error, known.HTTPClientError | known.ConnectionError) else AwsError
    return Trouble(
        kind if not unsent else AwsError, code, one_line(error), f"{service} {operation}", unsent, _advice(code)
    )


def _advice(code: str, text: str = "") -> str:
    if code in SKEWED or (code in BAD_SIGNATURE and ("expired" in text.lower() or "not yet" in text.lower())):
        return "This machine's clock is wrong: set it by NTP (timedatectl), then try again"
    if code in EXPIRED:
        return "The credentials have expired: log in again (aws sso login, or fresh keys), then resume"
    if code in ABSENT:
        return "There are no usable credentials: set AWS_PROFILE or log in, and look with: aws sts get-caller-identity"
    if code in UNKNOWN_KEY or code in BAD_SIGNATURE:
        return "AWS does not accept these credentials: look with: aws sts get-caller-identity"
    if code in DENIED:
        return "The credentials lack the permission for this call: `invoke iam` prints the policy that is needed"
    return ""


def _seconds(retry_after: str) -> float:
    """What a Retry-After header asks for, in seconds: a number or a date (RFC 9110, 10.2.3); 0 for anything else."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return 0.0


def one_line(text: object) -> str:
    """Anything as one short line."""
    return " ".join(str(text).split())[:500]
