"""How green comes to blue's schema and rows: `database.schema` and `database.copy` of an environment file."""

import re
from typing import Annotated, Literal

from cutover.environment.reading import Reads, whole, wrong
from cutover.environment.section import Section

GreenSchema = Literal["present", "copied"]

_UNITS = {"": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}  # as PostgreSQL's own settings count them
_LEAST, _MOST = 1 << 20, 1 << 50


def _size(value: object) -> int:
    written = "" if isinstance(value, bool) else str(value)
    match = re.fullmatch(r"([0-9]{1,15})(kB|MB|GB|TB)?", written, re.ASCII)
    size = int(match[1]) * _UNITS[match[2] or ""] if match else 0
    if not _LEAST <= size <= _MOST:
        raise wrong("wants a size such as 64MB, 1GB or 2TB, at least 1MB")
    return size


size = Reads(
    _size,
    {"anyOf": [{"type": "integer", "minimum": _LEAST}, {"type": "string", "pattern": "^[0-9]+(kB|MB|GB|TB)?$"}]},
)


class Copy(Section):
    """How the rows that blue has at the beginning come to green."""

    method: Literal["table-sync", "parallel"] = "table-sync"
    """`table-sync`: PostgreSQL's own, a connection per table; `parallel`: large tables in parts, under one snapshot."""
    jobs: Annotated[int, whole(1, 64)] = 4
    """Connections that copy at the same time (`parallel`), and indexes that are built at the same time (`schema: copied`)."""
    parallel_above: Annotated[int, size] = 1 << 30
    """Tables larger than this are copied in parts (`parallel`)."""
