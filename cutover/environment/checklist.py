"""The lines of the two checklists: what has to be so before anything is touched, and what after the cutover."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from cutover.environment.measured import UNIT, FigureName
from cutover.environment.own_steps import Script, VariableName
from cutover.environment.reading import DURATION_SCHEMA, word
from cutover.environment.reference import Ref
from cutover.environment.section import Section
from cutover.environment.written import Flag, Name, Role, SmokeTests, Wait
from cutover.metrics.units import Quantity

_BOUND = rf"(-?[0-9]{{1,15}}(?:\.[0-9]{{1,6}})?) ?({UNIT})?"
BoundText = Annotated[str, word(_BOUND, "a number with its unit, such as 200ms, 5% or 120 USD")]
TIMEOUT = 600.0


class ChecklistItem(Section):
    """A line of a checklist: smoke tests of green that answer it, a command, a figure, or the role that does."""

    name: Name
    smoke: SmokeTests | None = None
    """An expression as for pytest -k."""
    attest: Role | None = None
    """Who has to say so, by name and with a comment: `invoke approve`."""
    command: Script | None = None
    """Bash that ends with 0 when all is well; with a bound, its last line is one number in the bound's unit."""
    figure: FigureName | None = None
    """A figure under `metrics`, whose newest value keeps the bound; of both sides it is green's."""
    at_most: BoundText | None = None
    """For a command or a figure: 200ms, 5%, 120 USD."""
    at_least: BoundText | None = None
    """For a command or a figure: 500/s."""
    timeout: Wait = TIMEOUT
    """How long the command may take; then it is ended, and the line has failed."""
    variables: Annotated[dict[VariableName, Ref], Field(default_factory=dict)]
    """Environment variables of the command, each with a reference to its value."""
    only_looks: Flag = False
    """Whether the command changes nothing, and may run in a dry-run, too."""


def quantity(written: str) -> Quantity:
    """A bound as a number with its unit; raises ValueError for what is none."""
    match = re.fullmatch(_BOUND, written, re.ASCII)
    if match is None:
        raise ValueError("is no number with a unit")
    return Quantity(float(match[1]), match[2] or "")


_EXPRESSION: Mapping[str, Any] = {"type": "string", "description": "an expression as for pytest -k"}
_ROLE: Mapping[str, Any] = {"enum": ["decision", "database", "traffic", "application"]}
_BOUND_SCHEMA: Mapping[str, Any] = {
    "type": ["string", "number"],
    "description": "a number with its unit: 200ms, 5%, 120 USD",
}
_BOUNDS: Mapping[str, Any] = {"at_most": _BOUND_SCHEMA, "at_least": _BOUND_SCHEMA}


def _form(**properties: Any) -> dict[str, Any]:
    """One form of a line; its first key has to be there."""
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "required": [next(iter(properties))],
    }


CHECKLIST_SCHEMA: dict[str, Any] = {
    "type": "object",
    "propertyNames": {"pattern": "^[a-z][a-z0-9-]{0,39}$"},
    "additionalProperties": {
        "anyOf": [
            _EXPRESSION,
            {"type": "array", "minItems": 1, "items": _EXPRESSION},
            _form(smoke=_EXPRESSION),
            _form(attest=_ROLE),
            _form(
                command={
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 4000,
                    "description": "bash that ends with 0 when all is well",
                },
                **_BOUNDS,
                timeout=dict(DURATION_SCHEMA),
                variables={"type": "object", "additionalProperties": {"type": "string"}},
                only_looks={"type": "boolean", "description": "it changes nothing, and may run in a dry-run"},
            ),
            _form(figure={"type": "string", "description": "a figure under metrics"}, **_BOUNDS),
        ]
    },
}
