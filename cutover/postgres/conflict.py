"""Why an apply worker fails: the row, column or table that it stumbles over, read from the changes that it has not applied."""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.postgres.pgoutput import Relation, relation, tuples
from cutover.postgres.replication import PUBLICATION, filters_origins, subscription_name
from cutover.postgres.session import IN_USE, QueryFailed, Session

LIMITS = (2_000, 200_000, 2_000_000)  # changes to decode until the first transaction that is not applied has come
PEEK = 10.0  # seconds
SLOT_FREE = 2.0  # seconds

ACTIVE = "SELECT active FROM pg_replication_slots WHERE slot_name = %s"
# What is behind the position that the worker has noted is applied; the slot's own position follows later.
APPLIED = """SELECT (pg_replication_origin_progress('pg_' || oid, false) - '0/0'::pg_lsn)::bigint
  FROM pg_subscription WHERE subname = %s"""
# The slot begins where the worker has last reported, so much of what is decoded may be applied already; its tables are told
# once, by an R. A transaction's position, in its B, is that of its commit.
WAITING = """SELECT data FROM (SELECT data, number, get_byte(data, 0) AS kind, max(CASE WHEN get_byte(data, 0) = ascii('B')
           THEN ('x' || encode(substring(data FROM 2 FOR 8), 'hex'))::bit(64)::bigint END) OVER (PARTITION BY xid::text) AS final
    FROM pg_logical_slot_peek_binary_changes(%s, NULL, {limit}, 'proto_version', '1', 'publication_names', %s{origin})
         WITH ORDINALITY AS peeked(lsn, xid, data, number)) message
 WHERE kind = ascii('R') OR final > %s ORDER BY number LIMIT 50000"""
# With an origin of its own the deletion is not sent back to the other side, where it would take the good row away.
DELETED = (
    "BEGIN; SET LOCAL transaction_read_only = off; SET LOCAL session_replication_role = replica; "
    "SELECT pg_replication_origin_create('cutover_repair') WHERE pg_replication_origin_oid('cutover_repair') IS NULL; "
    "SELECT pg_replication_origin_session_setup('cutover_repair'); DELETE FROM {name} WHERE {where}; COMMIT;"
)
COUNTS = "SELECT to_regclass('pg_catalog.pg_stat_subscription_stats') IS NOT NULL"  # 15 and newer
ERRORS = "SELECT apply_error_count FROM pg_stat_subscription_stats WHERE subname = %s"
COLUMNS = """SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"""


class Conflict(NamedTuple):
    """What stops the apply worker, and the statement or command that lets it go on."""

    seen: str
    mend: str


def conflict(source: Session, target: Session) -> Conflict | None:
    """What the next transaction stumbles over on the target, None when that cannot be told from here.

    The worker says it only in its server's log, which is not to be had everywhere. Asked only when rows do not arrive:
    while this looks, a new worker would not get its slot, and would be started again 5 s later. One that fails at once runs
    for a moment again and again, so a moment without it is waited for, for two seconds at most.
    """
    name = subscription_name(source, target)
    deadline = Deadline.after(SLOT_FREE)
    with suppress(CutoverError):  # a word less is no harm
        while True:
            if not source.value(ACTIVE, [name]):
                try:
                    return _told(source, target, name)
                except QueryFailed as error:
                    if error.sqlstate != IN_USE:  # the worker was faster
                        raise
            if deadline.expired:
                break
            time.sleep(0.02)
    return None


def failed_tries(target: Session, name: str) -> int:
    """How often the apply worker of a subscription has failed; 0 where the server does not count that (14)."""
    return int(target.value(ERRORS, [name]) or 0) if target.value(COUNTS) else 0


def _told(source: Session, target: Session, name: str) -> Conflict | None:
    applied = int(target.value(APPLIED, [name]) or 0)
    errors = failed_tries(target, name)
    found = _first(source, target, name, applied)
    if found and errors:
        return found._replace(seen=f"{found.seen} ({errors} failed tries so far)")
    return found


def _first(source: Session, target: Session, name: str, applied: int) -> Conflict | None:
    # What came from the target itself is not sent to it.
    origin = ", 'origin', 'none'" if filters_origins(source, target) else ""
    for limit in LIMITS:
        messages = source.rows(WAITING.format(limit=limit, origin=origin), [name, PUBLICATION, applied], timeout=PEEK)
        known: dict[int, Relation] = {}
        begun = False
        for (data,) in messages:
            message = bytes(data)
            kind = message[:1]
            if kind == b"R":
                seen = relation(message)
                known[seen.oid] = seen
            elif kind == b"B":
                begun = True
            elif kind == b"C" and begun:
                return None  # the one that fails is the first one, and nothing odd was seen in it
            elif kind in b"IUD" and begun:
                table = known[int.from_bytes(message[1:5], "big")]
                rows = dict(tuples(message))
                if found := _odd(target, table, dict(zip(table.columns, rows.get(b"N", []), strict=False)), kind):
                    return found
    return None


def _odd(target: Session, table: Relation, row: Mapping[str, str | None], kind: bytes) -> Conflict | None:
    name = str(target.value("SELECT format('%%I.%%I', %s::text, %s::text)", [table.schema, table.name]))
    there = {column for (column,) in target.rows(COLUMNS, [name])}
    if not there:
        return Conflict(
            f"{name} is missing on {target.label}", f"make {name} on {target.label} as it is on the other side"
        )
    lacking = sorted(set(table.columns) - there)
    if lacking:
        what = f"{name}.{lacking[0]}"
        return Conflict(
            f"{what} is missing on {target.label}", f"add {what} on {target.label} as it is on the other side"
        )
    if kind != b"I" or not table.key or any(row.get(column) is None for column in table.key):
        return None
    key = [row[column] for column in table.key]
    quoted = target.rows(
        "SELECT string_agg(format('%%I = %%L', c, v), ' AND ') FROM unnest(%s::text[], %s::text[]) AS u(c, v)",
        [table.key, key],
    )
    where = str(quoted[0][0])
    if not target.value(f"SELECT 1 FROM {name} WHERE {where}"):
        return None
    return Conflict(
        f"{target.label} has a row already that {name} of the other side brings: {where}",
        f"if the other side's row is the right one, on {target.label}: {DELETED.format(name=name, where=where)}",
    )
