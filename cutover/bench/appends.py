"""How many entries a second each kind of journal takes, one after another and each durable, beside the bare write."""

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import psycopg

from cutover.aws.objects import S3Objects
from cutover.aws.session import Aws
from cutover.bench.figures import Line, Reference, Spread
from cutover.bench.local_aws import local_aws
from cutover.core.clock import Deadline
from cutover.core.journal import State
from cutover.postgres.session import Database
from cutover.state.postgres import PostgresState
from cutover.state.s3 import S3State
from cutover.state.sqlite import SqliteState
from cutover.world.pair_of_servers import pair_of_servers

BUCKET = "cutover-bench"
LONGEST = 20.0  # seconds for one call
SAID = {"step": "a-step", "seen": ["open", "fenced"], "commands": ["ALTER TABLE shop.orders ENABLE TRIGGER fence"] * 4}
Write = Callable[[], object]


def appends(rounds: int, often: int, say: Callable[[str], None]) -> Iterator[Line]:
    """A line for each store: so many rounds of so many appends, by turns with the bare write of as many bytes."""
    kinds = {"SQLite": _in_sqlite, "PostgreSQL": _in_postgres, "S3, local endpoint": _in_s3}
    for name, opened in kinds.items():
        with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as (state, bare):
            lease = state.acquire(who="bench", operation="bench")
            ours = partial(state.append, "one", "intent", SAID, lease)
            writes: dict[str, Write] = {"ours": ours, **bare}
            found: dict[str, list[float]] = {one: [] for one in writes}
            for _ in range(rounds):
                for one, write in writes.items():
                    found[one].append(_a_second(write, often))
            entries = len(state.entries("one"))
            state.release(lease)
            state.close()
        say(f"{name}: {Spread.of(found['ours'], '/s').short()}")
        beside = [Reference(one, Spread.of(found[one], "/s")) for one in bare]
        wrong = entries != rounds * often
        yield Line(
            f"appends to the journal, {name}",
            Spread.of(found["ours"], "/s"),
            beside,
            seen=f"{entries} entries of a chain, read back and verified",
            failed=wrong,
        )


def _a_second(write: Write, often: int) -> float:
    began = time.perf_counter()
    for _ in range(often):
        write()
    return often / (time.perf_counter() - began)


@contextmanager
def _in_sqlite(folder: Path) -> Iterator[tuple[State, Mapping[str, Write]]]:
    """Beside a line and fsync, and beside an INSERT of the same durability."""
    bare = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    bare.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE entries (said TEXT)")
    said = str(SAID)
    with (folder / "lines").open("w", encoding="utf-8") as lines:

        def line() -> None:
            lines.write(f"{said}\n")
            lines.flush()
            os.fsync(lines.fileno())

        def insert() -> None:
            bare.execute("INSERT INTO entries VALUES (?)", (said,))

        yield SqliteState(folder / "journal.sqlite"), {"INSERT": insert, "a line and fsync": line}
    bare.close()


@contextmanager
def _in_postgres(_: Path) -> Iterator[tuple[State, Mapping[str, Write]]]:
    """Beside an INSERT that is committed, on the same server, with its WAL on the disk."""
    with pair_of_servers(settings={"fsync": "on", "synchronous_commit": "on"}) as pair:
        dsn = pair.dsn("green", database="postgres")
        database = Database("state", "STATE_DSN", lambda: dsn)
        with psycopg.connect(dsn, autocommit=True, connect_timeout=10) as session:
            session.execute("CREATE TABLE bare (said text)")
            said = str(SAID)
            state = PostgresState(lambda: database.connect("state"), "bench")
            yield state, {"INSERT and COMMIT": lambda: session.execute("INSERT INTO bare VALUES (%s)", (said,))}


@contextmanager
def _in_s3(folder: Path) -> Iterator[tuple[State, Mapping[str, Write]]]:
    """Beside PutObject under a condition, at the same endpoint."""
    with ExitStack() as stack:
        stack.enter_context(local_aws(folder))
        aws = Aws("us-east-1")

        def ask(operation: str, **words: object) -> None:
            aws.call("s3", operation, Deadline.after(LONGEST), Bucket=BUCKET, **words)

        ask("CreateBucket")
        ask("PutBucketVersioning", VersioningConfiguration={"Status": "Enabled"})
        number, said = count(), str(SAID).encode()
        objects = S3Objects(aws, BUCKET, "bench")
        state = S3State(objects, f"s3://{BUCKET}/bench")
        yield state, {"PutObject": lambda: ask("PutObject", Key=f"bare/{next(number)}", Body=said, IfNoneMatch="*")}
