"""The share as a numeric parameter of a CloudFormation stack, changed by a change set that changes nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from shlex import quote
from typing import ClassVar

from cutover.aws.change_set import (
    EXECUTED,
    PROPOSED,
    NothingToChange,
    Proposal,
    by_extensions,
    delete_change_set,
    left_behind,
    name_of,
)
from cutover.aws.listener import Missing, literal, script
from cutover.aws.permission import Permission
from cutover.aws.session import OBSERVE_SECONDS, Aws
from cutover.aws.stack import SETTLED, Stack, at_rest, find_stack, stuck
from cutover.aws.stack_parameter import StackParameter
from cutover.aws.stack_permission import CHANGING, LOOKING, on_stack
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.share import Share
from cutover.core.step import Command, Step

UNDER_WAY = "an update of the stack is under way"
STUCK = "the stack is UPDATE_ROLLBACK_FAILED"
BY_EXTENSIONS = (
    "its template uses AWS::LanguageExtensions: with that, CloudFormation must not be given the previous template, or changes "
    "get lost. Move the parameter into a stack without it"
)


@dataclass(frozen=True, kw_only=True)
class StackShare(Step[Share | str]):
    """Sends a percentage of the requests to green by a parameter of a CloudFormation stack.

    A change set is looked at first: it may modify resources, and nothing is executed when one would be replaced, added or
    removed. Every other parameter keeps its value. CloudFormation takes minutes, on the way back too, and undoes by itself what
    it cannot complete: a stack that shows UPDATE_ROLLBACK_COMPLETE looks well and is a failure. For an emergency that cannot
    wait, keep a switch in the application.
    """

    aws: Aws
    stack: str
    parameter: StackParameter
    explicit: tuple[tuple[str, str], ...] = ()
    """Parameters that have to be given by value, which is the value that they have already."""
    may_touch: tuple[str, ...] = ()
    """Logical ids of the resources that may be modified; empty for any."""
    between: frozenset[Share | str] = field(default=frozenset({UNDER_WAY, STUCK}))
    settle: float = 900.0
    expected: float = 180.0

    @property
    def resource(self) -> str:
        return f"cloudformation:{self.stack}:{self.parameter.name}"

    @property
    def lane(self) -> str:
        return "traffic"

    @property
    def prefix(self) -> str:
        """How the names of our change sets for this parameter begin."""
        return f"cutover-{self.parameter.name[:80]}-"

    def observe(self) -> Share | str:
        try:
            return self.state(find_stack(self.aws, self.stack, Deadline.after(OBSERVE_SECONDS)))
        except Missing as missing:
            return str(missing)

    def state(self, stack: Stack) -> Share | str:
        """The share that a stack carries, or why it carries none."""
        if stack.status == "UPDATE_ROLLBACK_FAILED":
            return STUCK
        if stack.status not in SETTLED:
            return UNDER_WAY if stack.busy else f"stack {stack.name} is {stack.status}"
        if self.parameter.name not in stack.parameters:
            return f"stack {stack.name} has no parameter {self.parameter.name}"
        return self.parameter.share(stack.parameters[self.parameter.name], (self.after, self.before, *self.between))

    def commands(self, target: Share | str) -> Sequence[Command]:
        if not isinstance(target, Share):
            raise TypeError(f"{self.name}: {target!r} is not a share")
        return (SetStackParameter(self, target),)

    def permissions(self) -> Sequence[Permission]:
        return on_stack(self.stack, sorted({*LOOKING, *CHANGING}))

    def check_shell(self) -> str:
        return script([f"{value_shell(self.aws, self.stack, self.parameter)} | {told(self.parameter)}"])


@dataclass(frozen=True)
class SetStackParameter(Command):
    """Changes one parameter by a change set, and follows the events until the value is live."""

    kill_points: ClassVar[tuple[str, ...]] = (PROPOSED, EXECUTED)

    step: StackShare
    target: Share

    def run(self, deadline: Deadline) -> None:
        step = self.step
        try:
            stack = at_rest(step.aws, step.stack, deadline)
            seen = step.state(stack)
            if seen == STUCK:
                raise StepFailed(stuck(step.aws, step.stack))
            if seen not in {step.before, step.after, *step.between}:
                raise StepFailed(f"{step.resource} changed under our hands: {seen}; nothing was written")
            text = step.parameter.text(self.target)
            name = "" if seen == self.target else name_of(step.aws, stack, step.prefix, text, deadline)
            for old in left_behind(step.aws, step.stack, step.prefix, deadline):
                if old != name:
                    delete_change_set(step.aws, step.stack, old, deadline)
            if seen == self.target:
                return
            self._refuse(stack, deadline)
            values = {**dict(step.explicit), step.parameter.name: text}
            self._carry_out(Proposal(step.aws, stack, name, values, step.may_touch), deadline)
        except Missing as missing:
            raise StepFailed(str(missing)) from missing

    def _refuse(self, stack: Stack, deadline: Deadline) -> None:
        for name, value in self.step.explicit:
            if stack.parameters.get(name) != value:
                raise StepFailed(
                    f"refused: parameter {name} of stack {stack.name} is {stack.parameters.get(name, 'not there')} now, and "
                    f"{value} would be given with the share; nothing was written"
                )
        if by_extensions(self.step.aws, stack.name, deadline):
            raise StepFailed(f"refused for stack {stack.name}: {BY_EXTENSIONS}")

    def _carry_out(self, proposal: Proposal, deadline: Deadline) -> None:
        step = self.step
        try:
            proposal.carry_out(deadline)
        except NothingToChange as nothing:
            seen = step.state(find_stack(step.aws, step.stack, deadline))
            if seen != self.target:
                raise StepFailed(
                    f"CloudFormation finds nothing to change ({nothing}), and the share is {seen}: no resource of stack "
                    f"{step.stack} uses {step.parameter.name}"
                ) from nothing

    def shell(self) -> str:
        step = self.step
        text = step.parameter.text(self.target)
        return script(
            change_shell(
                step.aws,
                step.stack,
                step.parameter.name,
                text,
                f"{step.prefix}by-hand",
                {**dict(step.explicit), step.parameter.name: text},
                step.may_touch,
            ),
            step.parameter.remark(self.target),
        )


def value_shell(aws: Aws, stack: str, parameter: StackParameter) -> str:
    """The aws command that prints the stack's status and the parameter's value."""
    value = f"Parameters[?ParameterKey=={literal(parameter.name)}].ParameterValue | [0]"
    return (
        f"{aws.shell()} cloudformation describe-stacks --stack-name {quote(stack)}"
        f" --query {quote(f'Stacks[0].[StackStatus, {value}]')} --output text"
    )


def told(parameter: StackParameter) -> str:
    """An awk that prints both, and the state in one word."""
    settled = "|".join(sorted(SETTLED))
    word = (
        f'$1 == "UPDATE_ROLLBACK_FAILED" ? "{STUCK}" : $1 !~ /^({settled})$/ ? "{UNDER_WAY}"'
        f' : 100 * $2 / {parameter.scale} " %"'
    )
    return f"awk '{{ print; print {word} }}'"


# The request for a change set, of the stack on stdin: NAME, then the parameters that get a value as KEY=VALUE.
REQUEST = """\
import json, sys
stack = json.load(sys.stdin)["Stacks"][0]
given = dict(word.split("=", 1) for word in sys.argv[2:])
parameters = [
    {"ParameterKey": one["ParameterKey"]}
    | ({"ParameterValue": given[one["ParameterKey"]]} if one["ParameterKey"] in given else {"UsePreviousValue": True})
    for one in stack.get("Parameters", [])
]
print(json.dumps({"StackName": stack["StackName"], "ChangeSetName": sys.argv[1], "UsePreviousTemplate": True,
                  "Capabilities": stack.get("Capabilities", []), "Parameters": parameters}))"""


def change_shell(
    aws: Aws,
    stack: str,
    parameter: str,
    text: str,
    name: str,
    given: dict[str, str],
    may_touch: tuple[str, ...],
) -> list[str]:
    """Lines that bring `parameter` to `text` by a change set, which is deleted when it changes more than that."""
    cloudformation = f"{aws.shell()} cloudformation"
    named = f"--stack-name {quote(stack)}"
    both = f"{named} --change-set-name {quote(name)}"
    words = " ".join(quote(f"{key}={value}") for key, value in given.items())
    other = " && ".join(f'$1 != "{one}"' for one in may_touch)
    odd = '$2 != "Modify" || ($3 != "False" && $3 != "None")' + (f" || ({other})" if other else "")
    value = quote(f"Stacks[0].Parameters[?ParameterKey=={literal(parameter)}].ParameterValue | [0]")
    existing = quote(f"length(Summaries[?ChangeSetName=={literal(name)}])")
    rest = [
        "for _ in {1..1800}; do",
        f"  status=$({cloudformation} describe-stacks {named} --query 'Stacks[0].StackStatus' --output text)",
        '  case "$status" in *_IN_PROGRESS) sleep 1;; *) break;; esac',
        "done",
    ]
    return [
        *rest,
        f"value=$({cloudformation} describe-stacks {named} --query {value} --output text)",
        f'[ "$value" != {quote(text)} ] || {{ echo {quote(f"{parameter} is {text} already")}; exit 0; }}',
        f"extensions=$({cloudformation} get-template-summary {named} --query 'DeclaredTransforms' --output text)",
        '[[ "$extensions" != *AWS::LanguageExtensions* ]] || { echo refused: AWS::LanguageExtensions >&2; exit 1; }',
        f"existing=$({cloudformation} list-change-sets {named} --query {existing} --output text)",
        f'[ "$existing" = 0 ] || {cloudformation} delete-change-set {both}',
        f"request=$({cloudformation} describe-stacks {named} --output json | python3 -c '{REQUEST}' {quote(name)} {words})",
        f'{cloudformation} create-change-set --cli-input-json "$request" --query Id --output text',
        "for _ in {1..300}; do",
        f"  status=$({cloudformation} describe-change-set {both} --query Status --output text)",
        '  case "$status" in *_PENDING|*_IN_PROGRESS) sleep 1;; *) break;; esac',
        "done",
        (
            f"changes=$({cloudformation} describe-change-set {both}"
            " --query 'Changes[].ResourceChange.[LogicalResourceId,Action,Replacement,ResourceType]' --output text)"
        ),
        f'if [ "$status" != CREATE_COMPLETE ] || ! awk \'NF {{ print; odd += {odd} }} END {{ exit odd > 0 }}\' <<<"$changes"; then',
        f"  {cloudformation} describe-change-set {both} --query '[Status,StatusReason]' --output text >&2",
        f"  {cloudformation} delete-change-set {both}",
        "  echo refused: it changes more than the share, or nothing >&2",
        "  exit 1",
        "fi",
        f"{cloudformation} execute-change-set {both}",
        *rest,
        f'echo "$status"; value=$({cloudformation} describe-stacks {named} --query {value} --output text)',
        f'[[ "$status" = UPDATE_COMPLETE && "$value" = {quote(text)} ]]',
    ]
