"""The share as a percentage in an SSM parameter, by which the application itself sends requests to green."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import ClassVar

from cutover.aws.listener import Missing, script
from cutover.aws.parameter import SENT, Written, find_parameter, parameter_permissions, write_over
from cutover.aws.permission import Permission
from cutover.aws.session import OBSERVE_SECONDS, Aws
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.flag import READ, WRITE, Flag, percent
from cutover.core.share import Share
from cutover.core.step import Command, Step


@dataclass(frozen=True, kw_only=True)
class ParameterShare(Step[Share | str]):
    """Sends a percentage of the visitors to green by a number in an SSM parameter, which the application reads.

    The application follows as soon as it reads the parameter again, not when it is written. AWS takes any write, so the
    version shows whether somebody else wrote at the same moment; then theirs is put back, and a person decides.
    """

    aws: Aws
    parameter: str
    flag: Flag

    @property
    def resource(self) -> str:
        return f"ssm:{self.parameter}" + (f":{self.flag.key}" if self.flag.key else "")

    @property
    def lane(self) -> str:
        return "traffic"

    def observe(self) -> Share | str:
        try:
            return self.flag.read(self.found(Deadline.after(OBSERVE_SECONDS)).value)
        except Missing as missing:
            return str(missing)

    def found(self, deadline: Deadline) -> Written:
        """The parameter, which must not be a secret: its value is shown; raises Missing with the state to report."""
        found = find_parameter(self.aws, self.parameter, deadline)
        if found.kind != "String":
            raise Missing(f"the parameter {self.parameter} is a {found.kind}, not a String")
        return found

    def commands(self, target: Share | str) -> Sequence[Command]:
        if not isinstance(target, Share):
            raise TypeError(f"{self.name}: {target!r} is not a share")
        return (SetFlag(self, target),)

    def check_shell(self) -> str:
        show = f"{self._cli('get-parameter')} --query Parameter.Value --output text"
        return script([f"{show} | python3 -c {quote(READ)} {quote(self.flag.key or '')}"])

    def permissions(self) -> Iterator[Permission]:
        yield from parameter_permissions(self.parameter)

    def _cli(self, verb: str) -> str:
        return f"{self.aws.shell()} ssm {verb} --name {quote(self.parameter)}"


@dataclass(frozen=True)
class SetFlag(Command):
    """Writes the number and leaves everything else of the value; the version tells whether somebody else wrote as well."""

    kill_points: ClassVar[tuple[str, ...]] = (SENT,)

    step: ParameterShare
    target: Share

    def run(self, deadline: Deadline) -> None:
        # A step runs its command only while its intent is open: what is read may be what was true before an earlier write,
        # so it is written even where nothing seems left to change.
        lost = False
        while not self._written(deadline, lost=lost):
            lost = True
            if deadline.expired:
                raise StepFailed(f"{self.step.resource}: no answer came to a write, and it did not take effect")

    def _written(self, deadline: Deadline, *, lost: bool) -> bool:
        """One look and at most one write; False when its answer was lost."""
        step = self.step
        try:
            found = step.found(deadline)
        except Missing as missing:
            raise StepFailed(str(missing)) from missing
        seen, known = step.flag.read(found.value), {step.before, step.after, *step.between}
        if seen not in known:
            raise StepFailed(f"{step.resource} changed under our hands: {seen}; nothing was written")
        if seen == self.target and lost:
            return True
        value = step.flag.written(found.value, self.target)
        # The whole text counts, not the percentage alone: another key that somebody changed meanwhile would be lost.
        ours = {found.value, value}
        return write_over(step.aws, step.parameter, found, value, lambda theirs: theirs in ours, deadline)

    def shell(self) -> str:
        step = self.step
        words = f"{quote(percent(self.target))} {quote(step.flag.key or '')}"
        value = "import json, sys; print(json.load(sys.stdin)[0], end=str())"
        history = f"{step._cli('get-parameter-history')}"
        return script(
            [
                f"shown=$({step._cli('get-parameter')} --query 'Parameter.[Value,Version]' --output json)",
                """version=$(python3 -c 'import json, sys; print(json.load(sys.stdin)[1] + 1)' <<< "$shown")""",
                f"""changed=$(python3 -c {quote(value)} <<< "$shown" | python3 -c {quote(WRITE)} {words})""",
                (
                    f'written=$({step._cli("put-parameter")} --value "$changed" --overwrite --query Version'
                    " --output text)"
                ),
                (
                    f'[ "$written" = "$version" ] || {{ echo "somebody else wrote too: look with" '
                    f"{quote(history)} >&2; exit 1; }}"
                ),
            ]
        )
