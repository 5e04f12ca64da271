"""What all kinds of workers have in common: they run, or they are proven to have stopped."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from cutover.aws.listener import Missing, script
from cutover.aws.permission import Permission
from cutover.aws.session import OBSERVE_SECONDS, Aws, AwsError, OutcomeUnknown
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.gate import Check, Finding
from cutover.core.killpoint import reached
from cutover.core.step import Command, Step

STOPPED, STOPPING, STARTING = "stopped", "stopping", "starting"
ENABLED = "enabled"
SENT = "workers: written"


def running(count: int) -> str:
    """The state in which so many of them run."""
    return f"running {count}"


@dataclass(frozen=True, kw_only=True)
class Workers(Step[str]):
    """Workers of one side, by whatever keeps them running; `before` and `after` are `running` and STOPPED, or the reverse."""

    aws: Aws
    between: frozenset[str] = frozenset({STOPPING, STARTING})
    settle: float = 45.0
    expected: float = 15.0

    @property
    def running(self) -> str:
        """The state in which they all run: one end of the step, the other is STOPPED."""
        return self.after if self.before == STOPPED else self.before

    @abstractmethod
    def state(self, deadline: Deadline) -> str:
        """`running`, STOPPED, STOPPING, STARTING, or what is unusual; raises AwsError."""

    @abstractmethod
    def write(self, deadline: Deadline, *, run: bool) -> None:
        """The one call that starts or stops them."""

    @abstractmethod
    def write_shell(self, *, run: bool) -> str:
        """The same as a command line."""

    @abstractmethod
    def permissions(self) -> Iterator[Permission]:
        """Every call that it may make."""

    def rivals(self, deadline: Deadline) -> Sequence[str]:
        """What would start or stop them at the same time, each with the command that holds it off."""
        return ()

    def observe(self) -> str:
        try:
            return self.state(Deadline.after(OBSERVE_SECONDS))
        except Missing as missing:
            return str(missing)

    def commands(self, target: str) -> Sequence[Command]:
        if target not in (self.running, STOPPED):
            raise ValueError(f"{self.name}: {target!r} is neither {self.running!r} nor {STOPPED!r}")
        return (SetWorkers(self, target == self.running),)


@dataclass(frozen=True)
class SetWorkers(Command):
    """Starts or stops them with one call; that they have done so is seen by looking."""

    kill_points: ClassVar[tuple[str, ...]] = (SENT,)

    step: Workers
    run_them: bool

    def run(self, deadline: Deadline) -> None:
        step = self.step
        wanted, on_the_way = (step.running, STARTING) if self.run_them else (STOPPED, STOPPING)
        while True:
            try:
                seen = step.state(deadline)
            except Missing as missing:
                raise StepFailed(str(missing)) from missing
            if seen not in {step.before, step.after, *step.between}:
                raise StepFailed(f"{step.resource} changed under our hands: {seen}; nothing was written")
            if seen in (wanted, on_the_way):
                return
            try:
                step.write(deadline, run=self.run_them)
            except OutcomeUnknown:
                if deadline.expired:
                    raise
                continue
            reached(SENT)
            return

    def shell(self) -> str:
        return script([self.step.write_shell(run=self.run_them)])


@dataclass(frozen=True, kw_only=True)
class WorkersReady(Check):
    """Workers must be as the environment file says: the way back starts as many of them as it names.

    What scales them by itself would start them again while they shall stand still, and is held off by a person before.
    """

    workers: Workers
    wanted: str

    def look(self) -> Finding:
        deadline = Deadline.after(OBSERVE_SECONDS)
        try:
            seen, rivals = self.workers.state(deadline), self.workers.rivals(deadline)
        except Missing as missing:
            return Finding.failed(str(missing), "check the names in the environment file and the region")
        except AwsError as error:
            return Finding.blind(error.message)
        resource = self.workers.resource
        if seen in (STOPPING, STARTING):
            return Finding.not_yet(f"{resource}: {seen}, {self.wanted} wanted")
        if seen != self.wanted:
            hint = "change it there, or write into the environment file how many run"
            return Finding.failed(f"{resource}: {seen}, {self.wanted} wanted", hint)
        if rivals:
            return Finding.failed(
                f"{resource}: {'; '.join(rivals)}", "hold it off for the cutover, and let it go afterwards"
            )
        return Finding.passed(f"{resource}: {seen}")

    def shell(self) -> str:
        return self.workers.check_shell()

    def permissions(self) -> Iterator[Permission]:
        yield from (permission for permission in self.workers.permissions() if permission.reads)
