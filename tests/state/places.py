"""A fresh place for each kind of state, how another process opens it, and what can be done to it behind its back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg

from cutover.aws.objects import S3Objects
from cutover.aws.session import Aws
from cutover.core.clock import Clock, Deadline, SystemClock
from cutover.core.journal import State
from cutover.core.lease import Lease
from cutover.core.plain import canonical
from cutover.postgres.session import Database
from cutover.state.postgres import PostgresState
from cutover.state.s3 import LEASE, S3State
from cutover.state.sqlite import SqliteState

UNGUARDED = "DROP TRIGGER IF EXISTS entries_stay; DROP TRIGGER IF EXISTS entries_kept;"


@dataclass(frozen=True)
class Kept:
    """One fresh place. `address` and `file` are what `cutover.stores.Place` takes in another process."""

    address: str
    file: Path
    open: Callable[[Clock], State]
    """Another operator's view of it."""
    change: Callable[[int], None]
    """Rewrites what the entry of that number says."""
    remove: Callable[[int], None]
    pretend: Callable[[Lease], None]
    """Makes a lease the present one, as if its holder had written it."""
    anchored: bool = True
    """Whether a tail that is cut off is noticed."""

    def state(self, clock: Clock | None = None) -> State:
        return self.open(clock or SystemClock())


def in_sqlite(folder: Path) -> Kept:
    """A file in that folder."""
    file = folder / "journal.sqlite"

    def tampered(sql: str, *parameters: Any) -> None:
        db = sqlite3.connect(file)
        db.executescript(UNGUARDED)
        db.execute(sql, parameters)
        db.commit()
        db.close()

    def pretend(lease: Lease) -> None:
        db = sqlite3.connect(file)
        db.execute("UPDATE lease SET token = ?, holder = ?", (lease.token, canonical(asdict(lease))))
        db.commit()
        db.close()

    return Kept(
        "sqlite",
        file,
        lambda clock: SqliteState(file, clock=clock),
        lambda seq: tampered("UPDATE entries SET kind = 'other' WHERE seq = ?", seq),
        lambda seq: tampered("DELETE FROM entries WHERE seq = ?", seq),
        pretend,
        anchored=False,
    )


def in_s3(aws: Aws, bucket: str, prefix: str) -> Kept:
    """A prefix of that bucket, which is there."""
    objects = S3Objects(aws, bucket, f"{prefix}/test")

    def key(seq: int) -> str:
        return f"journal/{seq:08}.json"

    def change(seq: int) -> None:
        found = objects.get(key(seq))
        assert found is not None
        said = {**json.loads(found[0]), "kind": "other"}
        assert objects.replace(key(seq), canonical(said).encode(), found[1])

    def remove(seq: int) -> None:
        aws.call("s3", "DeleteObject", Deadline.after(10), Bucket=bucket, Key=f"{prefix}/test/{key(seq)}")

    def pretend(lease: Lease) -> None:
        found = objects.get(LEASE)
        assert found is not None
        said = {**json.loads(found[0]), "token": lease.token, "holder": asdict(lease)}
        assert objects.replace(LEASE, canonical(said).encode(), found[1])

    return Kept(
        f"s3://{bucket}/{prefix}",
        Path("unused"),
        lambda clock: S3State(objects, f"s3://{bucket}/{prefix}/test", clock=clock),
        change,
        remove,
        pretend,
    )


def in_postgres(dsn: str) -> Kept:
    """The schema `cutover_state` in that database, made empty."""
    database = Database("state", "STATE_DSN", lambda: dsn)

    def tampered(sql: str, *parameters: Any) -> None:
        with psycopg.connect(dsn, autocommit=True, options="-c session_replication_role=replica") as session:
            session.execute(sql.encode(), parameters)

    tampered("DROP SCHEMA IF EXISTS cutover_state CASCADE")
    return Kept(
        dsn,
        Path("unused"),
        lambda clock: PostgresState(lambda: database.connect("state"), "test", clock=clock),
        lambda seq: tampered("UPDATE cutover_state.entries SET kind = 'other' WHERE seq = %s", seq),
        lambda seq: tampered("DELETE FROM cutover_state.entries WHERE seq = %s", seq),
        lambda lease: tampered(
            "UPDATE cutover_state.lease SET token = %s, holder = %s", lease.token, canonical(asdict(lease))
        ),
    )
