"""The local world's AWS: a moto server with strict Route 53 and ELBv2, one process, `python -m cutover.world.aws_endpoint`.

Any client works (boto3, the aws command), since every rule is on this side of the wire. State lives in memory until the
process ends. WORLD/aws.json says pid and port; WORLD/aws-calls.jsonl gets one line per AWS call (at, service, operation,
user_agent, status, write, resources); what follows below is not an AWS call and is not noted there.

Control paths on the same port, JSON in and out, for the world's other processes and for tests:

    GET    /_world/zones     records of every hosted zone that are in sync (a change shows after its lag)
    GET    /_world/traffic   load balancers, listeners, rules by priority, target groups with the state of their targets
    GET    /_world/faults    orders that still wait for a call
    POST   /_world/faults    {"operation": "ModifyListener", "times": 2, "code": "Throttling"}  fail the next two calls
                             {"operation": "ChangeResourceRecordSets", "lose_response": true}  do it, then hang up
                             {"operation": "GetChange", "delay": 1.5}  wait so many seconds first
                             optional: "message", "status" (HTTP; default 400, 503 for ServiceUnavailable)
    DELETE /_world/faults    forget all orders
    POST   /_world/lag       {"seconds": 0.2}  how long later Route 53 changes stay PENDING
    POST   /_world/late      {"seconds": 3}  how long reads answer what they answered before the last write
    POST   /_world/effect    {"frozen": true}  changes are accepted and read back, and edge and DNS do not follow them
                             optional: "only": "zones" (DNS) or "traffic" (edge)
    POST   /_world/requests  [[second, load balancer ARN, target group ARN, how many], ...]  what CloudWatch then counts
    POST   /_world/stacks    {"seconds": 2, "fail": "rolled-back"}  how long stack updates take, and how the next one ends
                             ("" well, rolled-back, or stuck in UPDATE_ROLLBACK_FAILED)
    POST   /_world/distributions  {"seconds": 2}  how long a change of a CloudFront distribution is InProgress
"""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from moto.core.request import Request
from moto.core.responses import BaseResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from cutover.world import (
    balancer_metrics,
    ready_file,
    strict_autoscaling,
    strict_cloudformation,
    strict_cloudfront,
    strict_ecs,
    strict_elbv2,
    strict_lambda,
    strict_route53,
)
from cutover.world.aws_control import CallLog, Fault, Faults, Operations, resources
from cutover.world.late_reads import LateReads
from cutover.world.target_health import Prober


