"""ECS services as slow as AWS, on top of moto, whose tasks start and stop at once.

Sources: the API reference of UpdateService, DescribeServices and Task ("API"). What takes minutes on AWS takes a few looks
here, so that no test depends on how fast the machine is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.ecs import urls
from moto.ecs.responses import EC2ContainerServiceResponse

LOOKS = 2  # answers of DescribeServices that still show the old count


def install() -> None:
    """Let moto's ECS URL answer through StrictEcs."""
    urls.url_paths["{0}/$"] = StrictEcs.dispatch


@dataclass
class _Move:
    """A service on its way to another count; `working` is how many looks its last task still takes to end."""

    shown: int
    wanted: int
    looks: int = LOOKS
    working: int = 0


class StrictEcs(EC2ContainerServiceResponse):
    """moto's ECS responses with counts that follow the desired one after a while."""

    moves: ClassVar[dict[str, _Move]] = {}

    def create_service(self) -> ActionResult:
        result = super().create_service()
        service = self._service(self._get_param("serviceName"))
        self.moves[service.arn] = _Move(0, int(service.desired_count))
        return result

    def update_service(self) -> ActionResult:
        service = self._service(self._get_param("service"))
        if service.status != "ACTIVE":
            raise JsonRESTError("ServiceNotActiveException", "Service was not ACTIVE.")  # API, UpdateService, Errors
        running = int(service.running_count)
        result = super().update_service()
        if int(service.desired_count) != running:
            self.moves[service.arn] = _Move(running, int(service.desired_count))
            service.running_count = running
        return result

    def describe_services(self) -> ActionResult:
        for name in self._get_param("services", []):
            try:
                service = self._service(name)
            except LookupError:
                continue
            move = self.moves.get(service.arn)
            if move is None or move.looks == 0:
                continue
            move.looks -= 1
            if move.looks == 0:
                move.working = LOOKS + 1 if move.wanted < move.shown else 0
                move.shown = move.wanted
            service.running_count = move.shown  # API, Service: tasks in the RUNNING state
            service.pending_count = max(move.wanted - move.shown, 0)
        return super().describe_services()

    def list_tasks(self) -> ActionResult:
        name = self._get_param("serviceName")
        if name and self._get_param("desiredStatus") == "STOPPED":
            # API, ListTasks: tasks that were told to stop are listed under STOPPED, whatever they do at the moment
            move = self.moves.get(self._service(name).arn)
            return ActionResult({"taskArns": [self._last_task(name)] if move is not None and move.working else []})
        return super().list_tasks()

    def describe_tasks(self) -> ActionResult:
        shown = []
        for arn in self._get_param("tasks", []):
            name = arn.rsplit("/", 1)[-1].removeprefix("last-of-")
            move = self.moves[self._service(name).arn]
            # API, Task: lastStatus goes on through DEACTIVATING, STOPPING and DEPROVISIONING to STOPPED
            move.working = max(move.working - 1, 0)
            shown.append(
                {"taskArn": arn, "desiredStatus": "STOPPED", "lastStatus": "STOPPING" if move.working else "STOPPED"}
            )
        return ActionResult({"tasks": shown, "failures": []})

    def _last_task(self, name: str) -> str:
        cluster = self._get_param("cluster", "default").rsplit("/", 1)[-1]
        return f"arn:aws:ecs:{self.region}:{self.current_account}:task/{cluster}/last-of-{name.rsplit('/', 1)[-1]}"

    def _service(self, name: str) -> Any:
        cluster = self._get_param("cluster", "default").rsplit("/", 1)[-1]
        try:
            return self.ecs_backend.services[f"{cluster}:{name.rsplit('/', 1)[-1]}"]
        except KeyError:
            raise _NoService("ServiceNotFoundException", "Service not found.") from None


class _NoService(JsonRESTError, LookupError):
    """API, UpdateService, Errors."""
