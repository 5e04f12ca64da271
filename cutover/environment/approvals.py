"""Who has to agree before a run goes on."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from cutover.environment.reading import prose, word
from cutover.environment.section import Section
from cutover.environment.shapes import distinct
from cutover.environment.written import Duration, Flag, Role

PhaseName = Annotated[
    str, word(r"[a-z][a-z0-9-]{0,39}(\.[0-9]{1,2})?", "the name of a phase, such as window or shift-2.5")
]


class Approval(Section):
    """A gate that people open: each of the roles says yes, or one of them says no."""

    before: PhaseName
    """The phase that waits for it; `end` is the end of the cutover, where somebody signs that all is well."""
    roles: Annotated[tuple[Role, ...], Field(min_length=1), AfterValidator(distinct)]
    different_people: Flag = False
    """Nobody signs for two of the roles."""
    criteria: Annotated[str, prose(1024)] = ""
    """What whoever decides should look at; shown where the decision is asked for."""
    deadline: Duration = 86_400.0
    """How long it is waited for."""
    on_timeout: Literal["hold", "rollback", "freeze", "previous-phase"] = "hold"
    """What the end of that time starts."""
    on_reject: Literal["hold", "rollback", "freeze", "previous-phase"] = "rollback"
    """What a no starts."""