def main() -> None:
    parser = argparse.ArgumentParser(description="AWS endpoint of the local world")
    parser.add_argument("--world", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    options = parser.parse_args()
    endpoint = Endpoint(options.world)
    server = make_server("127.0.0.1", options.port, endpoint, threaded=True, request_handler=_QuietHandler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start())
    endpoint.prober.start()
    ready_file.publish(options.world, "aws", {"port": server.server_port})
    try:
        server.serve_forever(poll_interval=0.1)
    finally:
        endpoint.prober.stop()


Answer = tuple[str, list[tuple[str, str]], bytes]


class _QuietHandler(MotoRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Requests are noted in aws-calls.jsonl instead."""


class Endpoint:
    """The WSGI application: control paths, then orders (faults), then moto with the strict parts, then the record."""

    def __init__(self, world: Path) -> None:
        self._settling = strict_route53.install()
        self._targets = strict_elbv2.install()
        self._stacks = strict_cloudformation.install()
        self._distributions = strict_cloudfront.install()
        self._own: dict[str, type[BaseResponse]] = {
            "cloudformation": strict_cloudformation.StrictCloudFormation,
            "cloudfront": strict_cloudfront.StrictCloudFront,
        }
        for strict in (strict_lambda, strict_ecs, strict_autoscaling):
            strict.install()
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._one_at_a_time = threading.RLock()  # moto's models know no threads; a call takes a few milliseconds
        self._faults = Faults()
        self._log = CallLog(world / "aws-calls.jsonl")
        self._operations = Operations()
        self._late = LateReads()
        self._seen: dict[str, object] = {}
        """What edge and DNS are shown instead, while changes have no effect."""
        self.prober = Prober(self._targets, self._probes)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if environ["PATH_INFO"].startswith("/_world/"):
            status, answer = self._control(environ["REQUEST_METHOD"], environ["PATH_INFO"], body)
            start_response(status, [("Content-Type", "application/json")])
            return [json.dumps(answer).encode()]
        service, operation = self._operations.name(environ, body)
        about = environ.get("HTTP_USER_AGENT", ""), resources(environ, body)
        fault = self._faults.take(operation)
        if fault is not None and fault.delay:
            time.sleep(fault.delay)
        if fault is not None and fault.code:
            self._log.note(service, operation, fault.http_status(), *about)
            return [fault.refuse(environ, start_response)]
        ask = self._ask_own if service in self._own else self._ask_moto
        status, headers, content = self._late.answer(
            operation,
            (service, environ["PATH_INFO"], environ.get("QUERY_STRING", ""), body),
            ask(service, environ, body),
        )
        self._log.note(service, operation, int(status.split()[0]), *about)
        if fault is not None and fault.lose_response:
            # werkzeug would keep the connection open and the client waiting; hang up without a word instead.
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError("answer lost on demand")
        start_response(status, headers)
        return [content]

    def _ask_own(self, service: str, environ: dict[str, Any], body: bytes) -> Answer:
        """A service of our own: moto reads the request and writes the answer, and its models are not asked."""
        environ["wsgi.input"] = io.BytesIO(body)
        request = Request(environ)
        request.from_wsgi_server = True
        with self._one_at_a_time:
            status, headers, content = self._own[service].dispatch(request)
        kept = [(name, str(value)) for name, value in headers.items() if name not in ("status", "server")]
        return f"{status} {HTTPStatus(status).phrase}", kept, content.encode() if isinstance(content, str) else content

    def _ask_moto(self, _: str, environ: dict[str, Any], body: bytes) -> Answer:
        kept: list[tuple[str, list[tuple[str, str]]]] = []

        def keep(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], object]:
            kept.append((status, headers))
            return lambda _: None

        environ["wsgi.input"] = io.BytesIO(body)
        with self._one_at_a_time:
            chunks = self._moto(environ, keep)
            content = b"".join(chunks)
        if hasattr(chunks, "close"):
            chunks.close()
        return kept[-1][0], kept[-1][1], content

    def _probes(self) -> list[Any]:
        with self._one_at_a_time:
            return strict_elbv2.probes()

    def _control(self, method: str, path: str, body: bytes) -> tuple[str, object]:
        try:
            match method, path:
                case "GET", "/_world/zones" | "/_world/traffic" if path in self._seen:
                    return "200 OK", self._seen[path]
                case "GET", "/_world/zones":
                    with self._one_at_a_time:
                        return "200 OK", self._settling.zones()
                case "GET", "/_world/traffic":
                    with self._one_at_a_time:
                        return "200 OK", strict_elbv2.traffic(self._targets)
                case "POST", "/_world/late":
                    self._late.seconds = float(json.loads(body)["seconds"])
                    return "200 OK", {"seconds": self._late.seconds}
                case "POST", "/_world/effect":
                    return "200 OK", {"frozen": self._freeze(**json.loads(body))}
                case "GET", "/_world/faults":
                    return "200 OK", self._faults.waiting()
                case "POST", "/_world/faults":
                    self._faults.order(Fault(**json.loads(body)))
                    return "200 OK", self._faults.waiting()
                case "DELETE", "/_world/faults":
                    self._faults.clear()
                    return "200 OK", []
                case "POST", "/_world/lag":
                    self._settling.lag = float(json.loads(body)["seconds"])
                    return "200 OK", {"seconds": self._settling.lag}
                case "POST", "/_world/requests":
                    with self._one_at_a_time:
                        balancer_metrics.publish([(int(s), str(b), str(g), int(n)) for s, b, g, n in json.loads(body)])
                    return "200 OK", {}
                case "POST", "/_world/stacks":
                    self._stacks.seconds, self._stacks.fail = _ordered(json.loads(body))
                    return "200 OK", {"seconds": self._stacks.seconds, "fail": self._stacks.fail}
                case "POST", "/_world/distributions":
                    self._distributions.seconds = float(json.loads(body)["seconds"])
                    return "200 OK", {"seconds": self._distributions.seconds}
        except (KeyError, TypeError, ValueError) as error:
            return "400 Bad Request", {"error": str(error)}
        return "404 Not Found", {"error": f"no {method} {path}"}

    def _freeze(self, frozen: bool, only: str = "") -> list[str]:
        """What edge and DNS are shown from now on as it is now; `only` is zones or traffic."""
        with self._one_at_a_time:
            views = {"zones": self._settling.zones(), "traffic": strict_elbv2.traffic(self._targets)}
        wanted = [view for view in views if frozen and only in ("", view)]
        self._seen = {f"/_world/{view}": json.loads(json.dumps(views[view])) for view in wanted}
        return wanted


def _ordered(asked: dict[str, Any]) -> tuple[float, str]:
    fail = str(asked.get("fail", ""))
    if fail not in ("", "rolled-back", "stuck"):
        raise ValueError(f"fail is one of rolled-back, stuck: {fail}")
    return float(asked.get("seconds", 0.0)), fail


if __name__ == "__main__":
    main()
    # Taking moto's models apart takes the interpreter a second; nothing is left to write, so go at once.
    os._exit(0)
