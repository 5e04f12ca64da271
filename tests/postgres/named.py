"""The AWS endpoint and the DNS server of the local world, with the name that database clients connect to."""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import dns.rrset
import pytest
from pairs import Pair
from psycopg import conninfo

from cutover.aws.client_name import ClientName
from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.world import ready_file
from cutover.world.seed_aws import seed

RECORD = "db.shop.test"
ABOUT = {"record": RECORD, "blue": "db-blue.shop.test", "green": "db-green.shop.test"}
START = 60.0


def name_of(about: dict[str, str]) -> ClientName:
    """The route of plain words, so that another process can be told of it."""
    return ClientName(Aws("us-east-1"), "shop.test", about["record"], about["blue"], about["green"])


@dataclass
class Named:
    """`server` is host:port of the one name server."""

    port: int
    server: str

    @property
    def clients(self) -> ClientName:
        return name_of(ABOUT)

    def control(self, method: str, path: str, body: object = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, f"/_world/{path}", json.dumps(body) if body is not None else None)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def fault(self, operation: str, **order: Any) -> None:
        self.control("POST", "faults", {"operation": operation, **order})

    def put(self, *values: str, ttl: int) -> None:
        """Writes the record as it has to be, whatever was there."""
        aws, deadline = Aws("us-east-1"), Deadline.after(10.0)
        zone = aws.call("route53", "ListHostedZonesByName", deadline, DNSName="shop.test")["HostedZones"][0]["Id"]
        records = [{"Value": value} for value in values]
        record = {"Name": RECORD, "Type": "CNAME", "TTL": ttl, "ResourceRecords": records}
        batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
        aws.call("route53", "ChangeResourceRecordSets", deadline, HostedZoneId=zone, ChangeBatch=batch)

    def asked(self) -> dns.rrset.RRset | None:
        """What the name server answers a client."""
        host, _, port = self.server.rpartition(":")
        answer = dns.query.udp(dns.message.make_query(RECORD, "CNAME"), host, port=int(port), timeout=5).answer
        return answer[0] if answer else None


def led(name: Named) -> str:
    """The side that the name server leads to."""
    answer = name.asked()
    return "" if answer is None else str(answer[0]).split(".")[0].removeprefix("db-")


class Resolver:
    """Finds the server as a client does: by the name server's answer, kept for its TTL."""

    def __init__(self, pair: Pair, name: Named) -> None:
        self._pair, self._name, self._side, self._until = pair, name, "", 0.0

    def __call__(self) -> str:
        if time.monotonic() > self._until:
            answer = self._name.asked()
            assert answer is not None
            self._side, self._until = led(self._name), time.monotonic() + answer.ttl
        return conninfo.make_conninfo(self._pair.dsns[self._side], user="shop", application_name="shop")


class _Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


@contextmanager
def named(lag: float = 0.1) -> Iterator[Named]:
    """Both processes, seeded; health checks find a target for each side, and a change is in sync after `lag` seconds."""
    started: list[subprocess.Popen[bytes]] = []
    health = ThreadingHTTPServer(("127.0.0.1", 0), _Healthy)
    health.daemon_threads = True
    serving = threading.Thread(target=health.serve_forever, args=(0.02,), daemon=True)
    serving.start()
    with tempfile.TemporaryDirectory(prefix="cutover-test-") as place, pytest.MonkeyPatch.context() as patch:
        world = Path(place)
        try:
            with (world / "log").open("wb") as log:
                for module in ("aws_endpoint", "dns"):
                    command = [sys.executable, "-m", f"cutover.world.{module}", "--world", place]
                    started.append(subprocess.Popen(command, stdout=log, stderr=log))
            port = ready_file.wait_for(world, "aws", seconds=START)["port"]
            patch.delenv("AWS_PROFILE", raising=False)
            for name, value in {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": "local",
                "AWS_SECRET_ACCESS_KEY": "local",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            }.items():
                patch.setenv(name, value)
            seed(blue_port=health.server_address[1], green_port=health.server_address[1])
            found = Named(port, f"127.0.0.1:{ready_file.wait_for(world, 'dns', seconds=START)['port']}")
            found.control("POST", "lag", {"seconds": lag})
            yield found
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(timeout=10)
            health.shutdown()
            health.server_close()
            serving.join(5)
