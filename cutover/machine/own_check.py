"""A question made of a person's own shell command: it ends with 0, or prints a number that keeps a bound."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import ClassVar

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.gate import Check, Finding, Verdict
from cutover.core.telling import say
from cutover.machine.bash import Ended, run_bash
from cutover.machine.metric_source import NUMBER
from cutover.machine.own_command import Variable, pasteable

NUMBER_SHELL = r"^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$"


@dataclass(frozen=True)
class Limits:
    """The bounds that a number has to keep, in `unit`; without any only the exit code counts."""

    at_most: float | None = None
    at_least: float | None = None
    unit: str = ""

    @property
    def given(self) -> bool:
        return self.at_most is not None or self.at_least is not None

    def kept(self, value: float) -> bool:
        """Whether the value is within the bounds; what is no finite number is not."""
        above = self.at_most is not None and value > self.at_most
        below = self.at_least is not None and value < self.at_least
        return isfinite(value) and not above and not below

    def words(self) -> str:
        """The bounds as part of a sentence."""
        ends = (("at least", self.at_least), ("at most", self.at_most))
        return " and ".join(f"{word} {self.shown(end)}" for word, end in ends if end is not None)

    def shell(self) -> str:
        """Bash that ends with 0 when $number keeps the bounds."""
        ends = [(">=", self.at_least), ("<=", self.at_most)]
        bounds = " && ".join(f"n {sign} {end:.10g}" for sign, end in ends if end is not None)
        seen = f"$number {self.unit}".rstrip()
        return "\n".join(
            [
                f"grep -qE '{NUMBER_SHELL}' <<< \"$number\" || {{ echo 'that is no number' >&2; exit 1; }}",
                f"""awk -v n="$number" 'BEGIN {{ exit !({bounds}) }}' || {{ echo "{seen} is not {self.words()}" >&2; exit 1; }}""",
                f'echo "{seen} is {self.words()}"',
            ]
        )

    def shown(self, value: float) -> str:
        gap = "" if not self.unit or not self.unit[0].isalpha() or self.unit in ("ms", "s") else " "
        return f"{value:.6g}{gap}{self.unit}"


@dataclass(frozen=True, kw_only=True)
class OwnCheck(Check):
    """What only this system's own programs can tell: its tests, a benchmark, the state of something that nobody else looks at.

    The command runs in bash, in a process group that is ended when its time is over.
    """

    writes: ClassVar[bool] = True

    name: str
    command: str
    limits: Limits = field(default_factory=Limits)
    timeout: float
    variables: tuple[Variable, ...] = ()
    dry: bool = False
    """Nothing may be run: this is a dry-run."""

    def look(self) -> Finding:
        if self.dry and self.writes:
            hint = "mark it with `only_looks: true` if it changes nothing"
            return Finding(Verdict.BLIND, "not run in dry-run", hint, {"not_run": True})
        try:
            values = self.values()
        except CutoverError as error:
            return Finding.blind(error.message)
        try:
            ended = run_bash(self.command, values, Deadline.after(self.timeout), say)
        except OSError as error:
            return Finding.blind(f"the command cannot be started: {error.strerror}")
        if ended.code != 0:
            return Finding.failed(ended.complaint("the command"))
        return self._judged(ended) if self.limits.given else Finding.passed(ended.last_line or "it ended with 0")

    def _judged(self, ended: Ended) -> Finding:
        if not NUMBER.fullmatch(ended.last_line):
            said = f"{ended.last_line[:60]!r}" if ended.last_line else "nothing"
            return Finding.failed(f"the command has to print a number as its last line, and printed {said}")
        value = float(ended.last_line)
        seen = f"{self.limits.shown(value)}, wanted {self.limits.words()}"
        return Finding.passed(seen, value=value) if self.limits.kept(value) else Finding.failed(seen)

    def values(self) -> Mapping[str, str]:
        """The variables with their values; raises ConfigurationRefused for one that cannot be found."""
        return {variable.name: variable.value() for variable in self.variables}

    def shell(self) -> str:
        if not self.limits.given:
            return pasteable(self.command, self.variables)
        body = f"""number=$( (
{self.command.strip(chr(10))}
) | tee /dev/stderr | awk 'NF {{ last = $0 }} END {{ print last }}')
{self.limits.shell()}"""
        return pasteable(body, self.variables)


@dataclass(frozen=True, kw_only=True)
class OwnLook(OwnCheck):
    """What only this system's own programs can tell, and what is asked without changing anything.

    The command runs in bash, in a process group that is ended when its time is over.
    """

    writes: ClassVar[bool] = False
