"""Who somebody is at the console, and what the environment lets them do there."""

from collections.abc import Mapping, Sequence

from cutover.console.sessions import Person, Role
from cutover.core.errors import ConfigurationRefused

EVERYTHING = frozenset(Role)


def person(
    name: str, people: Mapping[str, Sequence[str]] | None, *, starts: bool = False, read_only: bool = False
) -> Person:
    """The person of that name, as the journal has it.

    Without `people` whoever starts the console has all rights and others look; with it, the rights are those of the whole
    name or, where that is not listed, of the part before @. Raises ConfigurationRefused for a name that nobody has.
    """
    if not name.strip() or not name.isprintable() or len(name) > 300:
        raise ConfigurationRefused(["--invite wants a name as the journal has it, such as anna or anna@desk"])
    if people is None:
        rights = EVERYTHING if starts else frozenset[Role]()
    else:
        listed = people.get(name, people.get(name.partition("@")[0], ()))
        rights = frozenset(Role(right) for right in listed)
    return Person(name, frozenset() if read_only else rights - {Role.VIEWER})


def rights(who: Person) -> str:
    """What a person may, in words."""
    return ", ".join(sorted(role.value for role in who.roles)) or Role.VIEWER.value
