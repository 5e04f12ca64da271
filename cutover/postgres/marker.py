"""The marker row: only a row that arrives proves that the other side has caught up; lag figures do not."""

import time
import uuid

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.postgres.session import QUERY, Database, Session

WRITE = "BEGIN; SET LOCAL synchronous_commit = on; INSERT INTO cutover.marker (token, src) VALUES ('{}', '{}'); COMMIT"

ARRIVED = "SELECT 1 FROM cutover.marker WHERE token = %s"
LEAST = 0.1  # seconds for one look


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
    # The link may hang: then the look must not take longer than the writes may wait.
    while not session.value(ARRIVED, [token], timeout=min(QUERY, max(deadline.remaining(), LEAST))):
        if deadline.expired:
            raise NotCaughtUp(f"the marker did not arrive on {session.label} within {time.monotonic() - began:.1f} s")
        time.sleep(0.001)
    return time.monotonic() - began


def marker_shell(source: Database, target: Database) -> str:
    """The command with which a person sees a marker arrive; ends with 1 when it does not within 5 s."""
    insert = f"INSERT INTO cutover.marker (token, src) VALUES (gen_random_uuid(), '{source.side}') RETURNING token"
    return f"""(set -euo pipefail
token=$(PGOPTIONS='-c default_transaction_read_only=off' {source.ask(insert)})
for _ in {{1..50}}; do
  arrived=$({target.ask("SELECT count(*) FROM cutover.marker WHERE token = 'TOKEN'").replace("TOKEN", "$token")})
  if [ "$arrived" = 1 ]; then echo '{target.label} follows {source.label}'; exit 0; fi
  sleep 0.1
done
echo 'what is written on {source.label} has not arrived on {target.label} within 5 s' >&2
exit 1)"""
