"""A journal in memory that is sealed into a chain as the real ones are, with a lease whose token every append shows."""

from collections.abc import Mapping, Sequence
from typing import Any

from cutover.core.audit import Break, audit
from cutover.core.clock import Clock
from cutover.core.errors import LeaseLost
from cutover.core.journal import Entry
from cutover.core.lease import Lease
from cutover.core.rows import GENESIS, Head, Row, Rows

Word = tuple[str, Mapping[str, Any]]


class SealedStore:
    """The entries and words of all runs; `token` is that of whoever took the lease last."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.kept: list[Entry] = []
        self.words: dict[str, list[Word]] = {}
        self.token = 0

    def lease(self, who: str) -> Lease:
        """Takes the lease over: whoever had it is void from now on."""
        self.token += 1
        return Lease(str(self.token), self.token, who, "model", self.token, 1, self.clock.now(), "model")

    def check(self, token: int) -> None:
        """Raises LeaseLost when a newer token exists."""
        if token != self.token:
            raise LeaseLost(f"token {token} is void: {self.token} took over")

    def append(self, run: str, kind: str, data: Mapping[str, Any], lease: Lease) -> Entry:
        self.check(lease.token)
        number, at = len(self.kept) + 1, self.clock.now()
        prev = self.kept[-1].hash if self.kept else GENESIS
        entry = Entry(
            number, run, at, lease.token, kind, data, prev, Entry.seal(number, run, at, lease.token, kind, data, prev)
        )
        self.kept.append(entry)
        return entry

    def entries(self, run: str | None = None) -> Sequence[Entry]:
        return [entry for entry in self.kept if run is None or entry.run == run]

    def wish(self, run: str, kind: str, data: Mapping[str, Any]) -> None:
        self.words.setdefault(run, []).append((kind, data))

    def wishes(self, run: str) -> Sequence[Word]:
        return self.words.get(run, ())

    def broken(self) -> Break | None:
        """The first entry at which the chain does not hold, None where it does."""
        rows = tuple(Row(str(entry.seq), vars(entry)) for entry in self.kept)
        last = self.kept[-1] if self.kept else None
        return audit(Rows("model", rows, Head.of(last) if last else None)).broken
