"""Something in CloudWatch that one call writes whole: there as the environment says, or not there."""

import json
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from shlex import quote
from typing import Any, ClassVar

from cutover.aws.cloudwatch import CLOUDWATCH
from cutover.aws.listener import Missing, literal, script
from cutover.aws.metric_dimensions import PERMISSIONS, Dimensions, filled_shell, looked_up_shell, needed, with_values
from cutover.aws.permission import Permission
from cutover.aws.session import OBSERVE_SECONDS, Aws, OutcomeUnknown
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.plain import digest
from cutover.core.step import Command, Step

NONE, KEPT, EARLIER = "none", "as the environment says", "as it was before"


@dataclass(frozen=True, kw_only=True)
class KeptDocument(Step[str]):
    """What is there is held against the whole document; what is neither ours nor the one before is somebody else's."""

    kind: ClassVar[str]
    operations: ClassVar[tuple[str, str, str]]
    """Of CloudWatch's API: the one that reads, writes, removes."""
    resource_arn: ClassVar[str]

    aws: Aws
    document: str
    """JSON, in which a load balancer and a target group may stand by their names."""
    earlier: str = ""
    """What stood there before, where it is replaced."""
    before: str = NONE
    after: str = KEPT
    _dimensions: list[Dimensions] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._dimensions.append(Dimensions(self.aws))

    @property
    @abstractmethod
    def called(self) -> str:
        """Its name in CloudWatch."""

    @abstractmethod
    def found(self, deadline: Deadline) -> Any:
        """The document that is there, None where there is none; raises AwsError."""

    @abstractmethod
    def put(self, document: Any, deadline: Deadline) -> None:
        """Writes it, and all of it."""

    @abstractmethod
    def delete(self, deadline: Deadline) -> None:
        """Removes it."""

    @abstractmethod
    def put_shell(self, written: str) -> str:
        """The command that writes it; `written` is the document as a word of bash."""

    @abstractmethod
    def delete_shell(self) -> str:
        """The command that removes it."""

    @property
    def resource(self) -> str:
        return f"{self.kind}:{self.called}"

    def observe(self) -> str:
        try:
            return self.state(Deadline.after(OBSERVE_SECONDS))
        except Missing as missing:
            return str(missing)

    def state(self, deadline: Deadline) -> str:
        """Raises Missing where a name in the document stands for nothing, AwsError."""
        found = self.found(deadline)
        if found is None:
            return NONE
        if found == self.wanted(deadline):
            return KEPT
        if self.earlier and found == json.loads(self.earlier):
            return EARLIER
        return f"another {self.kind} of that name ({digest(found)[:12]})"

    def wanted(self, deadline: Deadline) -> Any:
        """The document with the values that CloudWatch knows; raises as `state` does."""
        look_up = self._dimensions[0].value
        return with_values(json.loads(self.document), lambda name, text: look_up(name, text, deadline))

    def commands(self, target: str) -> Sequence[Command]:
        if target not in (NONE, KEPT, EARLIER) or (target == EARLIER and not self.earlier):
            raise ValueError(f"{self.name}: {target!r} is no state of this {self.kind}")
        return (SetDocument(self, target),)

    def permissions(self) -> Iterator[Permission]:
        look, *acts = self.operations
        yield Permission(CLOUDWATCH, look, self.look_arn())
        for operation in acts:
            yield Permission(CLOUDWATCH, operation, self.resource_arn + self.called)
        names = {name for name, _ in needed(json.loads(self.document))}
        both = zip(("LoadBalancer", "TargetGroup"), PERMISSIONS, strict=True)
        yield from (one for name, one in both if name in names)

    def look_arn(self) -> str:
        """What the operation that reads is allowed on."""
        return self.resource_arn + self.called

    def shown(self, query: str) -> str:
        """A query that says `none` where it finds nothing."""
        return quote(f"{query} || {literal([NONE])}")

    def cli(self, verb: str) -> str:
        return f"{self.aws.shell()} cloudwatch {verb}"


@dataclass(frozen=True)
class SetDocument(Command):
    """Writes the whole document, or removes it; what is neither ours nor gone stays."""

    step: KeptDocument
    target: str

    def run(self, deadline: Deadline) -> None:
        while not self._written(deadline):
            if deadline.expired:
                raise StepFailed(f"{self.step.resource}: no answer came to a write, and it did not take effect")

    def _written(self, deadline: Deadline) -> bool:
        """One look and at most one write; False when its answer was lost."""
        step = self.step
        try:
            seen = step.state(deadline)
            if seen == self.target:
                return True
            if seen not in (step.before, step.after, *step.between):
                raise StepFailed(f"{step.resource} changed under our hands: {seen}; nothing was written")
            if self.target == NONE:
                step.delete(deadline)
            else:
                step.put(step.wanted(deadline) if self.target == KEPT else json.loads(step.earlier), deadline)
        except Missing as missing:
            raise StepFailed(f"{step.resource}: {missing}; nothing was written") from missing
        except OutcomeUnknown:
            return False
        return True

    def shell(self) -> str:
        step = self.step
        if self.target == NONE:
            return step.delete_shell()
        document = json.loads(step.document if self.target == KEPT else step.earlier)
        lines, words = looked_up_shell(step.aws, needed(document))
        return script([*lines, step.put_shell(filled_shell(document, words))])
