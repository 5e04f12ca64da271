"""Opens journal and lease where an environment says that they are kept; the only place that knows one kind from another."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cutover.aws.objects import S3Objects
from cutover.aws.permission import Permission
from cutover.aws.session import Aws
from cutover.core.journal import State
from cutover.postgres.session import Database
from cutover.state.postgres import PostgresState
from cutover.state.s3 import S3State
from cutover.state.sqlite import SqliteState

LOCAL, BUCKET = "sqlite", "s3://"


@dataclass(frozen=True)
class Place:
    """Where the state of one environment is: `address` reads the word, as late as a secret is read.

    `file` is used by `sqlite` alone. With a shared place the log of the supervisor, the record of blue, and the checkpoint of a
    validation stay where they were made: they are for reading, and a run goes on without them.
    """

    environment: str
    address: Callable[[], str] = field(repr=False)
    file: Path
    aws: Aws

    def open(self) -> State:
        """Journal and lease; the caller closes them. Raises JournalBroken or Unreachable."""
        address = self.address()
        if address == LOCAL:
            return SqliteState(self.file)
        objects = self._objects(address)
        if objects is not None:
            return S3State(objects, f"{BUCKET}{objects.bucket}/{objects.prefix}")
        # A commit that a crash of the server could take back is none.
        settings = {"synchronous_commit": "on"}
        database = Database("state", "STATE_DSN", lambda: address, self.aws.read_only)
        return PostgresState(lambda: database.connect("state", settings=settings), self.environment)

    def open_recorded(self) -> State | None:
        """The same for who only looks: a file that is not there is not made, and the answer is None."""
        return None if self.address() == LOCAL and not self.file.exists() else self.open()

    def permissions(self) -> Iterable[Permission]:
        """What the store asks of AWS, beside what steps and checks do."""
        objects = self._objects(self.address())
        return () if objects is None else objects.permissions()

    def _objects(self, address: str) -> S3Objects | None:
        if not address.startswith(BUCKET):
            return None
        bucket, _, prefix = address.removeprefix(BUCKET).partition("/")
        return S3Objects(self.aws, bucket, f"{prefix.strip('/')}/{self.environment}")
