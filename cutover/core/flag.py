"""A percentage that an application reads: how it stands in a text, alone or under a key of a JSON object."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cutover.core.share import Share

# What `written` does, for a person's shell: the text on stdin, then the percentage and the key (empty: none) as arguments.
WRITE = """\
import json, sys
text, (percent, key) = sys.stdin.read(), sys.argv[1:]
if key:
    value = json.loads(text)
    value[key] = json.loads(percent)
    percent = json.dumps(value, ensure_ascii=False, indent=2 if "\\n" in text.strip() else None)
print(percent)"""

# What `read` says, for a person's shell.
READ = """\
import json, sys
text, (key,) = sys.stdin.read(), sys.argv[1:]
value = json.loads(text)
print(f"{value[key] if key else value} %")"""


@dataclass(frozen=True)
class Flag:
    """Where the percentage is: under `key` of a JSON object, or with None alone."""

    key: str | None = None

    def read(self, text: str) -> Share | str:
        """The share, or what is wrong with the text."""
        try:
            value = json.loads(text, parse_float=Decimal, parse_constant=_refused, object_pairs_hook=_once)
        except (ValueError, ArithmeticError, RecursionError):  # a number may be too large even for a Decimal
            return "the flag is not JSON" if self.key else f"the flag is no number: {text.strip()[:40]!r}"
        if self.key:
            if not isinstance(value, Mapping):
                return "the flag is no JSON object"
            if self.key not in value:
                return f"the flag has no key {self.key}"
            value = value[self.key]
        if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
            return f"the flag is no number: {json.dumps(value, default=str)[:40]}"
        try:
            return Share(Decimal(value))
        except (ValueError, ArithmeticError):
            return f"the flag is not a share: {str(value)[:40]}"

    def written(self, text: str, share: Share) -> str:
        """`text` with another share; the other keys keep their values and their order."""
        if self.key is None:
            return percent(share)
        value = json.loads(text, parse_constant=_refused, object_pairs_hook=_once)
        whole = share.percent == share.percent.to_integral()
        value[self.key] = int(share.percent) if whole else float(share.percent)
        lines = 2 if "\n" in text.strip() else None
        return json.dumps(value, ensure_ascii=False, indent=lines, allow_nan=False)


def percent(share: Share) -> str:
    """A share as the number that the application reads: 10, or 0.5."""
    return f"{share.percent.normalize():f}"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")  # writing it back would lose one of them
    return found


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
