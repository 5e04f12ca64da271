"""One of each kind of worker on the local endpoint, with what other people do to it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from lambda_versions import FUNCTION, Versions
from local_aws import Endpoint, eventually

from cutover.aws.session import Aws
from cutover.aws.workers import ENABLED, STOPPED, Workers, running
from cutover.aws.workers_autoscaling import AutoScalingWorkers
from cutover.aws.workers_ecs import EcsWorkers
from cutover.aws.workers_event_source import EventSourceWorkers
from cutover.aws.workers_schedule import ScheduleWorkers
from cutover.core.clock import Deadline


class Service(ABC):
    """A kind of worker: how the step is made, and how the thing itself is changed by others."""

    all_run: ClassVar[str]

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.make()

    def ask(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        return self.endpoint.aws.call(service, operation, Deadline.after(20), **parameters)

    @abstractmethod
    def make(self) -> None:
        """Creates it, if it is not there yet."""

    @abstractmethod
    def of(self, ends: dict[str, Any]) -> Workers:
        """The step over it."""

    def step(self, *, stop: bool = True, aws: Aws | None = None) -> Workers:
        before, after = (self.all_run, STOPPED) if stop else (STOPPED, self.all_run)
        return self.of({"name": "workers", "aws": aws or self.endpoint.aws, "before": before, "after": after})

    @abstractmethod
    def strays(self) -> list[Any]:
        """What others may have done to it."""

    def changed(self, service: str, operation: str, /, **parameters: Any) -> None:
        """Somebody else's change, which has had its effect."""
        self.ask(service, operation, **parameters)
        for _ in range(4):
            self.step().observe()

    def put(self, *, run: bool) -> None:
        """Everything as the environment says, and settled."""
        step = self.step(stop=not run)
        eventually(lambda: step.observe() not in ("stopping", "starting"))
        step.write(Deadline.after(20), run=run)
        eventually(lambda: step.observe() == step.after)


class Ecs(Service):
    all_run = running(2)

    def make(self) -> None:
        if self.ask("ecs", "ListClusters")["clusterArns"]:
            return
        self.ask("ecs", "CreateCluster", clusterName="shop")
        container = {"name": "mails", "image": "mails", "memory": 64}
        self.ask("ecs", "RegisterTaskDefinition", family="mails", containerDefinitions=[container])
        self.ask("ecs", "CreateService", cluster="shop", serviceName="mails", taskDefinition="mails", desiredCount=2)

    def of(self, ends: dict[str, Any]) -> Workers:
        return EcsWorkers(**ends, cluster="shop", service="mails", count=2)

    def strays(self) -> list[Any]:
        return [partial(self.changed, "ecs", "UpdateService", cluster="shop", service="mails", desiredCount=5)]


class AutoScaling(Service):
    all_run = running(2)

    def make(self) -> None:
        if self.ask("autoscaling", "DescribeAutoScalingGroups")["AutoScalingGroups"]:
            return
        configuration = {"ImageId": "ami-12c6146b", "InstanceType": "t3.micro"}
        self.ask("autoscaling", "CreateLaunchConfiguration", LaunchConfigurationName="mails", **configuration)
        sizes = {"MinSize": 1, "MaxSize": 4, "DesiredCapacity": 2}
        group = {"AutoScalingGroupName": "mails", "AvailabilityZones": ["us-east-1a"], **sizes}
        self.ask("autoscaling", "CreateAutoScalingGroup", LaunchConfigurationName="mails", **group)

    def of(self, ends: dict[str, Any]) -> Workers:
        return AutoScalingWorkers(**ends, group="mails", count=2, min_size=1)

    def strays(self) -> list[Any]:
        sizes: list[dict[str, int]] = [{"DesiredCapacity": 3}, {"MinSize": 2}]
        name = {"AutoScalingGroupName": "mails"}
        return [partial(self.changed, "autoscaling", "UpdateAutoScalingGroup", **name, **one) for one in sizes]


class EventSource(Service):
    all_run = ENABLED
    uuid = ""

    def make(self) -> None:
        Versions(self.endpoint)
        found = self.ask("lambda", "ListEventSourceMappings", FunctionName=FUNCTION)["EventSourceMappings"]
        if not found:
            self.ask("sqs", "CreateQueue", QueueName="mails")
            arn = "arn:aws:sqs:us-east-1:123456789012:mails"
            found = [self.ask("lambda", "CreateEventSourceMapping", FunctionName=FUNCTION, EventSourceArn=arn)]
        self.uuid = found[0]["UUID"]

    def of(self, ends: dict[str, Any]) -> Workers:
        return EventSourceWorkers(**ends, uuid=self.uuid)

    def strays(self) -> list[Any]:
        return []


class Schedule(Service):
    all_run = ENABLED

    def make(self) -> None:
        self.ask("events", "PutRule", Name="nightly-bill", ScheduleExpression="rate(1 day)", State="ENABLED")

    def of(self, ends: dict[str, Any]) -> Workers:
        return ScheduleWorkers(**ends, rule="nightly-bill")

    def strays(self) -> list[Any]:
        return []


SERVICES: dict[str, Callable[[Endpoint], Service]] = {
    "ecs": Ecs,
    "autoscaling": AutoScaling,
    "event-source": EventSource,
    "schedule": Schedule,
}


def service_of(kind: str, endpoint: Endpoint) -> Service:
    return SERVICES[kind](endpoint)
