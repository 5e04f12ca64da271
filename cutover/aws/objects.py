"""Objects of one S3 bucket, written under conditions only; what the shared state is kept in.

Conditions: Amazon S3 User Guide, "Add preconditions to S3 operations with conditional requests" (412 when it does not hold,
409 when another conditional write is under way).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

from cutover.aws.permission import Permission
from cutover.aws.session import Aws, AwsError, OutcomeUnknown
from cutover.core.clock import Backoff, Deadline
from cutover.core.errors import Unreachable

S3 = "s3"
PATIENCE = 20.0  # seconds for one object, with every retry
# A connection that died without a word is not the server's slowness: the first sends give it up soon, for a new one.
SENDS = (2.0, 2.0, 6.0)
ABSENT = frozenset({"NoSuchKey", "404"})
CONFLICT = "ConditionalRequestConflict"
REFUSED = "PreconditionFailed"


@dataclass(frozen=True)
class S3Objects:
    """The objects of `bucket` whose keys begin with `prefix` and a slash; raises Unreachable when S3 cannot be asked."""

    aws: Aws
    bucket: str
    prefix: str
    patience: float = PATIENCE

    def get(self, key: str) -> tuple[bytes, str] | None:
        from botocore.exceptions import BotoCoreError

        deadline, place = Deadline.after(self.patience), self._place(key)
        backoff = Backoff(deadline.clock, first=0.05)
        while True:
            try:
                answer = self._ask("GetObject", deadline, **place)
                with answer["Body"] as body:
                    return body.read(), answer["ETag"]
            except AwsError as error:
                if error.code in ABSENT:
                    return None
                raise
            except (BotoCoreError, OSError) as error:  # the answer broke off in its middle
                if deadline.expired:
                    raise Unreachable(f"s3 GetObject {place['Key']}: {type(error).__name__}: {error}") from error
            backoff.pause(deadline)

    def put_new(self, key: str, body: bytes) -> str | None:
        return self._put(key, body, IfNoneMatch="*")

    def replace(self, key: str, body: bytes, tag: str) -> str | None:
        return self._put(key, body, IfMatch=tag)

    def _put(self, key: str, body: bytes, **condition: str) -> str | None:
        deadline = Deadline.after(self.patience)
        backoff = Backoff(deadline.clock, first=0.02)
        doubtful = False
        for sending in self._sends(deadline):
            try:
                answer = self.aws.call(S3, "PutObject", sending, **self._place(key), Body=body, **condition)
                return str(answer["ETag"])
            except OutcomeUnknown:
                # The same condition makes it safe to send again: if the first one took effect, this one is refused.
                doubtful = True
                if deadline.expired:
                    raise
            except AwsError as error:
                if error.code == REFUSED:
                    return self._is_ours(key, body) if doubtful else None
                if error.code in ABSENT and "IfMatch" in condition:
                    return None
                if deadline.expired or (error.code != CONFLICT and not sending.expired):
                    raise
            backoff.pause(deadline)
        raise AssertionError("the last of the sends ends with the deadline")

    def _ask(self, operation: str, deadline: Deadline, **parameters: Any) -> dict[str, Any]:
        """One read, again and again until `deadline`."""
        for sending in self._sends(deadline):
            try:
                return self.aws.call(S3, operation, sending, **parameters)
            except AwsError:
                if deadline.expired or not sending.expired:
                    raise
        raise AssertionError("the last of the sends ends with the deadline")

    def _sends(self, deadline: Deadline) -> Iterator[Deadline]:
        """By when each send has to have its answer."""
        return (deadline.within(seconds) for seconds in chain(SENDS, repeat(self.patience)))

    def _is_ours(self, key: str, body: bytes) -> str | None:
        found = self.get(key)
        return found[1] if found is not None and found[0] == body else None

    def list(self, prefix: str) -> Sequence[tuple[str, str]]:
        deadline = Deadline.after(self.patience)
        begin = f"{self.prefix}/"
        found: list[tuple[str, str]] = []
        more: dict[str, Any] = {}
        while True:
            page = self._ask("ListObjectsV2", deadline, Bucket=self.bucket, Prefix=begin + prefix, **more)
            found += [(one["Key"].removeprefix(begin), one["ETag"]) for one in page.get("Contents", [])]
            if not page.get("IsTruncated"):
                return found
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def permissions(self) -> Iterable[Permission]:
        objects = f"arn:aws:s3:::{self.bucket}/{self.prefix}/*"
        yield Permission(S3, "GetObject", objects)
        yield Permission(S3, "PutObject", objects)
        yield Permission(S3, "ListObjectsV2", f"arn:aws:s3:::{self.bucket}")

    def _place(self, key: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": f"{self.prefix}/{key}"}
