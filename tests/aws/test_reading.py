"""What may be asked in a dry-run: held against AWS's own classification of every operation; and the guard before every client."""

import subprocess
import sys
from typing import Any

import botocore.session
import pytest
from local_aws import Endpoint
from policy_sentry.querying.actions import get_action_data

from cutover.aws.iam import PREFIXES
from cutover.aws.reading import ALSO_READS, NOT_READS, SERVICES, is_read
from cutover.environment.written import SERVICES as WRITTEN

# Services without a classification yet: newer than the data that we compare with, and read for what their models say.
LOADED = botocore.session.get_session()


def operations(service: str) -> list[str]:
    return list(LOADED.get_service_model(service).operation_names)


def levels(service: str, operation: str) -> set[str]:
    """The access levels of the action of that name (Service Authorization Reference); empty for one that it does not know."""
    found: Any = get_action_data(PREFIXES.get(service, service), operation)
    return {action["access_level"] for actions in (found or {}).values() for action in actions}


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_what_we_call_a_read_is_one_to_aws(service: str) -> None:
    wrong = {
        operation: level
        for operation in operations(service)
        if is_read(service, operation) and (level := levels(service, operation) - {"Read", "List"})
    }
    assert not wrong, "AWS calls these writes: decide about each in cutover/aws/reading.py"


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_what_rest_calls_a_change_is_no_read(service: str) -> None:
    """GET and HEAD change nothing; a read by POST is one that AWS itself classifies as a read."""
    model = LOADED.get_service_model(service)
    if "rest" not in model.metadata["protocol"]:
        return
    for operation in operations(service):
        if is_read(service, operation) and model.operation_model(operation).http["method"] not in ("GET", "HEAD"):
            assert levels(service, operation) & {"Read", "List"}, f"{service} {operation} is sent as a change"


def test_whatever_makes_credentials_is_no_read() -> None:
    reads = [operation for operation in operations("sts") if is_read("sts", operation)]
    assert sorted(reads) == ["GetAccessKeyInfo", "GetCallerIdentity"]


def test_every_exception_is_an_operation_that_there_is() -> None:
    for name in ALSO_READS | NOT_READS:
        service, operation = name.split(":")
        assert operation in operations(service), name
    for name in NOT_READS:
        service, operation = name.split(":")
        assert not is_read(service, operation)


def test_a_service_that_nobody_decided_about_has_no_reads() -> None:
    assert not is_read("ecr", "GetAuthorizationToken")
    assert not is_read("kms", "DescribeKey")


def test_the_environment_knows_the_same_services() -> None:
    assert set(WRITTEN) == SERVICES


ANYBODY = """
import boto3, botocore.session
from cutover.aws.reading import WriteRefused, guard_process
guard_process()
guard_process()
clients = [
    boto3.client("elbv2", region_name="us-east-1"),
    boto3.Session(region_name="us-east-1").client("elbv2"),
    botocore.session.get_session().create_client("elbv2", region_name="us-east-1"),
    botocore.session.Session().create_client("elbv2", region_name="us-east-1"),
]
for client in clients:
    client.describe_load_balancers()
    try:
        client.delete_rule(RuleArn="arn:of-a-rule")
    except WriteRefused:
        print("refused")
try:
    boto3.resource("s3", region_name="us-east-1").create_bucket(Bucket="new")
except WriteRefused:
    print("refused")
"""


def test_no_client_that_the_process_makes_can_write(endpoint: Endpoint) -> None:
    def act() -> None:
        done = subprocess.run([sys.executable, "-c", ANYBODY], check=True, capture_output=True, text=True, timeout=60)
        assert done.stdout.split() == ["refused"] * 5

    assert endpoint.writes_during(act) == []
