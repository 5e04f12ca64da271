"""The twin of a share that no load balancer and no DNS record carries: it moves as it would, and nobody comes through it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cutover.rehearsal.words import ADDRESS, Words
from cutover.world.background import Function

FILES = "/in-the-twin/flags"
"""Where the files of flags are, as long as the twin's folder is not made."""
VERSIONS = 50  # of a function that are published at most


@dataclass
class Steered:
    """The Lambda functions, SSM parameters and files whose shares the plan moves, as they are before it."""

    functions: list[Function] = field(default_factory=list)
    parameters: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """The text of each, by its name in the folder."""

    def takes(self, words: Words, name: str, carrier: Mapping[str, Any]) -> bool:
        """Makes the twin of this hostname's carrier, if there can be one."""
        match carrier["kind"]:
            case "lambda" if max(int(carrier["blue"]), int(carrier["green"])) <= VERSIONS:
                self.functions.append(
                    Function(carrier["function"], carrier["alias"], int(carrier["blue"]), int(carrier["green"]))
                )
            case "ssm" if not carrier.get("reported"):
                self.parameters[carrier["parameter"]] = _nothing(carrier)
            case "file" if not carrier.get("reported"):
                self.files[name] = _nothing(carrier)
                words.put(("hostnames", name, "carrier", "file"), f"{FILES}/{name}", ADDRESS)
            case _:
                return False
        words.leave_out(f"hostnames.{name}: its traffic", "its share moves in the twin, and nobody comes through it")
        return True


def _nothing(carrier: Mapping[str, Any]) -> str:
    key = carrier.get("key")
    return f'{{"{key}": 0}}\n' if key else "0\n"
