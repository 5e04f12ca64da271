"""Whether a stack can carry the share, asked before anything is touched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from shlex import quote
from typing import Any

from cutover.aws.change_set import EXTENSIONS
from cutover.aws.cloudformation import BY_EXTENSIONS, told, value_shell
from cutover.aws.listener import Missing
from cutover.aws.permission import Permission
from cutover.aws.session import OBSERVE_SECONDS, Aws, AwsError
from cutover.aws.stack import CLOUDFORMATION, Stack, find_stack, stuck
from cutover.aws.stack_parameter import StackParameter
from cutover.aws.stack_permission import LOOKING, READY, on_stack
from cutover.aws.template import declared
from cutover.core.clock import Deadline
from cutover.core.gate import Check, Finding
from cutover.core.share import Share

HEALTHY = ("CREATE_COMPLETE", "UPDATE_COMPLETE")


@dataclass(frozen=True, kw_only=True)
class StackReady(Check):
    """A stack whose last update went well, with a parameter that admits every planned share and says blue's now.

    What CloudFormation would refuse in the middle of the shift is found here: bounds, allowed values, a masked parameter, a
    template that cannot be used again.
    """

    aws: Aws
    stack: str
    parameter: StackParameter
    shares: tuple[Share, ...]
    """Every share that is planned, blue's first."""
    explicit: tuple[tuple[str, str], ...] = ()

    def look(self) -> Finding:
        deadline = Deadline.after(OBSERVE_SECONDS)
        try:
            stack = find_stack(self.aws, self.stack, deadline)
            if stack.busy:
                return Finding.not_yet(f"stack {stack.name} is {stack.status}", "wait until its update has ended")
            if stack.status not in HEALTHY:
                return Finding.failed(f"stack {stack.name} is {stack.status}", self._mend(stack))
            summary = self.aws.call(CLOUDFORMATION, "GetTemplateSummary", deadline, StackName=self.stack)
            body = self.aws.call(CLOUDFORMATION, "GetTemplate", deadline, StackName=self.stack)["TemplateBody"]
        except Missing as missing:
            return Finding.failed(str(missing), "check the name in the environment file and the region")
        except AwsError as error:
            return Finding.blind(error.message)
        odd = self._odd(stack, summary, body)
        if odd:
            return Finding.failed(f"stack {stack.name}: {odd[0]}", odd[1])
        return Finding.passed(
            f"stack {stack.name} is {stack.status}, {self.parameter.name} is {stack.parameters[self.parameter.name]}"
        )

    def _mend(self, stack: Stack) -> str:
        if stack.status == "UPDATE_ROLLBACK_FAILED":
            return stuck(self.aws, stack.name)
        return "its last operation failed: find out why in its events, then update it once so that it ends well"

    def _odd(self, stack: Stack, summary: Mapping[str, Any], body: Any) -> tuple[str, str] | None:
        name = self.parameter.name
        known = {one["ParameterKey"]: one for one in summary.get("Parameters", [])}
        if EXTENSIONS in summary.get("DeclaredTransforms", []):
            return BY_EXTENSIONS, "or let another provider carry the share"
        if name not in known or name not in stack.parameters:
            names = ", ".join(sorted(known)) or "none"
            return f"it has no parameter {name}; its parameters are: {names}", "correct the environment file"
        for given, value in self.explicit:
            if given not in stack.parameters:
                return f"it has no parameter {given}", "correct the environment file"
            if known.get(given, {}).get("NoEcho"):
                return (
                    f"{given} is NoEcho: its value is not read, and must not stand in a file",
                    "remove it from parameters",
                )
            if stack.parameters[given] != value:
                return (
                    f"{given} is {stack.parameters[given]}, and {value} would be given with the share",
                    "make them equal",
                )
        if known[name].get("NoEcho"):
            return f"{name} is NoEcho: its value cannot be seen", "take NoEcho off it"
        if known[name].get("ParameterType") not in ("Number", "String"):
            return f"{name} is a {known[name].get('ParameterType')}", "it has to be a Number or a String"
        return self._refused_share(known[name], body) or self._not_blue(stack)

    def _refused_share(self, summary: Mapping[str, Any], body: Any) -> tuple[str, str] | None:
        try:
            words = declared(body, self.parameter.name)
            least, most = (Decimal(words[key]) if key in words else None for key in ("MinValue", "MaxValue"))
        except (ValueError, ArithmeticError):
            least = most = (
                None  # not readable here: CloudFormation refuses such a change set before anything is changed
            )
        allowed = summary.get("ParameterConstraints", {}).get("AllowedValues", [])
        refused = [
            text
            for text in dict.fromkeys(self.parameter.text(share) for share in self.shares)
            if (least is not None and Decimal(text) < least)
            or (most is not None and Decimal(text) > most)
            or (allowed and text not in allowed)
        ]
        if not refused:
            return None
        bounds = ", ".join(
            [
                *([f"at least {least}"] if least is not None else []),
                *([f"at most {most}"] if most is not None else []),
                *([f"one of {', '.join(allowed)}"] if allowed else []),
            ]
        )
        return (
            f"{self.parameter.name} cannot be {', '.join(refused)}: it has to be {bounds}",
            "correct shift.shares or it",
        )

    def _not_blue(self, stack: Stack) -> tuple[str, str] | None:
        seen = self.parameter.share(stack.parameters[self.parameter.name], self.shares)
        if seen == self.shares[0]:
            return None
        return f"the share is {seen} now, {self.shares[0]} is where the plan begins", "bring it back to blue first"

    def permissions(self) -> Sequence[Permission]:
        return on_stack(self.stack, sorted({*LOOKING, *READY}))

    def shell(self) -> str:
        summary = "Parameters[].[ParameterKey,ParameterType,NoEcho]"
        return (
            f"{value_shell(self.aws, self.stack, self.parameter)} | {told(self.parameter)}\n"
            f"{self.aws.shell()} cloudformation get-template-summary --stack-name {quote(self.stack)}"
            f" --query {quote(summary)} --output text"
        )
