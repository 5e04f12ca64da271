"""What tests may do to the local AWS endpoint: make calls fail, lose answers, slow them down; and its record of calls."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import botocore.session

READS = ("Get", "List", "Describe", "Test")
_NAMES = {"elasticloadbalancing": "elbv2", "monitoring": "cloudwatch"}


@dataclass
class Fault:
    """One order: the next `times` calls of `operation` fail with `code`, lose their answer, or wait `delay` seconds.

    The operation `*` is any, and `writes` is any that does not only read.
    """

    operation: str
    times: int = 1
    code: str = ""
    message: str = ""
    status: int = 0
    lose_response: bool = False
    delay: float = 0.0

    def concerns(self, operation: str) -> bool:
        return self.operation in (operation, "*") or (self.operation == "writes" and not operation.startswith(READS))

    def body(self, *, json_wanted: bool = False) -> bytes:
        """The error document: XML as Route 53, ELBv2 and CloudFormation read it, or JSON as the services of later years."""
        text = self.message or ("Rate exceeded" if "Throttl" in self.code else f"{self.code} on demand")
        if json_wanted:
            return json.dumps({"__type": self.code, "Code": self.code, "message": text, "Message": text}).encode()
        return (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{self.code}</Code><Message>{text}</Message></Error>"
            "<RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
        ).encode()

    def refuse(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> bytes:
        """The answer in the form that the caller's protocol reads."""
        wanted = environ.get("CONTENT_TYPE", "")
        as_json = (
            "json" in wanted
            or "HTTP_X_AMZ_TARGET" in environ
            or bool(re.match(r"/20\d\d-\d\d-\d\d/functions", environ["PATH_INFO"]))
        )
        kind = "application/json" if as_json else "text/xml"
        headers = [("Content-Type", kind), *([("x-amzn-ErrorType", self.code)] if as_json else [])]
        start_response(f"{self.http_status()} Refused", headers)
        return self.body(json_wanted=as_json)

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
                if fault.concerns(operation):
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

    def note(self, service: str, operation: str, status: int, user_agent: str, resources: list[str]) -> None:
        line = json.dumps(
            {
                "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "service": service,
                "operation": operation,
                "user_agent": user_agent,
                "status": status,
                "write": not operation.startswith(READS),
                "resources": resources,
            }
        )
        with self._lock, self._path.open("a", encoding="utf-8") as log:
            log.write(line + "\n")


def resources(environ: dict[str, Any], body: bytes) -> list[str]:
    """The ARNs of what a call is about, as IAM would see them: those that it names itself, and Route 53's zone or change."""
    named = []
    if "x-www-form-urlencoded" in environ.get("CONTENT_TYPE", ""):
        words = parse_qsl(body.decode("utf-8", "replace"))
        named = [value for key, value in words if key.endswith("Arn") and "." not in key]
    found = re.fullmatch(r"/2013-04-01/(hostedzone|change)/([A-Z0-9]+)(/.*)?", environ["PATH_INFO"])
    return [*named, *([f"arn:aws:route53:::{found[1]}/{found[2]}"] if found else [])]


class Operations:
    """Tells from a raw request which AWS operation it is."""

    def __init__(self) -> None:
        self._session = botocore.session.get_session()
        self._rest: dict[str, list[_Route]] = {}

    def name(self, environ: dict[str, Any], body: bytes) -> tuple[str, str]:
        """(service, operation); a call that no model knows is named by its method and path."""
        scope = re.search(r"Credential=[^/]+/\d+/[^/]*/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
        service = _NAMES.get(scope.group(1), scope.group(1)) if scope else "unsigned"
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if target := environ.get("HTTP_X_AMZ_TARGET"):
            return service, target.rsplit(".", 1)[-1]
        if "x-www-form-urlencoded" in environ.get("CONTENT_TYPE", ""):
            return service, parse_qs(body.decode("utf-8", "replace")).get("Action", [f"{method} {path}"])[0]
        asked = set(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        said = {key for key, _ in asked} | {name for name in environ if name.startswith("HTTP_")}
        fitting = [route for route in self._routes(service) if route.fits(method, path, asked, said)]
        # The most particular one: GET /bucket?list-type=2 is not the GET /bucket of long ago.
        best = max(fitting, key=lambda route: route.particular, default=None)
        return service, best.name if best is not None else f"{method} {path}"

    def _routes(self, service: str) -> list[_Route]:
        if service not in self._rest:
            self._rest[service] = []
            if service in self._session.get_available_services():
                model = self._session.get_service_model(service)
                if "rest" in model.metadata.get("protocol", ""):
                    self._rest[service] = [_Route.of(model.operation_model(name)) for name in model.operation_names]
        return self._rest[service]


@dataclass(frozen=True)
class _Route:
    """How an operation of a REST service is asked: its method, path, the words of its query that never change, and what it needs.

    `needs` are the required parameters and headers: a PUT of an object without x-amz-copy-source is no CopyObject.
    """

    name: str
    method: str
    path: re.Pattern[str]
    query: frozenset[tuple[str, str]]
    needs: frozenset[str]
    particular: tuple[int, int]

    @classmethod
    def of(cls, operation: Any) -> _Route:
        path, _, query = operation.http["requestUri"].partition("?")
        words = frozenset(parse_qsl(query, keep_blank_values=True))
        plain = re.sub(r"\{[^}]+\}", "", path)
        needs = frozenset(_needs(operation.input_shape))
        particular = (len(words) + len(needs), len(plain))
        return cls(operation.name, operation.http["method"], _pattern(path), words, needs, particular)

    def fits(self, method: str, path: str, asked: set[tuple[str, str]], said: set[str]) -> bool:
        fitting = method == self.method and self.query <= asked and self.needs <= said
        return fitting and self.path.fullmatch(path) is not None


def _needs(shape: Any) -> Iterator[str]:
    for name in shape.required_members if shape is not None else ():
        where = shape.members[name].serialization
        if where.get("location") == "querystring":
            yield where["name"]
        elif where.get("location") == "header":
            yield "HTTP_" + where["name"].upper().replace("-", "_")


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[^}]+\})", path.rstrip("/"))
    return re.compile("".join(map(_part, parts)) + "/?")


def _part(part: str) -> str:
    if not part.startswith("{"):
        return re.escape(part)
    return ".+" if part.endswith("+}") else "[^/]+"
