"""The marker row: only a row that arrives proves that the other side has caught up; lag figures do not."""

import time
import uuid

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.postgres.session import Session

WRITE = "BEGIN; SET LOCAL synchronous_commit = on; INSERT INTO cutover.marker (token, src) VALUES ('{}', '{}'); COMMIT"


class NotCaughtUp(CutoverError):
    """The marker did not arrive in time."""


def write_marker(session: Session) -> uuid.UUID:
    """Writes a marker row and returns its token."""
    token = uuid.uuid4()
    session.run(WRITE.format(token, session.side))
    return token


def await_marker(session: Session, token: uuid.UUID, deadline: Deadline) -> float:
    """Waits until the token is seen; returns the seconds it took, raises NotCaughtUp."""
    began = time.monotonic()
    while not session.value("SELECT 1 FROM cutover.marker WHERE token = %s", [token]):
        if deadline.expired:
            raise NotCaughtUp(f"the marker did not arrive on {session.side} within {time.monotonic() - began:.1f} s")
        time.sleep(0.001)
    return time.monotonic() - began
