"""What tests may do to the local AWS endpoint: make calls fail, lose answers, slow them down; and its record of calls."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import botocore.session

_READS = ("Get", "List", "Describe", "Test")
_NAMES = {"elasticloadbalancing": "elbv2"}


@dataclass
class Fault:
    """One order: the next `times` calls of `operation` fail with `code`, lose their answer, or wait `delay` seconds."""

    operation: str
    times: int = 1
    code: str = ""
    message: str = ""
    status: int = 0
    lose_response: bool = False
    delay: float = 0.0

    def body(self) -> bytes:
        """The error document; Route 53 and ELBv2 both read this form."""
        text = self.message or ("Rate exceeded" if "Throttl" in self.code else f"{self.code} on demand")
        return (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{self.code}</Code><Message>{text}</Message></Error>"
            "<RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
        ).encode()

    def http_status(self) -> int:
        return self.status or {"ServiceUnavailable": 503, "InternalFailure": 500}.get(self.code, 400)


@dataclass
class Faults:
    """The orders that still wait for their call, oldest first."""

    _orders: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def order(self, fault: Fault) -> None:
        with self._lock:
            self._orders.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._orders.clear()

    def take(self, operation: str) -> Fault | None:
        """The order for this call, used up by one; None when there is none."""
        with self._lock:
            for fault in self._orders:
                if fault.operation == operation:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._orders.remove(fault)
                    return fault
            return None

    def waiting(self) -> list[dict[str, object]]:
        with self._lock:
            return [{"operation": fault.operation, "code": fault.code, "times": fault.times} for fault in self._orders]


class CallLog:
    """WORLD/aws-calls.jsonl: one line per AWS call, in the order in which the answers were ready."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def note(self, service: str, operation: str, user_agent: str, status: int) -> None:
        line = json.dumps(
            {
                "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "service": service,
                "operation": operation,
                "user_agent": user_agent,
                "status": status,
                "write": not operation.startswith(_READS),
            }
        )
        with self._lock, self._path.open("a", encoding="utf-8") as log:
            log.write(line + "\n")


class Operations:
    """Tells from a raw request which AWS operation it is."""

    def __init__(self) -> None:
        model = botocore.session.get_session().get_service_model("route53")
        self._route53 = [
            (operation.http["method"], _pattern(operation.http["requestUri"]), name)
            for name in model.operation_names
            for operation in [model.operation_model(name)]
        ]

    def name(self, environ: dict[str, Any], body: bytes) -> tuple[str, str]:
        """(service, operation); an unknown REST call is named by its method and path."""
        scope = re.search(r"Credential=[^/]+/\d+/[^/]*/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
        service = _NAMES.get(scope.group(1), scope.group(1)) if scope else "unsigned"
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if service == "route53":
            for verb, pattern, name in self._route53:
                if verb == method and pattern.fullmatch(path):
                    return service, name
        if target := environ.get("HTTP_X_AMZ_TARGET"):
            return service, target.rsplit(".", 1)[-1]
        if "x-www-form-urlencoded" in environ.get("CONTENT_TYPE", ""):
            return service, parse_qs(body.decode("utf-8", "replace")).get("Action", [f"{method} {path}"])[0]
        return service, f"{method} {path}"


def _pattern(uri: str) -> re.Pattern[str]:
    plain = uri.split("?")[0].rstrip("/")
    return re.compile(
        "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{[^}]+\})", plain)) + "/?"
    )
