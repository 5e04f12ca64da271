"""The lines of the two checklists, each with what answers it: a check, or a role."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from shlex import quote
from time import gmtime, strftime, time

from cutover.core.gate import Check, Finding, Gate, Policy
from cutover.core.plain import span
from cutover.core.plan import Item
from cutover.core.series import Sample, Span
from cutover.environment import ChecklistItem
from cutover.environment.checklist import quantity
from cutover.environment.figures import known_figures
from cutover.machine.own_check import Limits, OwnCheck, OwnLook
from cutover.machine.own_command import Variable
from cutover.metrics.figures import Asked, Figure, Figures, Known, unproven
from cutover.plans.approval import attested
from cutover.plans.means import Means
from cutover.plans.tested import tested

READY, AFTER = "ready-", "checklist-"
DAY = 86_400.0
ASKED_AGAIN = 300.0  # seconds in which what could not be seen is asked again, before a person decides


@dataclass(frozen=True)
class Line:
    """A line by name; `check` answers it, or somebody of `role` does."""

    name: str
    check: Check | None
    role: str = ""


@dataclass(frozen=True, kw_only=True)
class FigureWithin(Check):
    """What is measured has to keep its bound before people go on: the newest value of the figure, on green unless it is blue's alone."""

    figure: Figure
    limits: Limits
    environment: str
    figures: Callable[[], Figures] = field(compare=False, repr=False)
    now: Callable[[], float] = field(default=time, compare=False, repr=False)

    def look(self) -> Finding:
        name, side, known, now = self.figure.name, self.figure.side, self.figure.known, self.now()
        # A source without a memory has one sample, of now: in a longer span it would be too few. Days may be late.
        steps = 1.5 if known.step < DAY else 3.0
        asked = Asked(name, side, Span(now - known.delay - steps * known.step, now, known.step))
        reading = self.figures().read(name, side, asked.span)
        unknown = unproven(asked, reading)
        if unknown is not None or reading.newest is None:
            return unknown or Finding.not_yet(f"{name} on {side}: no data")
        value = reading.newest.value
        seen = f"{name} on {side}: {self.limits.shown(value)}{self._of(reading.newest)}, wanted {self.limits.words()}"
        return Finding.passed(seen, value=value) if self.limits.kept(value) else Finding.failed(seen)

    def _of(self, newest: Sample) -> str:
        """When that was, where a figure comes by days."""
        if self.figure.known.step < DAY:
            return ""
        day = strftime("%Y-%m-%d", gmtime(newest.at - 1))
        late = f" (known {span(self.figure.known.delay)} late: what came since is not in it)"
        return f" for {day}" + (late if self.figure.known.delay else "")

    def shell(self) -> str:
        wanted = f'("{self.figure.name}", "{self.figure.side}", None)'
        pick = f'print(*(f["value"] for f in json.load(sys.stdin)["figures"] if (f["figure"], f["side"], f["gap"]) == {wanted}))'
        ask = f"invoke metrics --env {quote(self.environment)} --json"
        return f"""(set -eu
number=$({ask} | python -c 'import json, sys; {pick}')
{self.limits.shell()}
)"""


def lines(means: Means, words: Sequence[ChecklistItem], *, dry: bool | None = None) -> list[Line]:
    """The lines of one checklist; `dry`: commands that may change something are not run (else: where nothing may write)."""
    return [_line(means, one, means.read_only if dry is None else dry) for one in words]


def gates(means: Means, words: Sequence[ChecklistItem], prefix: str, on_fail: Policy) -> list[Item]:
    """The lines as gates of the plan; `on_fail` is what a failure starts."""
    found: list[Item] = []
    for line in lines(means, words):
        if line.check is not None:
            found.append(_gate(prefix + line.name, line.check, on_fail))
        elif line.role:
            found.append(attested(means, line.name, line.role, on_fail))
    return found


def _gate(name: str, check: Check, on_fail: Policy) -> Gate:
    """A figure never takes anything back by itself, and neither does what could not be seen: that is for a person to decide."""
    person = on_fail if on_fail is Policy.STOP else Policy.HOLD
    if isinstance(check, FigureWithin):
        return Gate(name=name, check=check, deadline=ASKED_AGAIN, on_fail=person)
    if isinstance(check, OwnCheck):
        return Gate(
            name=name, check=check, deadline=max(ASKED_AGAIN, check.timeout), on_fail=on_fail, on_timeout=person
        )
    return Gate(name=name, check=check, on_fail=on_fail)


def own_lines(means: Means) -> tuple[OwnCheck, ...]:
    """Every line of both checklists that is a command."""
    words = (*means.environment.readiness, *means.environment.checklist)
    return tuple(line.check for line in lines(means, words) if isinstance(line.check, OwnCheck))


def _line(means: Means, words: ChecklistItem, dry: bool) -> Line:
    if words.smoke:
        return Line(words.name, tested(means, "green", words.smoke))
    if words.command is not None:
        return Line(words.name, _command(means, words, words.command, dry))
    if words.figure is not None:
        known = known_figures(means.environment.model_dump())[words.figure]
        return Line(words.name, _figure(means, words, Figure(words.figure, known), known))
    return Line(words.name, None, words.attest or "decision")


def _command(means: Means, words: ChecklistItem, command: str, dry: bool) -> OwnCheck:
    bounds = [quantity(bound) for bound in (words.at_most, words.at_least) if bound is not None]
    kind = OwnLook if words.only_looks else OwnCheck
    return kind(
        name=words.name,
        command=command,
        limits=_limits(words, bounds[0].unit if bounds else ""),
        timeout=words.timeout,
        variables=tuple(
            Variable(variable, means.value_of(ref), means.shell_of(ref)) for variable, ref in words.variables.items()
        ),
        dry=dry,
    )


def _figure(means: Means, words: ChecklistItem, figure: Figure, known: Known) -> FigureWithin:
    limits = _limits(words, known.unit)
    return FigureWithin(figure=figure, limits=limits, environment=means.environment.name, figures=means.figures)


def _limits(words: ChecklistItem, unit: str) -> Limits:
    most, least = (
        None if bound is None else quantity(bound).in_unit(unit) for bound in (words.at_most, words.at_least)
    )
    return Limits(at_most=most, at_least=least, unit=unit)
