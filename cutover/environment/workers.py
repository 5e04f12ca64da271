"""Background workers of either side, and the configuration that they read."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from cutover.environment.reading import whole, word
from cutover.environment.reference import SettingValue
from cutover.environment.section import Section
from cutover.environment.written import ParameterName, Wait

EcsName = Annotated[str, word(r"[A-Za-z0-9_-]{1,255}", "an ECS name of letters, digits, - and _")]
GroupName = Annotated[
    str, word(r"[A-Za-z0-9._/-]{1,255}", "an Auto Scaling group's name of letters, digits and . _ / -")
]
RuleName = Annotated[str, word(r"[A-Za-z0-9._-]{1,64}", "an EventBridge rule's name of letters, digits and . _ -")]
BusName = Annotated[str, word(r"[A-Za-z0-9._/-]{1,256}", "an event bus's name of letters, digits and . _ / -")]
LogGroup = Annotated[str, word(r"[A-Za-z0-9._/#-]{1,512}", "a log group's name of letters, digits and . _ / # -")]
Uuid = Annotated[str, word(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "the UUID of a mapping", str.lower)]
Count = Annotated[int, whole(1, 1000)]


class EcsService(Section):
    """Tasks that an ECS service keeps running."""

    kind: Literal["ecs"] = "ecs"
    cluster: EcsName
    service: EcsName
    count: Count
    """The desired count while they run."""


class AutoScalingGroup(Section):
    """Instances of an Auto Scaling group."""

    kind: Literal["autoscaling"] = "autoscaling"
    group: GroupName
    count: Count
    """The desired capacity while they run."""
    min_size: Annotated[int, whole(0, 1000)] = 0
    """The group's smallest size while they run; it is 0 while they do not."""


class EventSource(Section):
    """Invocations of a Lambda function by a queue or a stream."""

    kind: Literal["event-source"] = "event-source"
    uuid: Uuid
    """The UUID of the event source mapping."""


class Schedule(Section):
    """What an EventBridge rule starts."""

    kind: Literal["schedule"] = "schedule"
    rule: RuleName
    bus: BusName = "default"


RunsOn = Annotated[EcsService | AutoScalingGroup | EventSource | Schedule, Field(discriminator="kind")]
RUNS_ON = tuple(str(get_args(one.model_fields["kind"].annotation)[0]) for one in get_args(get_args(RunsOn)[0]))


class Worker(Section):
    """Workers of one side: blue's are stopped before writes change sides, green's are started when it has them."""

    side: Literal["blue", "green"]
    runs_on: RunsOn
    timeout: Wait = 45.0
    """How long they may take to stop or to start; blue's stop inside the window, while nobody waits for writes yet."""
    log_group: LogGroup | None = None
    """The CloudWatch log group of blue's, whose last half hour is kept when they have stopped."""


class Setting(Section):
    """An SSM parameter with one value for each side; green's is written before green's workers start."""

    parameter: ParameterName
    blue: SettingValue
    """The value, or a reference to it: a secret is not written here."""
    green: SettingValue
