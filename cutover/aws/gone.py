"""The end of a resource of AWS: deleted once, on purpose, and only while nothing leads to it."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from cutover.aws.session import OBSERVE_SECONDS, Aws, OutcomeUnknown
from cutover.core.clock import Deadline
from cutover.core.step import Command, Step

PRESENT, DELETING, ABSENT = "present", "deleting", "absent"


@dataclass(frozen=True, kw_only=True)
class Gone(Step[str]):
    """Deletes one resource of the old side by its name."""

    aws: Aws
    identifier: str
    """Its name in AWS."""
    before: str = PRESENT
    after: str = ABSENT
    between: frozenset[str] = frozenset({DELETING})
    one_way: bool = True

    def observe(self) -> str:
        return self.seen(Deadline.after(OBSERVE_SECONDS))

    def commands(self, target: str) -> Sequence[Command]:
        if target != ABSENT:
            raise ValueError(f"{self.name}: what was deleted does not come back")
        return (Delete(self),)

    @abstractmethod
    def seen(self, deadline: Deadline) -> str:
        """`present`, `deleting` or `absent`; raises AwsError."""

    @abstractmethod
    def refuse_used(self, deadline: Deadline) -> None:
        """Raises StepFailed when somebody still uses it, or has protected it."""

    @abstractmethod
    def delete(self, deadline: Deadline) -> None:
        """Asks AWS for the deletion."""

    @abstractmethod
    def delete_shell(self) -> str:
        """What a person types."""


@dataclass(frozen=True)
class Delete(Command):
    """Deletes what is present; what is absent or being deleted is left to AWS."""

    step: Gone

    def run(self, deadline: Deadline) -> None:
        step = self.step
        while step.seen(deadline) == PRESENT:
            step.refuse_used(deadline)
            try:
                step.delete(deadline)
            except OutcomeUnknown:
                if deadline.expired:
                    raise

    def shell(self) -> str:
        return self.step.delete_shell()
