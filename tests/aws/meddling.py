"""Somebody who acts between our look and our write."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cutover.aws.session import Aws
from cutover.core.clock import Deadline


@dataclass(frozen=True)
class Meddled(Aws):
    """AWS with somebody else in it, who acts once, right before `operation` is sent."""

    operation: str = ""
    act: Callable[[], Any] = field(default=lambda: None, compare=False)
    acted: list[bool] = field(default_factory=list, compare=False)

    def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
        if operation == self.operation and not self.acted:
            self.acted.append(True)
            self.act()
        return super().call(service, operation, deadline, **parameters)
