"""What a reference stands for is remembered: a connection every second must not be a call to AWS every second."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_clock import FakeClock
from local_aws import Endpoint

from cutover.app import open_environment
from cutover.aws.secret import KEPT_SECONDS, Secrets
from cutover.aws.session import Aws, AwsError
from cutover.core.clock import Deadline
from cutover.environment import Ref

SHOP = """\
name: kept
description: One side's connection string is kept by AWS
owners: {decision: a, database: b, traffic: c, application: d}
database: {name: shop, blue: ssm:/shop/kept, green: env:KEPT_GREEN}
hostnames:
  shop:
    host: shop.example.com
    carrier: {kind: alb, load_balancer: shop, blue: shop-blue, green: shop-green}
"""


@pytest.fixture
def name(endpoint: Endpoint) -> Iterator[str]:
    _write(endpoint, "first")
    yield "/shop/kept"
    endpoint.aws.call("ssm", "DeleteParameter", Deadline.after(30), Name="/shop/kept")


def _write(endpoint: Endpoint, value: str) -> None:
    words = {"Name": "/shop/kept", "Value": value, "Type": "SecureString", "Overwrite": True}
    endpoint.aws.call("ssm", "PutParameter", Deadline.after(30), **words)


def test_a_value_is_read_once_until_it_is_old_or_forgotten(endpoint: Endpoint, name: str) -> None:
    clock = FakeClock()
    secrets = Secrets(Aws("us-east-1", read_only=True), clock)
    assert not secrets.forget("ssm", name), "nothing was kept"
    assert secrets.fetch("ssm", name) == "first"
    before = len(endpoint.calls())
    assert [secrets.fetch("ssm", name) for _ in range(5)] == ["first"] * 5
    assert len(endpoint.calls()) == before
    _write(endpoint, "second")
    assert secrets.fetch("ssm", name) == "first"
    assert secrets.forget("ssm", name)
    assert secrets.fetch("ssm", name) == "second"
    _write(endpoint, "third")
    clock.passed += KEPT_SECONDS
    assert secrets.fetch("ssm", name) == "third"


def test_a_known_value_outlives_that_aws_cannot_be_asked(endpoint: Endpoint, name: str) -> None:
    clock = FakeClock()
    secrets = Secrets(Aws("us-east-1", read_only=True), clock)
    assert secrets.fetch("ssm", name) == "first"
    clock.passed += KEPT_SECONDS
    endpoint.fault("GetParameter", code="AccessDeniedException", times=2)
    assert secrets.fetch("ssm", name) == "first"
    secrets.forget("ssm", name)
    with pytest.raises(AwsError, match="could not be read"):
        secrets.fetch("ssm", name)


def test_an_environment_remembers_in_one_place(endpoint: Endpoint, name: str, tmp_path: Path) -> None:
    (tmp_path / "kept.yaml").write_text(SHOP)
    means = open_environment("kept", read_only=True, directory=tmp_path).means
    blue, elsewhere = means.pairs[0].blue, means.value_of(Ref("ssm", name))
    before = len(endpoint.calls())
    assert {blue.resolve(), elsewhere(), blue.resolve()} == {"first"}
    assert len(endpoint.calls()) == before + 1
    assert blue.forget()
    assert not blue.forget(), "it is asked for again"
