"""The local world's load balancers obey rules, weights, health and draining, and lose no request."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from cutover.aws.alb_rules import AlbMaintenance
from cutover.aws.cloudwatch import Requests, requests_by_target_group
from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.world import ready_file
from cutover.world.edge_counts import Counts
from cutover.world.edge_rules import kept_group, sticky_cookie

_numbers = count()
TAG = "x-cutover-target-group"


@dataclass(frozen=True)
class Front:
    """A load balancer of one test's own with a group for blue and one for green."""

    name: str
    port: int
    listener: str
    blue: str
    green: str


@pytest.fixture(autouse=True)
def _credentials(aws_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws_world.environment.items():
        monkeypatch.setenv(name, value)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: str


@pytest.fixture
def front(aws_world: Any, eventually: Any) -> Front:
    name = f"e{next(_numbers)}"
    blue = aws_world.group(f"{name}-blue", aws_world.blue)
    green = aws_world.group(f"{name}-green", aws_world.green)
    listener, dns_name = aws_world.balancer(name, forward((blue, 100), (green, 0)))
    port = eventually(lambda: ready_file.facts_of(aws_world.home, "edge")["load_balancers"].get(dns_name))
    for group in (blue, green):
        eventually(lambda group=group: aws_world.states(group) == ["healthy"])
    eventually(lambda: _states(aws_world, name) == {"healthy"})
    return Front(name, port, listener, blue, green)


def _states(world: Any, name: str) -> set[str]:
    groups = world.control("GET", "/_world/traffic")["target_groups"].values()
    return {target["state"] for group in groups if group["name"].startswith(f"{name}-") for target in group["targets"]}


def forward(*shares: tuple[str, int]) -> dict[str, Any]:
    groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in shares]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}


def send(front: Front, path: str = "/", method: str = "GET", body: str | None = None, **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=20)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read().decode())
    finally:
        connection.close()


def weigh(world: Any, front: Front, blue: int, green: int) -> None:
    action = forward((front.blue, blue), (front.green, green))
    world.elbv2.modify_listener(ListenerArn=front.listener, DefaultActions=[action])


def test_a_request_arrives_whole_and_its_answer_is_tagged(aws_world: Any, front: Front) -> None:
    answer = send(front, "/orders/a%2Fb?q=1", "POST", "a body", Host="shop.shop.test", X_Mine="yes")
    assert (answer.status, answer.body, answer.headers[TAG]) == (200, "blue", f"{front.name}-blue")
    assert answer.headers.get_all("Set-Cookie") == ["one=1", "two=2"]
    seen = aws_world.blue.seen[-1]
    assert (seen["method"], seen["path"], seen["body"]) == ("POST", "/orders/a%2Fb?q=1", "a body")
    assert (seen["Host"], seen["X-Mine"], seen["X-Forwarded-For"]) == ("shop.shop.test", "yes", "127.0.0.1")
    head = send(front, "/", "HEAD")
    assert (head.status, head.headers["Content-Length"], head.body) == (200, "4", "")
    assert send(front, "/teapot").status == 418


def test_weights_take_effect_fast_and_are_honoured(aws_world: Any, front: Front) -> None:
    assert {send(front).body for _ in range(20)} == {"blue"}
    weigh(aws_world, front, 0, 100)
    written = time.monotonic()
    while send(front).body == "blue":
        assert time.monotonic() - written < 2, "weights did not arrive"
    assert {send(front).body for _ in range(20)} == {"green"}
    weigh(aws_world, front, 50, 50)
    while send(front).body == "green":
        assert time.monotonic() - written < 20, "weights did not arrive"
    share = Counter(send(front).body for _ in range(300))
    assert abs(share["blue"] - 150) < 54  # six standard deviations
    counted = aws_world.control("GET", "/_world/counters", component="edge")["target_groups"]
    assert counted[f"{front.name}-blue"]["requests"] >= 20 + share["blue"]


