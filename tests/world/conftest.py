"""The AWS half of the local world as real processes, with two small targets inside the test process."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from cutover.world import ready_file
from cutover.world.seed_aws import seed

DEADLINE = 20.0


def _eventually(what: Callable[[], Any], *, within: float = DEADLINE) -> Any:
    """The first true value of `what`; fails after `within` seconds with the last one."""
    deadline = time.monotonic() + within
    while not (seen := what()):
        assert time.monotonic() < deadline, f"not within {within:g} s; last seen: {seen!r}"
        time.sleep(0.01)
    return seen


@dataclass
class LittleTarget:
    """An HTTP server that says who it is; `health` is the status of /health, `gate` holds back /slow."""

    name: str
    health: int = 200
    gate: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)
    seen: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        target = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length).decode()
                if self.path == "/health":
                    return self._say(target.health, b"health")
                if self.path == "/slow":
                    target.arrived.set()
                    target.gate.wait(DEADLINE)
                target.seen.append({"method": self.command, "path": self.path, "body": body, **dict(self.headers)})
                self._say(418 if self.path == "/teapot" else 200, target.name.encode())

            do_POST = do_HEAD = do_DELETE = do_OPTIONS = do_GET

            def _say(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Set-Cookie", "one=1")
                self.send_header("Set-Cookie", "two=2")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        if not self._thread.is_alive():
            return
        self.gate.set()
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()


@dataclass
class AwsWorld:
    """The running processes and clients for them."""

    home: Path
    blue: LittleTarget
    green: LittleTarget
    route53: Any
    elbv2: Any
    ec2: Any

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ready_file.facts_of(self.home, 'aws')['port']}",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def control(self, method: str, path: str, body: object = None, *, component: str = "aws") -> Any:
        port = ready_file.facts_of(self.home, component)["port"]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def zone(self, name: str) -> str:
        """A new hosted zone; returns its id."""
        answer = self.route53.create_hosted_zone(Name=name, CallerReference=name)
        return str(answer["HostedZone"]["Id"])

    def group(self, name: str, *targets: LittleTarget) -> str:
        """A new target group with these targets; returns its ARN."""
        vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        arn = self.elbv2.create_target_group(
            Name=name, Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip", HealthCheckPath="/health"
        )["TargetGroups"][0]["TargetGroupArn"]
        if targets:
            members = [{"Id": "127.0.0.1", "Port": target.port} for target in targets]
            self.elbv2.register_targets(TargetGroupArn=arn, Targets=members)
        return str(arn)

    def balancer(self, name: str, action: dict[str, Any]) -> tuple[str, str]:
        """A new load balancer with one listener; returns (listener ARN, DNS name)."""
        subnets = [subnet["SubnetId"] for subnet in self.ec2.describe_subnets()["Subnets"][:2]]
        made = self.elbv2.create_load_balancer(Name=name, Subnets=subnets)["LoadBalancers"][0]
        listener = self.elbv2.create_listener(
            LoadBalancerArn=made["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=[action]
        )["Listeners"][0]
        return listener["ListenerArn"], made["DNSName"]

    def states(self, group: str) -> list[str]:
        found = self.elbv2.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return sorted(each["TargetHealth"]["State"] for each in found)


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """`eventually(what, within=seconds)`: poll for a condition."""
    return _eventually


@pytest.fixture
def little_target() -> Iterator[Callable[[str], LittleTarget]]:
    """Starts more targets, which end with the test."""
    made: list[LittleTarget] = []

    def start(name: str) -> LittleTarget:
        made.append(LittleTarget(name))
        return made[-1]

    yield start
    for target in made:
        target.close()


@pytest.fixture(scope="session")
def aws_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsWorld]:
    home = tmp_path_factory.mktemp("world")
    blue, green = LittleTarget("blue"), LittleTarget("green")
    started: list[subprocess.Popen[bytes]] = []
    clients: list[Any] = []
    try:
        with (home / "log").open("wb") as log:
            started += [
                subprocess.Popen(
                    [sys.executable, "-W", "error::ResourceWarning", "-m", f"cutover.world.{module}"]
                    + ["--world", str(home)],
                    stdout=log,
                    stderr=log,
                )
                for module in ("aws_endpoint", "dns", "edge")
            ]
        endpoint = f"http://127.0.0.1:{ready_file.wait_for(home, 'aws', seconds=DEADLINE)['port']}"
        settings: dict[str, Any] = {
            "endpoint_url": endpoint,
            "region_name": "us-east-1",
            "aws_access_key_id": "local",
            "aws_secret_access_key": "local",
            "config": Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 1}),
        }
        clients += [boto3.client(name, **settings) for name in ("route53", "elbv2", "ec2")]
        world = AwsWorld(home, blue, green, *clients)
        with pytest.MonkeyPatch.context() as environment:
            for name, value in world.environment.items():
                environment.setenv(name, value)
            seed(blue_port=blue.port, green_port=green.port)
        for component in ("dns", "edge"):
            ready_file.wait_for(home, component, seconds=DEADLINE)
        yield world
        for process in started:
            process.terminate()
        for process in started:
            assert process.wait(2) == 0, (home / "log").read_text()
    finally:
        for process in started:
            if process.poll() is None:
                os.kill(process.pid, 9)
                process.wait(5)
        for client in clients:
            client.close()
        blue.close()
        green.close()
