"""What every part of an environment file has in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the file: frozen, unknown keys refused, inputs never in an error."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        serialize_by_alias=True,  # a dump can be read again
        hide_input_in_errors=True,
        validate_default=False,
        protected_namespaces=(),
    )
