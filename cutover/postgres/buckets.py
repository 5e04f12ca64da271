"""Buckets of keys: few enough to be sent, small enough that one which differs is soon read row by row."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cutover.postgres.comparable import Table
from cutover.postgres.session import Session

ROWS_PER_RANGE = 64
MOST_RANGES = 1 << 17
HASHED, HASHED_NARROW, NARROW = 4096, 1024, 5  # more buckets cost cache misses, the more so the narrower the table
FINER = 64
GAPS = 16  # ranges pay while there is a row for every so many numbers
EXTENT_TIMEOUT = 600.0
EXTENT = (
    "SELECT sum(greatest(reltuples, 0))::bigint, sum(pg_relation_size(oid))::bigint FROM pg_class WHERE oid = ANY(%s)"
)
_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Buckets:
    """How rows fall into `size` buckets: by ranges of `step` whole numbers from `base` × `step`, else by the key's hash."""

    size: int
    base: int = 0
    step: int = 0
    column: str = ""

    def sql(self, table: Table, session: Session) -> str:
        """SQL of a row's bucket; a row outside the ranges is in a bucket below 0 or past `size`."""
        if self.step:
            # Divided before anything is subtracted: nothing overflows, wherever a number lies.
            return f"({self.column} / {self.step}::bigint - ({self.base}))"
        return f"({table.at(session).key_hash} & {self.size - 1})"

    def bounds(self, bucket: int) -> tuple[int, int]:
        """The first and the last key of a range; division truncates, so the range around 0 is twice as wide."""
        quotient = bucket + self.base
        low = quotient * self.step if quotient > 0 else (quotient - 1) * self.step + 1
        high = (quotient + 1) * self.step - 1 if quotient >= 0 else quotient * self.step
        return max(low, -(1 << 63)), min(high, (1 << 63) - 1)

    def finer(self) -> "Buckets":
        """Smaller buckets of the same kind; each lies within one of these."""
        return Buckets(self.size * FINER)

    def saved(self) -> dict[str, Any]:
        return asdict(self)


def buckets_for(table: Table, source: Session, target: Session) -> Buckets:
    """Ranges where the key is one whole number with few gaps, else hashes of the key, or of the row without one."""
    narrow = len(table.at(source).columns) <= NARROW
    hashed = Buckets(HASHED_NARROW if narrow else HASHED)
    key = table.key_at(source)
    if len(key) != 1 or key[0].kind not in ("int2", "int4", "int8"):
        return hashed
    rows, size = source.rows(EXTENT, [[oid for _, oid in table.at(source).leaves]])[0]
    rows = rows or (size or 0) // 100  # never analyzed: a guess from the size
    extents = [_extent(session, table) for session in (source, target)]
    lows, highs = [low for low, _ in extents if low is not None], [high for _, high in extents if high is not None]
    if not rows or not lows or max(highs) - min(lows) > rows * GAPS:
        return hashed
    span = max(highs) - min(lows) + 1
    step = max(ROWS_PER_RANGE, ROWS_PER_RANGE * span // rows, -(-span // MOST_RANGES))
    base = _divided(min(lows), step)
    return Buckets(_divided(max(highs), step) - base + 1, base, step, key[0].quoted)


def _extent(session: Session, table: Table) -> tuple[int | None, int | None]:
    (key,) = table.key_at(session)
    low, high = session.rows(
        f"SELECT min({key.quoted}), max({key.quoted}) FROM {table.at(session).rows}", timeout=EXTENT_TIMEOUT
    )[0]
    return low, high


def _divided(number: int, step: int) -> int:
    """As SQL divides: towards zero."""
    return number // step if number >= 0 else -(-number // step)


class Tally:
    """Row count and combined hash of every bucket of one side, 16 bytes each."""

    def __init__(self, size: int, *, adds: bool) -> None:
        self._adds = adds
        self._counts = array("q", bytes(8 * size))
        self._hashes = array("Q", bytes(8 * size))
        self._outside: dict[int, tuple[int, int]] = {}

    def add(self, found: Iterable[Sequence[Any]]) -> None:
        """Merges (bucket, count, hash) of one slice."""
        size = len(self._counts)
        for bucket, count, value in found:
            number = int(value or 0)
            if 0 <= bucket < size:
                self._counts[bucket] += count
                self._hashes[bucket] = self._combined(self._hashes[bucket], number)
            else:
                before = self._outside.get(bucket, (0, 0))
                self._outside[bucket] = (before[0] + count, self._combined(before[1], number))

    @property
    def rows(self) -> int:
        return sum(self._counts) + sum(count for count, _ in self._outside.values())

    def differing(self, other: "Tally") -> list[int]:
        """The buckets that are not the same on both sides, in order."""
        found: list[int] = []
        if self._counts != other._counts or self._hashes != other._hashes:
            pairs = zip(self._counts, other._counts, self._hashes, other._hashes, strict=True)
            found = [bucket for bucket, (n, m, a, b) in enumerate(pairs) if n != m or a != b]
        ours, theirs = self._outside, other._outside
        return sorted([*found, *(b for b in ours.keys() | theirs.keys() if ours.get(b) != theirs.get(b))])

    def _combined(self, one: int, more: int) -> int:
        return (one + more) & _MASK if self._adds else one ^ (more & _MASK)
