"""Workers that an ECS service keeps running."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from shlex import quote

from cutover.aws.listener import Missing, script
from cutover.aws.permission import Permission
from cutover.aws.session import AwsError
from cutover.aws.workers import STARTING, STOPPED, STOPPING, Workers
from cutover.core.clock import Deadline

ECS, SCALING = "ecs", "application-autoscaling"
SUSPENDED = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
GONE = ("STOPPED", "DELETED")
AT_ONCE = 100  # ECS API, DescribeTasks: at most 100 tasks


@dataclass(frozen=True, kw_only=True)
class EcsWorkers(Workers):
    """Background work of an application runs on one side only: two sides would send each mail twice.

    The service's desired count is set; stopped means that no task runs, is starting, or still works on its last job. A task
    has the time that its `stopTimeout` gives it.
    """

    cluster: str
    service: str
    count: int

    @property
    def resource(self) -> str:
        return f"ecs:{self.cluster}/{self.service}"

    def state(self, deadline: Deadline) -> str:
        try:
            found = self.aws.call(ECS, "DescribeServices", deadline, cluster=self.cluster, services=[self.service])
        except AwsError as error:
            if error.code == "ClusterNotFoundException":
                raise Missing(f"there is no ECS cluster {self.cluster}") from None
            raise
        if not found["services"]:
            raise Missing(f"there is no service {self.service} in the ECS cluster {self.cluster}")
        service = found["services"][0]
        if service["status"] != "ACTIVE":
            return f"the service is {service['status']}"
        desired, running = int(service["desiredCount"]), int(service["runningCount"])
        moving = int(service.get("pendingCount", 0)) > 0 or len(service.get("deployments", ())) > 1
        if desired == 0:
            return STOPPING if running or moving or self._still_at_work(deadline) else STOPPED
        if desired == self.count:
            return STARTING if moving or running != desired else self.running
        return f"desired {desired}, running {running}"

    def _still_at_work(self, deadline: Deadline) -> bool:
        """Whether a task that was told to stop has not stopped yet: `runningCount` leaves it out."""
        tasks: list[str] = []
        token: dict[str, str] = {}
        while True:
            asked = {"cluster": self.cluster, "serviceName": self.service, "desiredStatus": "STOPPED", **token}
            page = self.aws.call(ECS, "ListTasks", deadline, **asked)
            tasks += page["taskArns"]
            if not page.get("nextToken"):
                break
            token = {"nextToken": page["nextToken"]}
        for first in range(0, len(tasks), AT_ONCE):
            part = tasks[first : first + AT_ONCE]
            shown = self.aws.call(ECS, "DescribeTasks", deadline, cluster=self.cluster, tasks=part)["tasks"]
            if any(task["lastStatus"] not in GONE for task in shown):
                return True
        return False

    def write(self, deadline: Deadline, *, run: bool) -> None:
        count = self.count if run else 0
        self.aws.call(ECS, "UpdateService", deadline, cluster=self.cluster, service=self.service, desiredCount=count)

    def write_shell(self, *, run: bool) -> str:
        count = self.count if run else 0
        return (
            f"{self.aws.shell()} ecs update-service --cluster {quote(self.cluster)} --service {quote(self.service)}"
            f" --desired-count {count} --query 'service.[desiredCount,runningCount]' --output text"
        )

    def rivals(self, deadline: Deadline) -> Sequence[str]:
        targets = self.aws.call(
            SCALING,
            "DescribeScalableTargets",
            deadline,
            ServiceNamespace=ECS,
            ResourceIds=[f"service/{self.cluster}/{self.service}"],
        )["ScalableTargets"]
        return [
            f"Application Auto Scaling keeps {target['MinCapacity']} to {target['MaxCapacity']} tasks: "
            f"{self._suspend_shell()}"
            for target in targets
            if not all((target.get("SuspendedState") or {}).get(word) for word in SUSPENDED)
        ]

    def _suspend_shell(self) -> str:
        state = ",".join(f"{word}=true" for word in SUSPENDED)
        return (
            f"{self.aws.shell()} application-autoscaling register-scalable-target --service-namespace ecs"
            " --scalable-dimension ecs:service:DesiredCount"
            f" --resource-id {quote(f'service/{self.cluster}/{self.service}')} --suspended-state {state}"
        )

    def check_shell(self) -> str:
        where = f"--cluster {quote(self.cluster)}"
        ask = (
            f"{self.aws.shell()} ecs describe-services {where} --services {quote(self.service)}"
            " --query 'services[0].[desiredCount,runningCount,pendingCount]' --output text"
        )
        tasks = (
            f"{self.aws.shell()} ecs list-tasks {where} --service-name {quote(self.service)} --desired-status STOPPED"
            " --query taskArns[] --output text"
        )
        busy = (
            f"{self.aws.shell()} ecs describe-tasks {where} --tasks $tasks"
            " --query 'length(tasks[?lastStatus!=`STOPPED` && lastStatus!=`DELETED`])' --output text"
        )
        told = (
            f'case "$desired $running $pending $busy" in "0 0 0 0") echo {STOPPED};;'
            f' "{self.count} {self.count} 0 "*) echo {quote(self.running)};;'
            ' *) echo "desired $desired, running $running, starting $pending, stopping $busy";; esac'
        )
        return script(
            [
                f"counts=$({ask}) tasks=$({tasks}) busy=0",
                'read -r desired running pending <<< "$counts"',
                f'[ -z "${{tasks#None}}" ] || busy=$({busy})',
                told,
            ]
        )

    def permissions(self) -> Iterator[Permission]:
        here = "arn:aws:ecs:{region}:{account}"
        for operation in ("DescribeServices", "UpdateService"):
            yield Permission(ECS, operation, f"{here}:service/{self.cluster}/{self.service}")
        yield Permission(ECS, "ListTasks", f"{here}:container-instance/{self.cluster}/*")
        yield Permission(ECS, "DescribeTasks", f"{here}:task/{self.cluster}/*")
        yield Permission(
            SCALING, "DescribeScalableTargets", "arn:aws:application-autoscaling:{region}:{account}:scalable-target/*"
        )
