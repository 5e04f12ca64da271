"""A step made of a person's own shell commands, for what the toolkit does not know."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed, Unreachable
from cutover.core.step import Command, Step
from cutover.core.telling import say
from cutover.machine.bash import run_bash

OBSERVE_SECONDS = 30.0


@dataclass(frozen=True)
class Variable:
    """An environment variable of the commands, whose value is asked for when they run and never stands in an argument."""

    name: str
    value: Callable[[], str] = field(compare=False, repr=False)
    shell: str
    """The value as a person's bash finds it: "$OTHER", or "$(aws …)"."""


def pasteable(script: str, variables: Sequence[Variable]) -> str:
    """A script as a block that stops at the first error without ending the shell that it is pasted into."""
    # An assignment apart from its export: `export X=$(…)` would hide a failure.
    known = [f"{variable.name}={variable.shell}; export {variable.name}" for variable in variables]
    return "\n".join(["(set -euo pipefail", *known, script.strip("\n"), ")"])


@dataclass(frozen=True, kw_only=True)
class OwnStep(Step[str]):
    """A person's own commands: one that prints the state, one that leads to the other state, and one that leads back.

    They run in bash, in a process group that is ended at the deadline, and have to be as good when they run twice.
    """

    observed_by: str
    """Prints the state as its last line."""
    to: str
    back: str
    there: str
    """The state that `to` leads to."""
    reason: str
    variables: tuple[Variable, ...] = ()
    dry: bool = False
    """Nothing may be run: this is a dry-run, and nobody has said that looking changes nothing."""

    def why(self) -> str:
        return self.reason

    def observe(self) -> str:
        if self.dry:
            raise Unreachable(
                f"{self.name}: its observe command is not run in dry-run; mark it with `observe_is_safe: true` if it only looks"
            )
        ended = run_bash(self.observed_by, self.values(), Deadline.after(min(self.settle, OBSERVE_SECONDS)))
        if ended.code != 0:
            raise Unreachable(ended.complaint(f"{self.name}: observe"))
        return ended.last_line or "observe printed nothing"

    def commands(self, target: str) -> Sequence[Command]:
        if target not in (self.before, self.after):
            raise ValueError(f"{self.name}: {target!r} is neither {self.before!r} nor {self.after!r}")
        return (RunOwn(self, self.to if target == self.there else self.back),)

    def check_shell(self) -> str:
        return self.pasteable(self.observed_by)

    def values(self) -> dict[str, str]:
        """The variables with their values; raises ConfigurationRefused for one that cannot be found."""
        return {variable.name: variable.value() for variable in self.variables}

    def pasteable(self, script: str) -> str:
        """A script with the step's variables, to be pasted."""
        return pasteable(script, self.variables)


@dataclass(frozen=True)
class RunOwn(Command):
    """Runs one of the step's own scripts, after one more look at the state."""

    step: OwnStep
    script: str

    def run(self, deadline: Deadline) -> None:
        step = self.step
        seen = step.observe()
        if seen not in {step.before, step.after, *step.between}:
            raise StepFailed(f"{step.resource} changed under our hands: {seen}; nothing was run")
        ended = run_bash(self.script, step.values(), deadline, say)
        if ended.code != 0:
            raise StepFailed(ended.complaint("the command"))

    def shell(self) -> str:
        return self.step.pasteable(self.script)
