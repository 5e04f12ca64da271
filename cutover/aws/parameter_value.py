"""An SSM parameter of the application that has one value for blue and another one for green."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from shlex import quote
from typing import ClassVar

from cutover.aws.listener import Missing, script
from cutover.aws.parameter import SECRET, SENT, SSM, find_parameter, parameter_permissions, write_over
from cutover.aws.permission import Permission
from cutover.aws.session import OBSERVE_SECONDS, Aws, AwsError
from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError, StepFailed
from cutover.core.gate import Check, Finding
from cutover.core.step import Command, Step

BLUES, GREENS, OTHER = "blue's value", "green's value", "neither blue's value nor green's"

# The request as JSON for a file of ours alone: a secret must not stand in an argument, which every process can read.
REQUEST = (
    "import json, os, sys; print(json.dumps("
    '{"Name": sys.argv[1], "Type": sys.argv[2], "Value": os.environ["wanted"], "Overwrite": True}'
    ' | ({"KeyId": sys.argv[3]} if sys.argv[3] not in ("", "None") else {})))'
)


@dataclass(frozen=True)
class Side:
    """One side's value: asked for when it is needed, and as a person's bash finds it."""

    value: Callable[[], str] = field(compare=False, repr=False)
    shell: str


@dataclass(frozen=True, kw_only=True)
class ParameterValue(Step[str]):
    """Activates the configuration of one side: what runs there reads this parameter.

    A process that reads it only when it starts goes on with the old value until then; so this comes before green's workers
    are started. A value that is neither side's own is somebody else's, and stays.
    """

    aws: Aws
    parameter: str
    blue: Side
    green: Side
    before: str = BLUES
    after: str = GREENS

    @property
    def resource(self) -> str:
        return f"configuration:{self.parameter}"

    def observe(self) -> str:
        try:
            found = find_parameter(self.aws, self.parameter, Deadline.after(OBSERVE_SECONDS), decrypted=True)
        except Missing as missing:
            return str(missing)
        return self.state(found.value)

    def state(self, value: str) -> str:
        """Whose value it is; the value itself is never shown."""
        return {self.blue.value(): BLUES, self.green.value(): GREENS}.get(value, OTHER)

    def commands(self, target: str) -> Sequence[Command]:
        if target not in (BLUES, GREENS):
            raise ValueError(f"{self.name}: {target!r} is neither {BLUES!r} nor {GREENS!r}")
        return (SetValue(self, target),)

    def check_shell(self) -> str:
        ask = f"{self._cli('get-parameter')} --with-decryption --query Parameter.Value --output text"
        told = f'case "$value" in "$blue") echo {quote(BLUES)};; "$green") echo {quote(GREENS)};; *) echo {quote(OTHER)};; esac'
        return script([f"value=$({ask})", f"blue={self.blue.shell}", f"green={self.green.shell}", told])

    def permissions(self) -> Iterator[Permission]:
        yield from parameter_permissions(self.parameter)
        yield Permission(SSM, "DescribeParameters", "*")

    def _cli(self, verb: str) -> str:
        return f"{self.aws.shell()} ssm {verb} --name {quote(self.parameter)}"


@dataclass(frozen=True)
class SetValue(Command):
    """Writes one side's value; type and key stay, and a lost race is found out by the version."""

    kill_points: ClassVar[tuple[str, ...]] = (SENT,)

    step: ParameterValue
    target: str

    def run(self, deadline: Deadline) -> None:
        # A step runs its command only while its intent is open: what is read may be what was true before an earlier write.
        lost = False
        while not self._written(deadline, lost=lost):
            lost = True
            if deadline.expired:
                raise StepFailed(f"{self.step.resource}: no answer came to a write, and it did not take effect")

    def _written(self, deadline: Deadline, *, lost: bool) -> bool:
        step = self.step
        try:
            found = find_parameter(step.aws, step.parameter, deadline, decrypted=True)
        except Missing as missing:
            raise StepFailed(str(missing)) from missing
        seen = step.state(found.value)
        if seen == OTHER:
            raise StepFailed(f"{step.resource} changed under our hands: {OTHER}; nothing was written")
        if seen == self.target and lost:
            return True
        value = (step.green if self.target == GREENS else step.blue).value()
        return write_over(step.aws, step.parameter, found, value, lambda theirs: step.state(theirs) != OTHER, deadline)

    def shell(self) -> str:
        step = self.step
        name, side = quote(step.parameter), step.green if self.target == GREENS else step.blue
        described = (
            f"{step.aws.shell()} ssm describe-parameters --parameter-filters {quote('Key=Name,Option=Equals,Values=' + step.parameter)}"
            " --query 'Parameters[0].[Type,KeyId]' --output text"
        )
        return script(
            [
                f"wanted={side.shell}; export wanted",
                f"described=$({described})",
                'read -r type key <<< "$described"',
                "request=$(mktemp); trap 'rm -f \"$request\"' EXIT",
                f"""python3 -c {quote(REQUEST)} {name} "$type" "$key" > "$request\"""",
                f'{step.aws.shell()} ssm put-parameter --cli-input-json "file://$request" --query Version',
            ]
        )


@dataclass(frozen=True, kw_only=True)
class ValueReady(Check):
    """The parameter must hold blue's value now, or going back would write something that was never there.

    A secret whose value stands in the environment file is a secret no more.
    """

    step: ParameterValue
    literal: bool
    """Whether one of the values is written in the environment file itself."""

    def look(self) -> Finding:
        step = self.step
        try:
            found = find_parameter(step.aws, step.parameter, Deadline.after(OBSERVE_SECONDS), decrypted=True)
            seen = step.state(found.value)
        except Missing as missing:
            return Finding.failed(str(missing), "check the name in the environment file and the region")
        except AwsError as error:
            return Finding.blind(error.message)
        except CutoverError as error:
            return Finding.failed(error.message, "mend the reference in the environment file")
        if found.kind == SECRET and self.literal:
            hint = "write references there: env:NAME, file:PATH, ssm:NAME or secretsmanager:ID"
            return Finding.failed(
                f"{step.parameter} is a SecureString, and its values stand in the environment file", hint
            )
        if seen != BLUES:
            return Finding.failed(
                f"{step.parameter} holds {seen}", "correct blue's value in the environment file, or there"
            )
        return Finding.passed(f"{step.parameter} holds {seen}")

    def shell(self) -> str:
        return self.step.check_shell()

    def permissions(self) -> Iterator[Permission]:
        yield from (permission for permission in self.step.permissions() if permission.operation == "GetParameter")