def test_rules_go_by_priority_and_conditions(aws_world: Any, front: Front, eventually: Any) -> None:
    def rule(priority: int, body: str, *conditions: dict[str, Any]) -> None:
        fixed = {"StatusCode": "503", "ContentType": "application/json", "MessageBody": body}
        aws_world.elbv2.create_rule(
            ListenerArn=front.listener,
            Priority=priority,
            Conditions=list(conditions),
            Actions=[{"Type": "fixed-response", "FixedResponseConfig": fixed}],
        )

    def fits(field: str, config: str, values: list[Any], **more: str) -> dict[str, Any]:
        return {"Field": field, config: {"Values": values, **more}}

    rule(50, "any path below api", {"Field": "path-pattern", "Values": ["/api/*"]})
    rule(40, "writes", fits("http-request-method", "HttpRequestMethodConfig", ["POST", "PUT"]))
    rule(30, "api host", fits("host-header", "HostHeaderConfig", ["api.?hop.test"]))
    rule(20, "header", fits("http-header", "HttpHeaderConfig", ["y*"], HttpHeaderName="X-Probe"))
    rule(10, "query", fits("query-string", "QueryStringConfig", [{"Key": "side", "Value": "GREEN"}]))
    eventually(lambda: send(front, "/?side=green").body == "query")
    assert send(front, "/api/x", "POST").body == "writes"
    refused = send(front, "/api/x")
    assert (refused.status, refused.body) == (503, "any path below api")
    assert (refused.headers["Content-Type"], refused.headers["Server"]) == ("application/json", "awselb/2.0")
    assert send(front, "/", Host="API.shop.test:80").body == "api host"
    assert send(front, "/", x_probe="Yes").body == "header"
    assert send(front, "/other").body == "blue"


def test_a_request_in_flight_survives_a_shift_and_a_deregistration(
    aws_world: Any, front: Front, eventually: Any
) -> None:
    aws_world.blue.gate.clear()
    aws_world.blue.arrived.clear()
    answers: list[Answer] = []
    slow = threading.Thread(target=lambda: answers.append(send(front, "/slow")))
    slow.start()
    try:
        assert aws_world.blue.arrived.wait(20)
        weigh(aws_world, front, 0, 100)
        target = {"Id": "127.0.0.1", "Port": aws_world.blue.port}
        aws_world.elbv2.deregister_targets(TargetGroupArn=front.blue, Targets=[target])
        eventually(lambda: send(front).body == "green")
        assert not answers
    finally:
        aws_world.blue.gate.set()
        slow.join(20)
    assert [(answer.status, answer.body) for answer in answers] == [(200, "blue")]


def test_an_empty_group_is_503_and_an_unhealthy_one_fails_open(aws_world: Any, front: Front, eventually: Any) -> None:
    aws_world.blue.health = 500
    try:
        eventually(lambda: aws_world.states(front.blue) == ["unhealthy"])
        assert send(front).body == "blue"
    finally:
        aws_world.blue.health = 200
    target = {"Id": "127.0.0.1", "Port": aws_world.blue.port}
    aws_world.elbv2.deregister_targets(TargetGroupArn=front.blue, Targets=[target])
    eventually(lambda: send(front).status == 503)


def test_an_unhealthy_target_is_skipped_while_another_is_healthy(aws_world: Any, front: Front, eventually: Any) -> None:
    target = {"Id": "127.0.0.1", "Port": aws_world.green.port}
    aws_world.elbv2.register_targets(TargetGroupArn=front.blue, Targets=[target])
    eventually(lambda: {send(front).body for _ in range(6)} == {"blue", "green"})
    aws_world.blue.health = 500
    try:
        eventually(lambda: {send(front).body for _ in range(6)} == {"green"})
    finally:
        aws_world.blue.health = 200


def test_a_dead_target_costs_no_read_and_a_write_is_never_sent_twice(
    aws_world: Any, little_target: Any, eventually: Any
) -> None:
    name = f"e{next(_numbers)}"
    dying = little_target("dying")
    group = aws_world.group(name, aws_world.blue, dying)
    listener, dns_name = aws_world.balancer(name, forward((group, 1)))
    port = eventually(lambda: ready_file.facts_of(aws_world.home, "edge")["load_balancers"].get(dns_name))
    front = Front(name, port, listener, group, group)
    eventually(lambda: {send(front).body for _ in range(6)} == {"blue", "dying"})
    dying.close()
    answers = [send(front).body for _ in range(8)]
    assert set(answers) == {"blue"}
    already = len([seen for seen in aws_world.blue.seen if seen["path"] == f"/once/{name}"])
    writes = [send(front, f"/once/{name}", "POST", "x").status for _ in range(8)]
    arrived = len([seen for seen in aws_world.blue.seen if seen["path"] == f"/once/{name}"]) - already
    assert set(writes) <= {200, 502}
    assert arrived == writes.count(200)


def test_what_the_edge_forwards_is_cloudwatch_data_of_its_second(aws_world: Any, front: Front, eventually: Any) -> None:
    began = int(time.time())
    for _ in range(5):
        send(front)
    aws = Aws("us-east-1")

    def told() -> Requests:
        return requests_by_target_group(
            aws,
            front.name,
            [f"{front.name}-blue", f"{front.name}-green"],
            began,
            int(time.time()) + 1,
            Deadline.after(20),
            period=1,
        )

    seen = eventually(lambda: now if (now := told()).in_all == 5 else None)
    assert dict(seen.by_group) == {f"{front.name}-blue": 5, f"{front.name}-green": 0}


