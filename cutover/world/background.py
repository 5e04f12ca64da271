"""Background work and configuration of the local world's AWS side, named as an environment names them, before a cutover."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cutover.world.processes import write_atomically

FILE = "background.json"
CALLED = "cutover-world:uuid"
"""The tag with which an event source mapping is made under a UUID that is known beforehand; AWS gives its own."""
FUNCTION, ACCOUNT = "cutover-world-background", "123456789012"
SCHEDULED = "rate(1 day)"
LINES = ("job 41 done", "job 42 begun")
"""The last lines in the logs of workers."""


@dataclass(frozen=True)
class Work:
    """Workers by the words of an environment's `runs_on`, and whether they run before the cutover."""

    runs_on: Mapping[str, Any]
    run: bool


@dataclass(frozen=True)
class Function:
    """A Lambda function with as many published versions as these two need, and an alias that leads to blue's."""

    name: str
    alias: str
    blue: int
    green: int


@dataclass(frozen=True)
class Background:
    """What works beside the shop: its workers, their log groups, functions, and SSM parameters with the values of before."""

    workers: Sequence[Work] = ()
    functions: Sequence[Function] = ()
    log_groups: Sequence[str] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)


def note(world: Path, background: Background) -> None:
    """Writes what there is to be, for who sets up the AWS side."""
    write_atomically(world / FILE, json.dumps(asdict(background), indent=1) + "\n")


def noted(world: Path) -> Background:
    """What was written."""
    found: dict[str, Any] = json.loads((world / FILE).read_text(encoding="utf-8"))
    workers, functions = (Work(**one) for one in found["workers"]), (Function(**one) for one in found["functions"])
    return Background(tuple(workers), tuple(functions), found["log_groups"], found["parameters"])


def seed(background: Background) -> None:
    """Makes all of it, through boto3 with the credentials and AWS_ENDPOINT_URL of the environment."""
    makers: Mapping[str, Callable[[Mapping[str, Any], bool], None]] = {
        "ecs": _service,
        "autoscaling": _group,
        "event-source": _mapping,
        "schedule": _rule,
    }
    for work in background.workers:
        makers[str(work.runs_on["kind"])](work.runs_on, work.run)
    for name in dict.fromkeys(one.name for one in background.functions):
        _versions(name, [one for one in background.functions if one.name == name])
    for name in background.log_groups:
        _log(name)
    for name, value in background.parameters.items():
        _client("ssm").put_parameter(Name=name, Value=value, Type="String")


def _client(service: str) -> Any:
    import boto3
    from botocore.config import Config

    any_service: Any = boto3
    return any_service.client(
        service, config=Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 1})
    )


def _service(words: Mapping[str, Any], run: bool) -> None:
    ecs, name = _client("ecs"), words["service"]
    if not ecs.describe_clusters(clusters=[words["cluster"]])["clusters"]:
        ecs.create_cluster(clusterName=words["cluster"])
    ecs.register_task_definition(family=name, containerDefinitions=[{"name": name, "image": name, "memory": 64}])
    count = words["count"] if run else 0
    ecs.create_service(cluster=words["cluster"], serviceName=name, taskDefinition=name, desiredCount=count)


def _group(words: Mapping[str, Any], run: bool) -> None:
    autoscaling, name = _client("autoscaling"), words["group"]
    autoscaling.create_launch_configuration(
        LaunchConfigurationName=name, ImageId="ami-12c6146b", InstanceType="t3.micro"
    )
    least, wanted = (words["min_size"], words["count"]) if run else (0, 0)
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchConfigurationName=name,
        AvailabilityZones=["us-east-1a"],
        MinSize=least,
        MaxSize=words["count"],
        DesiredCapacity=wanted,
    )


def _mapping(words: Mapping[str, Any], run: bool) -> None:
    functions, queue = _client("lambda"), f"{FUNCTION}-{words['uuid']}"
    with suppress(functions.exceptions.ResourceConflictException):  # one for all of them
        _function(functions, FUNCTION)
    _client("sqs").create_queue(QueueName=queue)
    functions.create_event_source_mapping(
        FunctionName=FUNCTION,
        EventSourceArn=f"arn:aws:sqs:us-east-1:{ACCOUNT}:{queue}",
        Enabled=run,
        Tags={CALLED: words["uuid"]},
    )


def _function(functions: Any, name: str) -> None:
    roles = _client("iam")
    with suppress(roles.exceptions.EntityAlreadyExistsException):  # one for all functions
        roles.create_role(RoleName=FUNCTION, AssumeRolePolicyDocument="{}")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("work.py", "def handler(event, context): return {}")
    functions.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=f"arn:aws:iam::{ACCOUNT}:role/{FUNCTION}",
        Handler="work.handler",
        Code={"ZipFile": archive.getvalue()},
    )


def _versions(name: str, aliases: Sequence[Function]) -> None:
    functions = _client("lambda")
    _function(functions, name)
    for number in range(1, max(max(one.blue, one.green) for one in aliases) + 1):
        # Only what has changed since the last version is published as another one.
        functions.update_function_configuration(FunctionName=name, Description=f"version {number}")
        functions.publish_version(FunctionName=name)
    for one in aliases:
        functions.create_alias(FunctionName=name, Name=one.alias, FunctionVersion=str(one.blue))


def _rule(words: Mapping[str, Any], run: bool) -> None:
    events, bus = _client("events"), words["bus"]
    if bus != "default":
        with suppress(events.exceptions.ResourceAlreadyExistsException):  # several rules may be of one bus
            events.create_event_bus(Name=bus)
    # Only the default bus takes a schedule; what is asked about a rule is its state alone.
    when = {"ScheduleExpression": SCHEDULED} if bus == "default" else {"EventPattern": '{"source": ["shop"]}'}
    events.put_rule(Name=words["rule"], EventBusName=bus, State="ENABLED" if run else "DISABLED", **when)


def _log(name: str) -> None:
    logs = _client("logs")
    with suppress(logs.exceptions.ResourceAlreadyExistsException):  # several workers may write one log
        logs.create_log_group(logGroupName=name)
        logs.create_log_stream(logGroupName=name, logStreamName="one")
    now = int(time.time() * 1000)
    events = [{"timestamp": now + number, "message": line} for number, line in enumerate(LINES)]
    logs.put_log_events(logGroupName=name, logStreamName="one", logEvents=events)
