"""Values that an environment refers to: parameters of Systems Manager and secrets of Secrets Manager, read when they are needed."""

import re
import threading
from dataclasses import dataclass, field

from cutover.aws.permission import Permission
from cutover.aws.session import OBSERVE_SECONDS, Aws, AwsError
from cutover.core.clock import Clock, Deadline, SystemClock
from cutover.core.errors import ConfigurationRefused

FETCH_SECONDS = 15.0
KEPT_SECONDS = 300.0  # a connection every second, to two sides of every database, asks for the same few words
ABSENT = {"ParameterNotFound", "ResourceNotFoundException"}
COMPLETE_ARN = re.compile(r"arn:.*-[A-Za-z0-9]{6}")  # Secrets Manager adds six characters to the name that was given


@dataclass(frozen=True)
class Secrets:
    """Reads a reference by its kind, `ssm` or `secretsmanager`, and its name; may be used from several threads.

    A value is asked for again after five minutes, or when it was forgotten. One that was kept is still used when AWS cannot be
    asked then: a window does not end because a word that is known cannot be read a second time.
    """

    aws: Aws
    clock: Clock = field(default_factory=SystemClock, repr=False, compare=False)
    _kept: dict[tuple[str, str], tuple[str, float]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def fetch(self, kind: str, name: str) -> str:
        """The value, within 15 s; raises ConfigurationRefused when there is no such value, AwsError when it cannot be read."""
        with self._lock:
            value, until = self._kept.get((kind, name), (None, 0.0))
        if value is not None and self.clock.monotonic() < until:
            return value
        try:
            value = self._asked(kind, name, FETCH_SECONDS if value is None else OBSERVE_SECONDS)
        except AwsError:
            if value is None:
                raise
        with self._lock:
            self._kept[kind, name] = value, self.clock.monotonic() + KEPT_SECONDS
        return value

    def forget(self, kind: str, name: str) -> bool:
        """What was kept is asked for again; False when nothing was."""
        with self._lock:
            return self._kept.pop((kind, name), None) is not None

    def _asked(self, kind: str, name: str, seconds: float) -> str:
        deadline = Deadline.after(seconds)
        try:
            if kind == "ssm":
                answer = self.aws.call("ssm", "GetParameter", deadline, Name=name, WithDecryption=True)
                return str(answer["Parameter"]["Value"])
            if kind == "secretsmanager":
                answer = self.aws.call("secretsmanager", "GetSecretValue", deadline, SecretId=name)
                return str(answer["SecretString"])
        except AwsError as error:
            if error.code in ABSENT:
                raise ConfigurationRefused(
                    [f"{kind}:{name}: AWS has nothing of that name in {self.aws.region}"]
                ) from None
            raise AwsError(f"{kind}:{name} could not be read: {error.message}", error.code) from None
        except KeyError:
            raise ConfigurationRefused([f"{kind}:{name}: holds bytes, not text"]) from None
        raise ConfigurationRefused([f"{kind}:{name}: no such kind of reference"])


def fetched(kind: str, name: str) -> Permission:
    """What IAM must allow for one reference; raises ValueError for a kind that AWS does not hold."""
    if kind == "ssm":
        return Permission("ssm", "GetParameter", "arn:aws:ssm:{region}:{account}:parameter/" + name.removeprefix("/"))
    if kind != "secretsmanager":
        raise ValueError(f"{kind} is not kept by AWS")
    arn = name if name.startswith("arn:") else "arn:aws:secretsmanager:{region}:{account}:secret:" + name
    return Permission("secretsmanager", "GetSecretValue", arn if COMPLETE_ARN.fullmatch(name) else arn + "-??????")
