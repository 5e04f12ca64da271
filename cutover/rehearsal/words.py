"""The words of an environment as they are rewritten for its twin: each change with its place and its reason."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from cutover.environment import Environment, parse

ADDRESS, OUTSIDE, TIME, SIZE = "address", "outside", "time", "size"
"""Why a word is another one in the twin: where something is; what this machine cannot ask; a wait in which only time goes by;
how much of it there is."""

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Rewritten:
    """One word of the environment that is another one in the twin; None where there is none."""

    path: str
    was: Any
    now: Any
    why: str

    def document(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class NotRehearsed:
    """What of the environment the twin does not have, and what stands for it there."""

    what: str
    why: str

    def document(self) -> dict[str, Any]:
        return asdict(self)


def _written(value: Any) -> Any:
    """A dump without empty texts: they stand for what was not written, and a file may not hold them."""
    if isinstance(value, dict):
        return {key: _written(one) for key, one in value.items() if one != ""}
    return [_written(one) for one in value] if isinstance(value, list) else value


@dataclass
class Words:
    """The environment's words, whole and with every default, and what was changed of them."""

    document: dict[str, Any]
    units: Mapping[str, str]
    """In what each figure is measured."""
    rewritten: list[Rewritten] = field(default_factory=list)
    not_rehearsed: list[NotRehearsed] = field(default_factory=list)
    no_twin: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, environment: Environment) -> "Words":
        units = {name: environment.metrics.unit(name) for name in environment.metrics.figures}
        return cls(_written(environment.model_dump(mode="json", exclude_none=True)), units)

    def at(self, *place: str | int) -> Any:
        """What stands there; None for nothing."""
        found: Any = self.document
        for part in place:
            if isinstance(found, Mapping):
                found = found.get(part)
            elif isinstance(found, list) and isinstance(part, int) and part < len(found):
                found = found[part]
            else:
                return None
        return found

    def put(self, place: Place, now: Any, why: str) -> None:
        """Writes `now` there, or takes out what stands there where it is None, and notes the change if it is one."""
        was = self.at(*place)
        if was == now:
            return
        holder = self.at(*place[:-1])
        if holder is None:
            holder = self.document.setdefault(str(place[0]), {})
        if now is None:
            holder.pop(place[-1])
        else:
            holder[place[-1]] = now
        self.rewritten.append(Rewritten(".".join(self._called(place)), was, now, why))

    def at_most(self, place: Place, longest: float) -> None:
        """Shortens a wait to so many seconds."""
        was = self.at(*place)
        if isinstance(was, (int, float)) and was > longest:
            self.put(place, longest, TIME)

    def leave_out(self, what: str, why: str) -> None:
        """Notes what is not rehearsed."""
        self.not_rehearsed.append(NotRehearsed(what, why))

    def text(self) -> str:
        """The twin's file: JSON, which is YAML."""
        return json.dumps(self.document, indent=1, ensure_ascii=False) + "\n"

    def environment(self) -> Environment:
        """The twin; raises ConfigurationRefused where what was rewritten contradicts itself."""
        name = str(self.document["name"])
        return parse(self.text(), name=name, file=f"the twin of {name}")

    def _called(self, place: Place) -> list[str]:
        """The place with the names of what stands in lists, as the file has it."""
        parts = []
        for number, part in enumerate(place):
            found = self.at(*place[: number + 1])
            named = isinstance(part, int) and isinstance(found, Mapping) and "name" in found
            parts.append(str(found["name"]) if named and isinstance(found, Mapping) else str(part))
        return parts
