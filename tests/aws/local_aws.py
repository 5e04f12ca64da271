"""What the AWS tests say to the local endpoint besides what the adapters say, and two small targets with health."""

import json
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.world.seed_aws import seed


def eventually(what: Callable[[], Any], *, within: float = 20.0) -> Any:
    """The first true value of `what`; fails after `within` seconds with the last one."""
    deadline = time.monotonic() + within
    while not (seen := what()):
        assert time.monotonic() < deadline, f"not within {within:g} s; last seen: {seen!r}"
        time.sleep(0.02)
    return seen


class Target:
    """An HTTP server whose /health answers `status`."""

    def __init__(self) -> None:
        self.status = 200
        target = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(target.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@dataclass
class Endpoint:
    """The endpoint's control paths and its record of calls."""

    world: Path
    url: str
    blue: Target
    green: Target
    aws: Aws = field(default_factory=lambda: Aws("us-east-1"))

    seeded: list[dict[str, Any]] = field(default_factory=list)
    arns: dict[str, str] = field(default_factory=dict)
    listeners: dict[str, str] = field(default_factory=dict)
    zone_id: str = ""
    before: list[dict[str, Any]] = field(default_factory=list)

    def start(self) -> None:
        """Seed it as before a cutover; a change of records is in sync after 50 ms."""
        seed(blue_port=self.blue.port, green_port=self.green.port)
        self.lag(0.05)
        self.late(0)
        vpc = self.elb("DescribeTargetGroups", Names=["shop-blue"])["TargetGroups"][0]["VpcId"]
        self.elb("CreateTargetGroup", Name="shop-third", Protocol="HTTP", Port=80, VpcId=vpc)  # a third one, empty
        self.seeded = self._all_records()
        self.forward(shop_blue=1)
        self.before = self.listener()["DefaultActions"]

    def _all_records(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.r53("ListResourceRecordSets", HostedZoneId=self.zone())["ResourceRecordSets"]
        return found

    def control(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_world/{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def fault(self, operation: str, **order: Any) -> None:
        self.control("POST", "faults", {"operation": operation, **order})

    def late(self, seconds: float) -> None:
        """For so long after a write reads answer what they answered before."""
        self.control("POST", "late", {"seconds": seconds})

    def lag(self, seconds: float) -> None:
        self.control("POST", "lag", {"seconds": seconds})

    def calls(self) -> list[dict[str, Any]]:
        path = self.world / "aws-calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def writes_during(self, act: Callable[[], Any]) -> list[str]:
        """The write operations that `act` sent."""
        before = len(self.calls())
        act()
        return [call["operation"] for call in self.calls()[before:] if call["write"]]

    def elb(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return self.aws.call("elbv2", operation, Deadline.after(10), **parameters)

    def r53(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return self.aws.call("route53", operation, Deadline.after(10), **parameters)

    def group(self, name: str) -> str:
        """The ARN of a target group; it stays the same for the whole session."""
        if not self.arns:
            found = self.elb("DescribeTargetGroups")["TargetGroups"]
            self.arns = {group["TargetGroupName"]: group["TargetGroupArn"] for group in found}
        return self.arns[name]

    def listener_arn(self, balancer: str = "shop") -> str:
        if balancer not in self.listeners:
            arn = self.elb("DescribeLoadBalancers", Names=[balancer])["LoadBalancers"][0]["LoadBalancerArn"]
            found = self.elb("DescribeListeners", LoadBalancerArn=arn)["Listeners"][0]
            self.listeners[balancer] = found["ListenerArn"]
        return self.listeners[balancer]

    def listener(self, balancer: str = "shop") -> dict[str, Any]:
        shown: dict[str, Any] = self.elb("DescribeListeners", ListenerArns=[self.listener_arn(balancer)])["Listeners"][
            0
        ]
        return shown

    def rules(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.elb("DescribeRules", ListenerArn=self.listener_arn())["Rules"]
        return [rule for rule in found if not rule["IsDefault"]]

    def forward(self, sticky: int = 0, **weights: int) -> None:
        """Write the shop listener's default action: weights by target group, names with _ for -."""
        groups = [{"TargetGroupArn": self.group(n.replace("_", "-")), "Weight": w} for n, w in weights.items()]
        config: dict[str, Any] = {"TargetGroups": groups}
        if sticky:
            config["TargetGroupStickinessConfig"] = {"Enabled": True, "DurationSeconds": sticky}
        actions = [{"Type": "forward", "ForwardConfig": config}]
        self.elb("ModifyListener", ListenerArn=self.listener_arn(), DefaultActions=actions)

    def weights(self) -> dict[str, int]:
        groups = self.listener()["DefaultActions"][-1]["ForwardConfig"]["TargetGroups"]
        return {g["TargetGroupArn"].split("/")[1]: int(g.get("Weight", 1)) for g in groups}

    def healthy(self, name: str) -> bool:
        described = self.elb("DescribeTargetHealth", TargetGroupArn=self.group(name))["TargetHealthDescriptions"]
        return [one["TargetHealth"]["State"] for one in described] == ["healthy"]

    def zone(self) -> str:
        if not self.zone_id:
            zone: str = self.r53("ListHostedZonesByName", DNSName="shop.test")["HostedZones"][0]["Id"]
            self.zone_id = zone.removeprefix("/hostedzone/")
        return self.zone_id

    def records(self, name: str = "api.shop.test.") -> list[dict[str, Any]]:
        return [record for record in self._all_records() if record["Name"] == name]

    def change(self, *changes: tuple[str, dict[str, Any]]) -> None:
        """One batch of (action, record set); an empty one is not sent."""
        if not changes:
            return
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": record} for action, record in changes]}
        self.r53("ChangeResourceRecordSets", HostedZoneId=self.zone(), ChangeBatch=batch)

    def rule(self, priority: int, status: str) -> str:
        """Somebody else's rule for POST on the shop listener; returns its ARN."""
        arn: str = self.elb(
            "CreateRule",
            ListenerArn=self.listener_arn(),
            Priority=priority,
            Conditions=[{"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["POST"]}}],
            Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": status}}],
        )["Rules"][0]["RuleArn"]
        return arn

    def host_rule(self, priority: int, host: str, path: str = "", *, listener: str = "", **weights: int) -> str:
        """A rule for a host, and a path if given, that forwards by weights; returns its ARN."""
        groups = [{"TargetGroupArn": self.group(n.replace("_", "-")), "Weight": w} for n, w in weights.items()]
        conditions = [{"Field": "host-header", "HostHeaderConfig": {"Values": [host]}}]
        conditions += [{"Field": "path-pattern", "PathPatternConfig": {"Values": [path]}}] if path else []
        arn: str = self.elb(
            "CreateRule",
            ListenerArn=listener or self.listener_arn(),
            Priority=priority,
            Conditions=conditions,
            Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}],
        )["Rules"][0]["RuleArn"]
        return arn

    def rule_weights(self, arn: str) -> dict[str, int]:
        groups = self.elb("DescribeRules", RuleArns=[arn])["Rules"][0]["Actions"][-1]["ForwardConfig"]["TargetGroups"]
        return {g["TargetGroupArn"].split("/")[1]: int(g.get("Weight", 1)) for g in groups}

    def attribute(self, group: str, key: str, value: str) -> None:
        attributes = [{"Key": key, "Value": value}]
        self.elb("ModifyTargetGroupAttributes", TargetGroupArn=self.group(group), Attributes=attributes)

    def second_listener(self, port: int, actions: list[dict[str, Any]], *, https: bool = False) -> str:
        """Another listener of the shop's load balancer; returns its ARN."""
        balancer = self.elb("DescribeLoadBalancers", Names=["shop"])["LoadBalancers"][0]["LoadBalancerArn"]
        secured: dict[str, Any] = {}
        if https:
            made = self.aws.call("acm", "RequestCertificate", Deadline.after(10), DomainName="shop.test")
            secured["Certificates"] = [{"CertificateArn": made["CertificateArn"]}]
        arn: str = self.elb(
            "CreateListener",
            LoadBalancerArn=balancer,
            Port=port,
            Protocol="HTTPS" if https else "HTTP",
            DefaultActions=actions,
            **secured,
        )["Listeners"][0]["ListenerArn"]
        return arn

    def no_second_listener(self) -> None:
        balancer = self.elb("DescribeLoadBalancers", Names=["shop"])["LoadBalancers"][0]["LoadBalancerArn"]
        for listener in self.elb("DescribeListeners", LoadBalancerArn=balancer)["Listeners"]:
            if listener["ListenerArn"] != self.listener_arn():
                self.elb("DeleteListener", ListenerArn=listener["ListenerArn"])

    def no_rules(self) -> None:
        for rule in self.rules():
            self.elb("DeleteRule", RuleArn=rule["RuleArn"])

    def seeded_records(self) -> None:
        wanted, found = self.seeded, self._all_records()
        if found != wanted:
            gone = [("DELETE", r) for r in found if r not in wanted]
            self.change(*gone, *(("CREATE", r) for r in wanted if r not in found))

    def reset(self) -> None:
        """Back to what it was before the test; health and lag too."""
        self.control("DELETE", "faults")
        self.lag(0.05)
        self.blue.status = self.green.status = 200
        self.no_rules()
        self.no_second_listener()
        for group in ("shop-blue", "shop-green"):
            self.attribute(group, "stickiness.enabled", "false")
        if self.listener()["DefaultActions"] != self.before:
            self.forward(shop_blue=1)
        self.seeded_records()
        if not self.elb("DescribeTargetHealth", TargetGroupArn=self.group("shop-green"))["TargetHealthDescriptions"]:
            seed(blue_port=self.blue.port, green_port=self.green.port)
