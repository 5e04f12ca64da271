"""Group stickiness of a listener's forward action: off for the time of a cutover, and on again afterwards."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cutover.aws.alb_conditions import RuleName
from cutover.aws.alb_forward import change_shell, find_forward, forward_shell, write_actions
from cutover.aws.elb_permission import FINDING, forward_written
from cutover.aws.listener import Listener, Missing, script
from cutover.aws.permission import Permission
from cutover.aws.session import OBSERVE_SECONDS, Aws
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.step import Command, Step

LONGEST = 604_800  # seconds; ELB API, TargetGroupStickinessConfig
NOT_STICKY = "clients are not sticky"


def sticky_for(seconds: int) -> str:
    """The state in which a client keeps the target group that it got, for so many seconds after its last request."""
    return f"clients are sticky for {seconds} s"


@dataclass(frozen=True, kw_only=True)
class AlbStickiness(Step[str]):
    """Switches the stickiness of the target groups off, so that the weights hold for every client and every request.

    A client with the cookie AWSALBTG keeps its target group whatever the weights say, and each request renews the cookie: at
    100 % some would stay on blue for ever, and on the way back some on green. Without stickiness a client may meet both
    sides while the share is between 0 and 100; both work on one database. Cookies that were given out are ignored meanwhile,
    and one that is still held when stickiness comes back is honoured again.
    """

    aws: Aws
    load_balancer: str
    port: int
    seconds: int
    rule: RuleName | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.seconds <= LONGEST:
            raise ValueError(f"a cookie's life of {self.seconds} s is not 1 to {LONGEST}")

    @property
    def resource(self) -> str:
        return f"alb-stickiness:{self.load_balancer}:{self.port}" + (f":{self.rule}" if self.rule else "")

    def observe(self) -> str:
        try:
            return _state(self.find(Deadline.after(OBSERVE_SECONDS)))
        except Missing as missing:
            return str(missing)

    def find(self, deadline: Deadline) -> Listener:
        """The place as it is now; raises Missing."""
        return find_forward(self.aws, self.load_balancer, self.port, self.rule, deadline)

    def commands(self, target: str) -> Sequence[Command]:
        known = {NOT_STICKY: 0, sticky_for(self.seconds): self.seconds}
        if target not in known:
            raise ValueError(f"{self.name}: {target!r} is none of {sorted(known)}")
        return (SetStickiness(self, known[target]),)

    def check_shell(self) -> str:
        return script(
            [
                *forward_shell(self.aws, self.load_balancer, self.port, self.rule),
                f"python3 -c '{SHOW}' <<< \"$actions\"",
            ]
        )

    def permissions(self) -> Iterable[Permission]:
        return *FINDING, *forward_written(self.load_balancer, self.port, rule=self.rule is not None)


@dataclass(frozen=True)
class SetStickiness(Command):
    """Writes the cookie's life in seconds, or 0 for no stickiness, and nothing else of the actions."""

    step: AlbStickiness
    seconds: int

    def run(self, deadline: Deadline) -> None:
        step = self.step
        try:
            listener = step.find(deadline)
            if (seen := _state(listener)) not in (step.before, step.after, *step.between):
                raise StepFailed(f"{step.resource} changed under our hands: {seen}; nothing was written")
            write_actions(step.aws, listener, listener.with_stickiness(self.seconds), deadline)
        except Missing as missing:
            raise StepFailed(str(missing)) from missing

    def shell(self) -> str:
        step = self.step
        return script(
            [
                *forward_shell(step.aws, step.load_balancer, step.port, step.rule),
                *change_shell(step.aws, step.rule, f"stickiness={self.seconds}"),
            ]
        )


def _state(listener: Listener) -> str:
    seconds = listener.sticky_seconds()
    return sticky_for(seconds) if seconds else NOT_STICKY


SHOW = """\
import json, sys
for action in json.load(sys.stdin):
    if action["Type"] == "forward":
        sticky = action.get("ForwardConfig", {}).get("TargetGroupStickinessConfig", {})
        on = sticky.get("Enabled") and sticky["DurationSeconds"]
        print(f"clients are sticky for {on} s" if on else "clients are not sticky")"""
