"""When it is looked at everything after the switch, and what comes of what is seen."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from cutover.environment.section import Section
from cutover.environment.shapes import distinct
from cutover.environment.triggers import FigureName
from cutover.environment.written import Duration, Percentage, Wait

Outcome = Literal["notify", "hold", "rollback", "freeze"]


class Every(Section):
    """A rhythm of checkpoints."""

    since: Annotated[Duration, Field(alias="from")] = 0.0
    """This long after the switch it begins."""
    until: Wait
    """And this long after it, it ends."""
    every: Wait


class Checkpoints(Section):
    """Everything that can be checked while green serves, at moments counted from the switch, each with a report."""

    at: Annotated[tuple[Wait, ...], AfterValidator(distinct)] = (3600.0, 28_800.0, 86_400.0)
    """So long after the switch."""
    every: tuple[Every, ...] = (
        Every.model_validate({"from": 7200.0, "until": 32_400.0, "every": 2700.0}),
        Every.model_validate({"from": 32_400.0, "until": 86_400.0, "every": 10_800.0}),
    )
    """And in these rhythms; [] for none."""
    figures: dict[FigureName, Percentage] = Field(default_factory=dict)
    """How far figures may be from what they were before the cutover, such as 5%."""
    within: Wait = 300.0
    """How long one may take; what is not known then is not proven."""
    warning: Outcome = "notify"
    """What is done when a figure is off, or a trigger has too little to judge."""
    failure: Outcome = "hold"
    """What is done when something is wrong."""
    unproven: Outcome = "notify"
    """What is done when something could not be seen."""
