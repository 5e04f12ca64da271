"""Whether a cutover is refused without a rehearsal of its very plan, and how old that may be."""

from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from cutover.environment.reading import DURATION_SCHEMA
from cutover.environment.section import Section
from cutover.environment.written import Flag, Wait

REQUIRED = "required"


class Rehearsal(Section):
    """A rehearsal of this very plan, by `invoke rehearse`, before a cutover. It may be changed while a run is open."""

    required: Flag = False
    """Whether `cutover` refuses to begin without one."""
    max_age: Wait = 1_209_600.0
    """How old it may be: 14 days."""


def _in_a_word(value: object) -> object:
    """`required` alone is the whole form with its defaults."""
    return {"required": True} if isinstance(value, str) and value == REQUIRED else value


RehearsalWords = Annotated[
    Rehearsal,
    BeforeValidator(_in_a_word),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": REQUIRED},
                {
                    "type": "object",
                    "properties": {"required": {"type": "boolean"}, "max_age": dict(DURATION_SCHEMA)},
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
