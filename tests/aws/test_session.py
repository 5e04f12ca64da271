"""The way to AWS: nothing is opened early, retries are visible and end, unknown outcomes say so, dry-runs cannot write."""

import email.utils
import http.server
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from botocore.exceptions import ProfileNotFound
from botocore.retries import standard
from fake_clock import FakeClock
from local_aws import Endpoint

from cutover.aws.account import AccountIsOurs
from cutover.aws.document import document
from cutover.aws.secret import Secrets
from cutover.aws.session import PROFILE_SECONDS, Aws, AwsError, OtherAccount, OutcomeUnknown, WriteRefused, is_read
from cutover.aws.trouble import THROTTLED
from cutover.core.clock import Deadline
from cutover.core.errors import ConfigurationRefused, Refused, Unreachable
from cutover.core.gate import Verdict
from cutover.core.telling import heard


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
    """An AWS that answers every call with one error, in the caller's protocol; the dictionary says which."""
    says = {"code": "AccessDenied", "message": "no", "status": "400", "account": "", "retry_after": ""}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            status = int(says["status"])
            if says["account"] and b"GetCallerIdentity" in asked:
                status = 200
                whose = f"<GetCallerIdentityResult><Account>{says['account']}</Account></GetCallerIdentityResult>"
                body = f"<GetCallerIdentityResponse>{whose}</GetCallerIdentityResponse>".encode()
            elif "json" in self.headers["Content-Type"]:
                body = json.dumps({"__type": f"com.amazon#{says['code']}", "message": says["message"]}).encode()
            else:
                error = f"<Error><Code>{says['code']}</Code><Message>{says['message']}</Message></Error>"
                body = f"<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>".encode()
            self.send_response(status)
            if says["retry_after"]:
                self.send_header("Retry-After", says["retry_after"])
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
        ("ExpiredTokenException", "The security token included in the request is expired", "log in again"),
        ("InvalidSignatureException", "Signature not yet current: 2027 is still later than 2026", "clock is wrong"),
        ("UnrecognizedClientException", "The security token included in the request is invalid", "get-caller-identity"),
        ("AccessDeniedException", "not authorized to perform: ssm:GetParameter", "invoke iam"),
        ("MissingAuthenticationToken", "Request is missing Authentication Token", "no usable credentials"),
    ],
)
@pytest.mark.parametrize(("service", "operation"), [("elbv2", "DescribeLoadBalancers"), ("ssm", "DescribeParameters")])
def test_trouble_with_credentials_says_what_to_do(
    refusing: dict[str, str], code: str, message: str, advice: str, service: str, operation: str
) -> None:
    """In XML and in JSON; and it is not asked again, since nothing would change."""
    refusing.update(code=code, message=message)
    told: list[str] = []
    with heard(told.append), pytest.raises(AwsError, match=advice) as caught:
        Aws("us-east-1").call(service, operation, Deadline.after(5))
    assert isinstance(caught.value, Unreachable)
    assert caught.value.code == code and told == []


@pytest.mark.parametrize(("service", "operation"), [("elbv2", "ModifyListener"), ("ssm", "PutParameter")])
def test_throttling_is_told_by_every_name_that_botocore_knows(
    refusing: dict[str, str], service: str, operation: str
) -> None:
    assert THROTTLED >= set(vars(standard.ThrottledRetryableChecker)["_THROTTLED_ERROR_CODES"])
    given = {"ListenerArn": "arn"} if service == "elbv2" else {"Name": "n", "Value": "v"}
    for code, status in [(code, "400") for code in ("ThrottlingException", "Throttling")] + [("Busy", "429")]:
        refusing.update(code=code, status=status)
        clock, told = FakeClock(), list[str]()
        with heard(told.append), pytest.raises(AwsError) as caught:
            Aws("us-east-1", clock=clock).call(service, operation, Deadline.after(3), **given)
        assert not isinstance(caught.value, OutcomeUnknown), "a throttled write was not carried out"
        assert "attempt 3" in " ".join(told) and 2.9 < clock.passed < 3.1


def test_as_long_as_aws_asks_for_is_waited(refusing: dict[str, str]) -> None:
    later = email.utils.formatdate(time.time() + 30, usegmt=True)
    for asked, seconds, slower in (("7", 7, 0.1), (later, 16, 14), ("soon", 0.1, 0.1), ("9" * 20, 40, 0.1)):
        refusing.update(code="Throttling", retry_after=asked)
        clock, told = FakeClock(), list[str]()
        with heard(told.append), pytest.raises(AwsError):
            Aws("us-east-1", clock=clock).call("elbv2", "DescribeRules", Deadline.after(40))
        first = float(told[0].split(" in ")[1].split(" s;")[0])
        assert first == pytest.approx(seconds, abs=slower), asked  # a date is nearer by what the test took
        assert clock.passed < 40.1


