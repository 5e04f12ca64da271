"""An override by an environment variable: CUTOVER_FLAG_ and the flag's name in capitals, other characters as _."""

import re
from collections.abc import Mapping

ODD = re.compile(r"[^A-Z0-9]")


def variable(name: str) -> str:
    """The variable of a flag: CUTOVER_FLAG_NEW_SEARCH for new-search (and for new.search: both hear it)."""
    return "CUTOVER_FLAG_" + ODD.sub("_", name.upper())


def override(environ: Mapping[str, str], variable: str) -> tuple[bool | None, str]:
    """What the variable says: true (all keys to the candidate), false (none) or None; and the odd value that it has.

    `true`, `false` and `unset` in any case; nothing, or not being there, is unset. Any other value is odd, and overrides nothing.
    """
    value = environ.get(variable)
    if value is None:
        return None, ""
    word = value.strip().lower()
    if word in ("", "unset"):
        return None, ""
    if word in ("true", "false"):
        return word == "true", ""
    return None, value[:40]