def test_counts_that_could_not_be_told_are_told_the_next_time() -> None:
    now = 100.0
    counts = Counts(clock=lambda: now)
    counts.add("balancer", "blue")
    assert counts.take() == []
    now = 101.5
    counts.add("balancer", "blue")
    taken = counts.take()
    assert taken == [(100, "balancer", "blue", 1)]
    assert counts.take() == []
    counts.back(taken)
    now = 102.0
    assert counts.take() == [(100, "balancer", "blue", 1), (101, "balancer", "blue", 1)]


def test_a_sticky_client_keeps_its_group_whatever_the_weights_say_until_stickiness_is_off(
    aws_world: Any, front: Front, eventually: Any
) -> None:
    """Case 19: no weight, not even 0, moves a client that has the cookie; it is renewed with each answer."""

    def weigh_sticky(blue: int, green: int, seconds: int) -> None:
        action = forward((front.blue, blue), (front.green, green))
        sticky = {"Enabled": True, "DurationSeconds": seconds} if seconds else {"Enabled": False}
        action["ForwardConfig"]["TargetGroupStickinessConfig"] = sticky
        aws_world.elbv2.modify_listener(ListenerArn=front.listener, DefaultActions=[action])

    def cookies(answer: Answer) -> dict[str, str]:
        given = [line.partition("=") for line in answer.headers.get_all("Set-Cookie") or []]
        return {name: rest.partition(";")[0] for name, _, rest in given}

    weigh_sticky(100, 0, 60)
    first = eventually(lambda: answer if "AWSALBTG" in cookies(answer := send(front)) else None)
    mine = f"AWSALBTG={cookies(first)['AWSALBTG']}"
    weigh_sticky(0, 100, 60)
    eventually(lambda: send(front).body == "green")
    kept = [send(front, cookie=mine) for _ in range(5)]
    assert {answer.body for answer in kept} == {"blue"}
    assert all("AWSALBTG" in cookies(answer) and "AWSALBTGCORS" in cookies(answer) for answer in kept)
    assert send(front, cookie="AWSALBTG=nonsense").body == "green"
    weigh_sticky(0, 100, 0)
    eventually(lambda: send(front, cookie=mine).body == "green")
    assert "AWSALBTG" not in cookies(send(front))


def test_a_cookie_that_has_expired_or_names_another_group_is_no_cookie() -> None:
    action = forward(("a", 1), ("b", 0))
    action["ForwardConfig"]["TargetGroupStickinessConfig"] = {"Enabled": True, "DurationSeconds": 60}
    assert kept_group(action, sticky_cookie("b", 100), 99) == "b"
    assert kept_group(action, sticky_cookie("b", 100), 100) is None
    assert kept_group(action, sticky_cookie("c", 100), 99) is None
    assert kept_group(action, "%%%", 99) is None
    assert kept_group(action, None, 99) is None
    assert kept_group(forward(("a", 1), ("b", 0)), sticky_cookie("b", 100), 99) is None


def test_maintenance_refuses_writes_and_leaves_reads_and_preflights_of_browsers_alone(
    aws_world: Any, front: Front, eventually: Any
) -> None:
    step = AlbMaintenance(
        name="maintenance",
        aws=Aws("us-east-1"),
        load_balancer=front.name,
        port=80,
        hosts=("shop.test", "www.shop.test"),
    )
    step.commands(step.after)[0].run(Deadline.after(20))
    eventually(lambda: send(front, "/", "POST", "x", Host="www.shop.test").status == 503)
    refused = send(front, "/", "DELETE", Host="shop.test")
    assert (refused.status, json.loads(refused.body)["error"]) == (503, "maintenance")
    assert refused.headers["Retry-After"] is None
    assert [send(front, "/", method, Host="shop.test").status for method in ("GET", "HEAD", "OPTIONS")] == [200] * 3
    assert send(front, "/", "POST", "x", Host="other.test").status == 200
    step.inverse().commands(step.before)[0].run(Deadline.after(20))
    eventually(lambda: send(front, "/", "POST", "x", Host="shop.test").status == 200)


def test_a_deleted_load_balancer_stops_listening(aws_world: Any, front: Front, eventually: Any) -> None:
    found = aws_world.elbv2.describe_load_balancers(Names=[front.name])["LoadBalancers"]
    aws_world.elbv2.delete_load_balancer(LoadBalancerArn=found[0]["LoadBalancerArn"])

    def refused() -> bool:
        try:
            send(front)
        except OSError:
            return True
        return False

    eventually(refused)
