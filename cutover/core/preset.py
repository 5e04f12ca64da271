"""A figure that many systems have, with the query that asks for it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """`query` as its source reads it, where {word} stands for what the environment says under `of`; `unit` is the answer's."""

    query: str
    unit: str
    what: str

    @property
    def about(self) -> tuple[str, ...]:
        """The words that have to be given, in the query's order."""
        return tuple(dict.fromkeys(re.findall(r"\{([a-z_]+)\}", self.query)))

    def filled(self, of: Mapping[str, str]) -> str:
        """The query about these; raises KeyError for a word that is not given."""
        return re.sub(r"\{([a-z_]+)\}", lambda found: of[found[1]], self.query)
