"""The way to AWS: nothing is opened early, retries are visible and end, unknown outcomes say so, dry-runs cannot write."""

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from local_aws import Endpoint

from cutover.aws.document import document
from cutover.aws.session import Aws, AwsError, OutcomeUnknown, WriteRefused, is_read
from cutover.core.clock import Deadline
from cutover.core.errors import Refused, Unreachable


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """An AWS that does not exist: a port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    _credentials(monkeypatch, port)


def _credentials(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """An AWS that answers every call with one error; the dictionary says which."""
    says = {"code": "AccessDenied", "message": "no", "status": "400"}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            error = f"<Error><Code>{says['code']}</Code><Message>{says['message']}</Message></Error>"
            body = f"<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>".encode()
            self.send_response(int(says["status"]))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    _credentials(monkeypatch, server.server_address[1])
    yield says
    server.shutdown()
    server.server_close()
    thread.join(5)


def ask(aws: Aws, seconds: float = 0.5) -> None:
    aws.call("elbv2", "DescribeLoadBalancers", Deadline.after(seconds))


@pytest.mark.parametrize(
    ("code", "message", "advice"),
    [
        ("ExpiredToken", "The security token included in the request is expired", "log in again"),
        ("RequestTimeTooSkewed", "too far", "clock is wrong"),
        ("SignatureDoesNotMatch", "Signature expired: 2026 is now earlier than 2026", "clock is wrong"),
        ("SignatureDoesNotMatch", "The signature we calculated does not match", "does not accept these credentials"),
        ("InvalidClientTokenId", "bad", "get-caller-identity"),
        ("AccessDenied", "no", "lack the permission"),
    ],
)
def test_trouble_with_credentials_says_what_to_do(
    refusing: dict[str, str], code: str, message: str, advice: str
) -> None:
    refusing.update(code=code, message=message)
    with pytest.raises(AwsError, match=advice) as caught:
        ask(Aws("us-east-1"))
    assert isinstance(caught.value, Unreachable)
    assert caught.value.code == code


def test_no_credentials_at_all_is_said(monkeypatch: pytest.MonkeyPatch, nowhere: None) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(AwsError, match="no usable credentials"):
        ask(Aws("us-east-1"))
    with pytest.raises(AwsError, match="ProfileNotFound"):
        ask(Aws("us-east-1", profile="nobody"))


def test_nobody_there_is_tried_until_the_deadline_and_told(nowhere: None) -> None:
    told: list[str] = []
    began = time.monotonic()
    with pytest.raises(AwsError, match="EndpointConnectionError"):
        ask(Aws("us-east-1", on_retry=told.append), seconds=1.0)
    assert 0.9 < time.monotonic() - began < 5
    assert len(told) >= 2
    assert "left to try again" in told[0]


def test_a_silent_aws_does_not_hold_us_longer_than_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as deaf:
        _credentials(monkeypatch, deaf.getsockname()[1])
        began = time.monotonic()
        with pytest.raises(AwsError, match="ReadTimeoutError"):
            ask(Aws("us-east-1"), seconds=1.2)
        assert time.monotonic() - began < 4


def test_a_write_without_an_answer_is_not_sent_twice(endpoint: Endpoint) -> None:
    listener = endpoint.listener()
    for order in ({"lose_response": True}, {"code": "InternalFailure"}, {"code": "ServiceUnavailable"}):
        endpoint.fault("ModifyListener", **order)

        def write() -> None:
            with pytest.raises(OutcomeUnknown, match="may have taken effect"):
                endpoint.elb(
                    "ModifyListener", ListenerArn=listener["ListenerArn"], DefaultActions=listener["DefaultActions"]
                )

        assert endpoint.writes_during(write) == ["ModifyListener"]


def test_a_read_is_tried_again_after_any_passing_trouble(endpoint: Endpoint) -> None:
    endpoint.fault("DescribeLoadBalancers", code="Throttling")
    endpoint.fault("DescribeLoadBalancers", code="InternalFailure")
    endpoint.fault("DescribeLoadBalancers", lose_response=True)
    ask(Aws("us-east-1"), seconds=10)


def test_a_read_only_session_sends_no_write(endpoint: Endpoint) -> None:
    aws = Aws("us-east-1", read_only=True)
    ask(aws, seconds=10)

    def write() -> None:
        with pytest.raises(WriteRefused, match="elbv2 DeleteRule was refused here") as caught:
            aws.call("elbv2", "DeleteRule", Deadline.after(5), RuleArn="arn:of-a-rule")
        assert isinstance(caught.value, Refused)
        with pytest.raises(WriteRefused):
            aws.client("route53").create_hosted_zone(Name="new.test", CallerReference="1")

    assert endpoint.writes_during(write) == []


def test_only_what_is_known_to_read_reads() -> None:
    assert is_read("route53", "TestDNSAnswer")
    assert is_read("s3", "GetObject")
    for operation in ("ChangeResourceRecordSets", "PutObject", "StartQuery", "Undescribe", "TestInvokeMethod"):
        assert not is_read("route53", operation)


def test_several_threads_may_share_one(endpoint: Endpoint) -> None:
    aws = Aws("us-east-1")
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(ask, aws, 10) for _ in range(16)]:
            done.result(30)


def test_the_configuration_is_read_as_plain_data(endpoint: Endpoint) -> None:
    found: dict[str, dict[str, object]] = {}

    def read() -> None:
        found.update(
            document(
                Aws("us-east-1", read_only=True),
                [("shop", 80), ("shoe", 80)],
                [("shop.test", "api.shop.test", "CNAME"), ("shop.test", "no.shop.test", "CNAME")],
            )
        )

    assert endpoint.writes_during(read) == []
    shop = found["load_balancers"]["shop:80"]
    assert isinstance(shop, dict)
    assert list(shop["target_groups"]) == ["shop-blue"]
    assert found["load_balancers"]["shoe:80"] == "there is no load balancer shoe"
    assert found["records"]["api.shop.test CNAME"] == endpoint.records()
    assert "no CNAME record" in str(found["records"]["no.shop.test CNAME"])
