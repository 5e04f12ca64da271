"""Workers that an EventBridge rule starts by the clock, or by events."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any

from cutover.aws.listener import Missing, script
from cutover.aws.permission import Permission
from cutover.aws.session import AwsError
from cutover.aws.workers import ENABLED, STOPPED, Workers
from cutover.core.clock import Deadline

EVENTS = "events"
STATES = {"ENABLED": ENABLED, "DISABLED": STOPPED}


@dataclass(frozen=True, kw_only=True)
class ScheduleWorkers(Workers):
    """Work by the clock runs on one side only: two sides would write the nightly bill twice.

    The rule is disabled, so that nothing new is started; AWS says that this may take a short while, and what was started
    before ends by itself.
    """

    rule: str
    bus: str = "default"

    @property
    def resource(self) -> str:
        return f"schedule:{self.bus}/{self.rule}"

    def state(self, deadline: Deadline) -> str:
        state = str(self._described(deadline)["State"])
        return STATES.get(state, f"the rule is {state}")

    def _described(self, deadline: Deadline) -> dict[str, Any]:
        try:
            return self.aws.call(EVENTS, "DescribeRule", deadline, **self._named)
        except AwsError as error:
            if error.code == "ResourceNotFoundException":
                raise Missing(f"there is no rule {self.rule} on the event bus {self.bus}") from None
            raise

    def write(self, deadline: Deadline, *, run: bool) -> None:
        self.aws.call(EVENTS, "EnableRule" if run else "DisableRule", deadline, **self._named)

    def write_shell(self, *, run: bool) -> str:
        return self._cli("enable-rule" if run else "disable-rule")

    def rivals(self, deadline: Deadline) -> Sequence[str]:
        owner = self._described(deadline).get("ManagedBy")
        return [f"it belongs to {owner}, which alone may change it"] if owner else []

    def check_shell(self) -> str:
        words = " ".join(f"{word}) echo {state};;" for word, state in STATES.items())
        ask = f"{self._cli('describe-rule')} --query State --output text"
        return script([f"state=$({ask})", f'case "$state" in {words} *) echo "$state";; esac'])

    def permissions(self) -> Iterator[Permission]:
        place = self.rule if self.bus == "default" else f"{self.bus}/{self.rule}"
        for operation in ("DescribeRule", "DisableRule", "EnableRule"):
            yield Permission(EVENTS, operation, f"arn:aws:events:{{region}}:{{account}}:rule/{place}")

    @property
    def _named(self) -> dict[str, str]:
        return {"Name": self.rule, "EventBusName": self.bus}

    def _cli(self, verb: str) -> str:
        return f"{self.aws.shell()} events {verb} --name {quote(self.rule)} --event-bus-name {quote(self.bus)}"