def test_another_account_is_refused_before_anything_is_written(refusing: dict[str, str]) -> None:
    refusing.update(account="210987654321", code="ShouldNotBeSent")
    aws = Aws("us-east-1", account="123456789012", profile=None)
    for _ in range(2):
        with pytest.raises(
            OtherAccount, match="belong to account 210987654321, the environment names 123456789012"
        ) as c:
            aws.call("elbv2", "DeleteRule", Deadline.after(5), RuleArn="arn")
        assert c.value.exit_code == 5 and c.value.next_command == "aws --region us-east-1 sts get-caller-identity"
    finding = AccountIsOurs(aws).look()
    assert finding.verdict is Verdict.FAIL and "log in" in finding.hint
    refusing.update(account="123456789012")
    assert AccountIsOurs(aws).look().verdict is Verdict.PASS
    with pytest.raises(AwsError, match="ShouldNotBeSent"):
        aws.call("elbv2", "DeleteRule", Deadline.after(5), RuleArn="arn")


def test_where_aws_does_not_say_whose_account_nothing_is_written(refusing: dict[str, str]) -> None:
    refusing.update(code="AccessDenied")
    aws = Aws("us-east-1", account="123456789012")
    with pytest.raises(AwsError, match="sts GetCallerIdentity"):
        aws.call("elbv2", "DeleteRule", Deadline.after(5), RuleArn="arn")
    assert AccountIsOurs(aws).look().verdict is Verdict.BLIND


def test_a_reference_says_its_place_and_never_its_value(refusing: dict[str, str]) -> None:
    secrets = Secrets(Aws("us-east-1"))
    for kind in ("ssm", "secretsmanager"):
        refusing.update(code="AccessDeniedException", message="no")
        with pytest.raises(AwsError, match=f"{kind}:shop/dsn could not be read: .*AccessDeniedException"):
            secrets.fetch(kind, "shop/dsn")
        refusing.update(code="ParameterNotFound" if kind == "ssm" else "ResourceNotFoundException")
        with pytest.raises(ConfigurationRefused, match=f"{kind}:shop/dsn: AWS has nothing of that name in us-east-1"):
            secrets.fetch(kind, "shop/dsn")


def test_references_are_read_from_aws(endpoint: Endpoint) -> None:
    aws = endpoint.aws
    later = Deadline.after(30)
    aws.call("ssm", "PutParameter", later, Name="/shop/dsn", Value="secret one", Type="SecureString", Overwrite=True)
    aws.call("secretsmanager", "CreateSecret", later, Name="shop/text", SecretString="secret two")
    aws.call("secretsmanager", "CreateSecret", later, Name="shop/bytes", SecretBinary=b"three")
    secrets = Secrets(Aws("us-east-1", read_only=True))
    assert secrets.fetch("ssm", "/shop/dsn") == "secret one"
    assert secrets.fetch("secretsmanager", "shop/text") == "secret two"
    with pytest.raises(ConfigurationRefused, match="holds bytes"):
        secrets.fetch("secretsmanager", "shop/bytes")


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


@pytest.mark.parametrize("named", ["late", None])
def test_a_profile_that_is_added_while_a_run_waits_is_seen(
    named: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, clock = tmp_path / "config", FakeClock()
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "late")
    aws = Aws("us-east-1", profile=named, clock=clock)
    with pytest.raises(ProfileNotFound):
        aws.client("sts")
    file.write_text("[profile late]\nregion = us-east-1\n", encoding="utf-8")
    with pytest.raises(ProfileNotFound, match="late"):  # not looked for again in the same moment
        aws.client("sts")
    clock.sleep(PROFILE_SECONDS)
    assert aws.client("sts").meta.region_name == "us-east-1"


def test_nobody_there_is_tried_until_the_deadline_and_told(nowhere: None) -> None:
    told: list[str] = []
    began = time.monotonic()
    with heard(told.append), pytest.raises(AwsError, match="EndpointConnectionError"):
        ask(Aws("us-east-1"), seconds=3.0)
    assert 2.9 < time.monotonic() - began < 8
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
