"""The local world's AWS: a moto server with strict Route 53 and ELBv2, one process, `python -m cutover.world.aws_endpoint`.

Any client works (boto3, the aws command), since every rule is on this side of the wire. State lives in memory until the
process ends. WORLD/aws.json says pid and port; WORLD/aws-calls.jsonl gets one line per AWS call (at, service, operation,
user_agent, status, write); what follows below is not an AWS call and is not noted there.

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
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from cutover.world import ready_file, strict_elbv2, strict_route53
from cutover.world.aws_control import CallLog, Fault, Faults, Operations
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


class _QuietHandler(MotoRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Requests are noted in aws-calls.jsonl instead."""


class Endpoint:
    """The WSGI application: control paths, then orders (faults), then moto with the strict parts, then the record."""

    def __init__(self, world: Path) -> None:
        self._settling = strict_route53.install()
        self._targets = strict_elbv2.install()
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._one_at_a_time = threading.RLock()  # moto's models know no threads; a call takes a few milliseconds
        self._faults = Faults()
        self._log = CallLog(world / "aws-calls.jsonl")
        self._operations = Operations()
        self.prober = Prober(self._targets, self._probes)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if environ["PATH_INFO"].startswith("/_world/"):
            status, answer = self._control(environ["REQUEST_METHOD"], environ["PATH_INFO"], body)
            start_response(status, [("Content-Type", "application/json")])
            return [json.dumps(answer).encode()]
        service, operation = self._operations.name(environ, body)
        fault = self._faults.take(operation)
        if fault is not None and fault.delay:
            time.sleep(fault.delay)
        if fault is not None and fault.code:
            self._log.note(service, operation, environ.get("HTTP_USER_AGENT", ""), fault.http_status())
            start_response(f"{fault.http_status()} Refused", [("Content-Type", "text/xml")])
            return [fault.body()]
        status, headers, content = self._ask_moto(environ, body)
        self._log.note(service, operation, environ.get("HTTP_USER_AGENT", ""), int(status.split()[0]))
        if fault is not None and fault.lose_response:
            # werkzeug would keep the connection open and the client waiting; hang up without a word instead.
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError("answer lost on demand")
        start_response(status, headers)
        return [content]

    def _ask_moto(self, environ: dict[str, Any], body: bytes) -> tuple[str, list[tuple[str, str]], bytes]:
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
                case "GET", "/_world/zones":
                    with self._one_at_a_time:
                        return "200 OK", self._settling.zones()
                case "GET", "/_world/traffic":
                    with self._one_at_a_time:
                        return "200 OK", strict_elbv2.traffic(self._targets)
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
        except (KeyError, TypeError, ValueError) as error:
            return "400 Bad Request", {"error": str(error)}
        return "404 Not Found", {"error": f"no {method} {path}"}


if __name__ == "__main__":
    main()
    # Taking moto's models apart takes the interpreter a second; nothing is left to write, so go at once.
    os._exit(0)
