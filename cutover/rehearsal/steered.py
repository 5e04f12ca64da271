"""The twin of a share that no load balancer and no DNS record carries: it moves as it would, and nobody comes through it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cutover.rehearsal.words import ADDRESS, Words
from cutover.world.background import Function

FILES = "/in-the-twin/flags"
"""Where the files of flags are, as long as the twin's folder is not made."""
VERSIONS = 50
"""Of a function that are published at most; greater numbers are small ones in the twin."""


@dataclass
class Steered:
    """The Lambda functions, SSM parameters and files whose shares the plan moves, as they are before it."""

    functions: list[Function] = field(default_factory=list)
    shares: dict[str, dict[str, int]] = field(default_factory=dict)
    """By SSM parameter, the percentage under each key; without a key under the empty one."""
    files: dict[str, dict[str, int]] = field(default_factory=dict)
    """Likewise, by the name of the file in the folder."""
    _called: dict[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, str]:
        return {name: _text(shares) for name, shares in self.shares.items()}

    @property
    def texts(self) -> dict[str, str]:
        return {name: _text(shares) for name, shares in self.files.items()}

    def takes(self, words: Words, name: str, carrier: Mapping[str, Any]) -> bool:
        """Makes the twin of this hostname's carrier, if there can be one."""
        key = carrier.get("key") or ""
        match carrier["kind"]:
            case "lambda":
                self._function(words, name, carrier)
            case "ssm" if not carrier.get("reported"):
                self.shares.setdefault(carrier["parameter"], {})[key] = 0
            case "file" if not carrier.get("reported"):
                file = self._called.setdefault(carrier["file"], name)
                self.files.setdefault(file, {})[key] = 0
                words.put(("hostnames", name, "carrier", "file"), f"{FILES}/{file}", ADDRESS)
            case _:
                return False
        words.leave_out(f"hostnames.{name}: its traffic", "its share moves in the twin, and nobody comes through it")
        return True

    def _function(self, words: Words, name: str, carrier: Mapping[str, Any]) -> None:
        blue, green = int(carrier["blue"]), int(carrier["green"])
        if max(blue, green) > VERSIONS:
            blue, green = (1, 2) if blue < green else (2, 1)
            for side, number in (("blue", blue), ("green", green)):
                words.put(("hostnames", name, "carrier", side), number, ADDRESS)
        self.functions.append(Function(carrier["function"], carrier["alias"], blue, green))


def _text(shares: Mapping[str, int]) -> str:
    return f"{shares['']}\n" if "" in shares else json.dumps(shares) + "\n"
