"""Who may do what at the operator console, and how it is reached."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from cutover.environment.reading import whole, word
from cutover.environment.section import Section
from cutover.environment.shapes import distinct
from cutover.environment.written import Hosts

PersonName = Annotated[
    str,
    word(r"[A-Za-z0-9._+-]{1,100}(@[A-Za-z0-9._-]{1,253})?", "a name as the journal has it, such as anna or anna@desk"),
]
Right = Literal["operator", "approver", "viewer"]


class Console(Section):
    """The operator console. It may be changed while a run is open."""

    people: dict[PersonName, Annotated[tuple[Right, ...], AfterValidator(distinct), Field(min_length=1)]] | None = None
    """Rights by name, as the journal has it or the part before @; who is not listed may look. Without it whoever starts the
    console may do everything."""
    hosts: Hosts = ()
    """Names under which a proxy serves it by https, on port 443."""
    port: Annotated[int, whole(1, 65_535)] | None = None
    """Of 127.0.0.1; without it any that is free."""
