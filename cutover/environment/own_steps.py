"""Steps of the user's own, made of shell commands."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from cutover.environment.reading import prose, script, word
from cutover.environment.reference import Ref
from cutover.environment.section import Section
from cutover.environment.shapes import distinct
from cutover.environment.written import Flag, Wait

StateWord = Annotated[
    str, word(r"[A-Za-z0-9][A-Za-z0-9 ._:/%+-]{0,99}", "a state of letters, digits and . _ : / % + -")
]
VariableName = Annotated[str, word(r"[A-Z_][A-Z0-9_]{0,99}", "a variable's name in capitals")]
Script = Annotated[str, script]


class OwnStep(Section):
    """A step made of shell commands, for what the toolkit does not know; each must be as good when it runs twice."""

    phase: Literal["prepare", "window-before", "window-after", "shift-before", "bake"]
    """Where it is taken: at the end of the preparation; in the window before writes stop, or when green has them; before
    the first share; after the last one."""
    before: StateWord
    """What `observe` prints as its last line before the step."""
    after: StateWord
    """What it prints when the step is done."""
    between: Annotated[tuple[StateWord, ...], AfterValidator(distinct)] = ()
    """What it prints when a command stopped half-way: from there `to` goes on, and `back` takes it back. Any other word
    is somebody else's, and is left alone."""
    observe: Script
    """Prints the state, and changes nothing."""
    to: Script
    """Leads from `before` to `after`."""
    back: Script
    """Leads from `after` to `before`: run by a rollback."""
    why: Annotated[str, prose(1000)]
    """The reason that the runbook gives."""
    timeout: Wait = 60.0
    """How long a command may take; then it is ended."""
    variables: Annotated[dict[VariableName, Ref], Field(default_factory=dict)]
    """Environment variables of the commands, each with a reference to its value."""
    observe_is_safe: Flag = False
    """Whether `observe` may run in a dry-run and for a plan, where nothing may be changed."""
