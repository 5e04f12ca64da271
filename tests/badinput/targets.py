"""Every place where bytes of others come in: bytes → run, where nothing but the project's own errors may come out.

Each target takes any bytes, runs what the toolkit does with them, and raises for everything that it must not do.
"""

from collections.abc import Callable
from dataclasses import dataclass

import files
import journal_bytes
import texts
import wires


@dataclass(frozen=True)
class Target:
    """One of them: what is run, and good input to begin from."""

    run: Callable[[bytes], None]
    begun_from: tuple[bytes, ...]


ONCE = b"6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
ALB = (
    b'http 2026-06-01T00:00:00.1Z a/b 1:2 3:4 0 0 0 200 200 1 1 "GET / H" "c" - - arn:a:targetgroup/b/c "R" "-" "-" 0 '
)
VALUES = (
    "5s",
    "env:BLUE",
    "error_rate > 5% for 5m",
    "a.example.com",
    "https://h:1/x",
    "10",
    "select 1",
    "on",
    "[1, 2]",
)

TARGETS = {
    "environment": Target(texts.environment, tuple(texts.environments())),
    "environment-value": Target(
        texts.environment_value, tuple(bytes((n, n % 2)) + one.encode() for n, one in enumerate(VALUES))
    ),
    "condition": Target(
        texts.condition,
        (
            b"error_rate > 5% for 5m at least 100 orders in 5m",
            b"p95 > 2 x baseline + 100ms and memory < 2GiB",
            b"p95 outside 5% of legacy",
            b"memory grows > 5% / h over 2h",
            b"investigate for 15m then rollback",
        ),
    ),
    "log-query": Target(
        texts.log_query,
        (
            b'share where status >= 500 and ok = null of route.name != "/health"',
            b"p95 duration_ms",
            b"took in ms",
            b"100 * e / n\ne = Sum AWS/Lambda Errors FunctionName=shop\nn = p95 AWS/Lambda Invocations A=b",
        ),
    ),
    "sum": Target(texts.sum_of_fields, (b"100 * used / (limit - hits)", b"-1.5e3")),
    "log-file": Target(files.log_file, tuple(bytes((n,)) + 3 * files.LOG_LINE for n in range(len(files.QUERIES)))),
    "access-log": Target(
        files.access_log,
        (
            ALB + b"2026-06-01T00:00:00Z",
            b"#Fields: date time x-edge\n2026-06-01\t00:00:00\tblue",
            b'{"timestamp": "1780000000", "x-edge": "green"}',
        ),
    ),
    "flag": Target(
        files.flag_document,
        (
            b'{"name": "pay", "share": 5.25, "enabled": true, "version": 3}',
            b"12.5",
            b'{"share": 5e4433333333333333333333333333}',
            files.COUNTS,
        ),
    ),
    "record": Target(
        files.own_record,
        (b'{"sha256": "", "content": {"a": [1, 2.5, null]}}', b"[1779999990.0, 1.5]\n", files.CHECKPOINT),
    ),
    "ledger": Target(
        files.ledger,
        (b'{"at": 1779999990.0, "ack": 1779999990.1, "kind": "write", "key": "k", "ok": true, "slow": false}\n',),
    ),
    "dns": Target(wires.dns_answer, (wires.ANSWER, b"\x86" + wires.ANSWER[1:])),
    "prometheus": Target(
        wires.prometheus_answer,
        (
            b'{"status": "success", "data": {"result": [{"metric": {"a": "b"}, "values": [[1779999990, "1.5"]]}]}}',
            b'{"status": "error", "errorType": "x", "error": "y", "warnings": ["z"]}',
        ),
    ),
    "redis": Target(
        wires.redis_answer, (b"$30\r\nused_memory:1\r\nmaxmemory:5.0e3\r\n\r\n", b"-ERR no\r\n", b"+OK\r\n")
    ),
    "console": Target(
        wires.console_request,
        (
            b"\x01GET /",
            b"\x03GET /lines?before=3\naccept: */*",
            b'\x01POST /session\nsec-fetch-site: same-origin\ncontent-type: application/json\n\n{"token": "x"}',
            b'\x03POST /do/hold\n\n{"environment": "shop", "reason": "why", "once": "' + ONCE + b'"}',
            b"\x03GET /static/console.css\nrange: bytes=0-5",
            b"\x03GET /events\nlast-event-id: 1",
            b"\x03GET /session",
        ),
    ),
    "journal": Target(journal_bytes.journal, journal_bytes.changes()),
}
