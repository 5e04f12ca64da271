"""What is watched while green has traffic, and what each thing that goes wrong starts."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from cutover.environment.reading import Reads, prose, text_of, word, wrong
from cutover.environment.section import Section
from cutover.environment.shapes import distinct
from cutover.environment.written import Duration, Name
from cutover.metrics.action import POLICIES, parse_action
from cutover.metrics.figures import Known
from cutover.metrics.parsing import parse
from cutover.metrics.rule import FROM_FIRST_SHARE, Rule
from cutover.metrics.tokens import LONGEST, ConditionError
from cutover.metrics.units import lasting

POLICY_WORDS = tuple(policy.value for policy in POLICIES)


def _action(value: object) -> str:
    try:
        return str(parse_action(text_of(value, "what is done, such as rollback")))
    except ConditionError as error:
        raise wrong(error.brief) from None


Then = Annotated[
    str,
    Reads(
        _action,
        {
            "type": "string",
            "pattern": rf"^({'|'.join(POLICY_WORDS)}|investigate for .+ then ({'|'.join(POLICY_WORDS)}))$",
        },
    ),
]
ConditionText = Annotated[str, prose(LONGEST)]
PhaseName = Annotated[
    str,
    word(
        r"prepare|window|work|bake|shift(-[0-9]{1,3}(\.[0-9]{1,2})?)?",
        "a phase: prepare, window, work, shift, shift-25, bake",
    ),
]
FigureName = Annotated[str, word(r"[A-Za-z_][A-Za-z0-9_.-]{0,79}", "the name of a figure under metrics")]
Above = Annotated[str, word(r"[0-9][0-9._eE]{0,20} ?[A-Za-z%/]{0,10}", "a value with its unit, such as 5%")]
Enough = Annotated[
    str,
    word(
        r"[0-9_]{1,12} [A-Za-z_][A-Za-z0-9_.-]{0,79}( in [0-9.]+ ?[a-z]{1,2})?",
        "a number and a figure, such as 200 requests",
    ),
]
Undecided = Literal["wait", "notify", "hold", "previous-phase", "rollback", "freeze"]


class Zone(Section):
    """What is done above a value; below the first zone the cutover goes on."""

    above: Above
    then: Then
    lasts: Annotated[Duration, Field(alias="for")] = 0.0
    """For so long; without it at once."""


class Trigger(Section):
    """Something that must not be, and what is done about it: a condition under `when` or `wanted`, or zones of a figure."""

    when: ConditionText | None = None
    """What is wrong: `error_rate > 5% for 5m at least 200 requests`, `p95 > legacy + 100ms`, `memory grows > 10%/h`."""
    wanted: ConditionText | None = None
    """What has to be so: `kpi within 5% of baseline`."""
    then: Then | None = None
    """notify, hold, previous-phase, rollback or freeze; or `investigate for 15m then rollback`, which holds meanwhile."""
    figure: FigureName | None = None
    """The figure that the zones are of."""
    zones: tuple[Zone, ...] = ()
    """From the lowest to the highest."""
    at_least: Enough | None = None
    """For zones: with fewer than so many there is no verdict."""
    during: Annotated[tuple[PhaseName, ...], AfterValidator(distinct), Field(min_length=1)] = FROM_FIRST_SHARE
    """The phases in which it is asked; `shift` is every share."""
    insufficient: Undecided = "wait"
    """What is done while too little is known for a verdict."""
    blind: Undecided = "hold"
    """What is done while the figure cannot be read."""
    severity: Literal["info", "warning", "critical"] = "critical"
    channels: Annotated[tuple[Name, ...], AfterValidator(distinct)] = ()
    """Who is told, of the channels under `notify`; without any, as the routes there say."""

    def rules(self, name: str, known: Mapping[str, Known]) -> tuple[Rule, ...]:
        """The trigger as rules in the order of the file, a zone after the other; raises ConditionError."""
        return tuple(
            Rule(
                name if not self.zones else f"{name}-{number}",
                parse(text, known),
                parse_action(then),
                self.during,
                self.insufficient,
                self.blind,
                self.severity,
                self.channels,
            )
            for number, (text, then) in enumerate(self._texts(), 1)
        )

    def _texts(self) -> Iterator[tuple[str, str]]:
        if not self.zones:
            yield self.when or self.wanted or "", self.then or ""
        for zone in self.zones:
            yield zone_text(self.figure or "", zone.above, zone.lasts, self.at_least), zone.then


def zone_text(figure: str, above: str, lasts: float, at_least: str | None) -> str:
    """A zone as the condition that it stands for."""
    text = f"{figure} > {above}"
    text += f" for {lasting(lasts)}" if lasts else ""
    if at_least:
        text += f" at least {at_least}" + ("" if lasts or " in " in at_least else " in 5m")
    return text


def rules(triggers: Mapping[str, Trigger], known: Mapping[str, Known]) -> tuple[Rule, ...]:
    """Every rule of the environment, in the order of the file."""
    return tuple(rule for name, trigger in triggers.items() for rule in trigger.rules(name, known))
