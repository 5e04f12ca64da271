"""What a comparison found, and how far it has come."""

import time
from dataclasses import dataclass, field
from typing import Any

from cutover.postgres.business import Figure
from cutover.postgres.rowdiff import Difference


@dataclass
class Report:
    """What was compared and what differs; `sample` is the percentage of keys that was looked at, 100 for all."""

    source: str
    target: str
    hashing: str = ""
    sample: float = 100.0
    tables: int = 0
    rows: int = 0
    rechecked: int = 0
    seconds: float = 0.0
    resumed: bool = False
    differences: list[Difference] = field(default_factory=list)
    more: list[str] = field(default_factory=list)
    """Where more differs than was read row by row."""
    unproven: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)

    @property
    def status(self) -> str:
        """equal, `equal on a sample`, differs or `not proven`."""
        verdicts = {figure.verdict for figure in self.figures}
        if self.differences or self.more or "differs" in verdicts:
            return "differs"
        if self.unproven or "not proven" in verdicts:
            return "not proven"
        return "equal" if self.sample >= 100 else "equal on a sample"

    def __str__(self) -> str:
        part = "" if self.sample >= 100 else f", a sample of {self.sample:g} % of the keys"
        counts = f"{self.rows} rows in {self.tables} tables, {self.source} against {self.target}{part}"
        told = [f"{len(self.differences)} differ: {'; '.join(str(d) for d in self.differences[:5])}"] * bool(
            self.differences
        )
        told += [f"more differs: {', '.join(self.more)}"] * bool(self.more)
        told += [
            f"{figure.name}: {figure.verdict}, {figure.seen}" for figure in self.figures if figure.verdict != "equal"
        ]
        told += [f"not proven for {', '.join(self.unproven)}"] * bool(self.unproven)
        return f"{counts}: {'; '.join(told) or self.status}"

    def document(self, limit: int) -> dict[str, Any]:
        """The report for machines, with at most `limit` differing rows."""
        first = [
            {"table": d.table, "key": d.key, "seen": d.seen,
             "columns": [{"column": c.column, "source": c.source, "target": c.target} for c in d.columns]}
            for d in self.differences[:limit]
        ]  # fmt: skip
        return {
            "schema": "cutover.validation/2",
            "status": self.status,
            "source": self.source,
            "target": self.target,
            "hashing": self.hashing,
            "coverage": {"percent_of_keys": self.sample, "tables": self.tables, "rows": self.rows},
            "tables": self.tables,
            "rows": self.rows,
            "rechecked": self.rechecked,
            "seconds": round(self.seconds, 3),
            "resumed": self.resumed,
            "differences": len(self.differences),
            "first": first,
            "more": self.more,
            "unproven": self.unproven,
            "figures": [{"name": f.name, "verdict": f.verdict, "seen": f.seen} for f in self.figures],
        }


@dataclass
class Progress:
    """How far the reading has come: bytes of both sides' files, and rows of the source."""

    bytes_total: int = 0
    bytes_read: int = 0
    rows: int = 0
    table: str = ""
    began: float = field(default_factory=time.monotonic)
    skipped: int = 0
    """Bytes that an earlier, interrupted comparison has read."""

    @property
    def rate(self) -> float:
        """Bytes per second, of what this process has read."""
        return max(0, self.bytes_read - self.skipped) / max(time.monotonic() - self.began, 1e-3)

    @property
    def left(self) -> float | None:
        """Seconds that are left at this rate; None before anything was read."""
        return (self.bytes_total - self.bytes_read) / self.rate if self.rate else None

    def __str__(self) -> str:
        percent = 100 * self.bytes_read / self.bytes_total if self.bytes_total else 100.0
        left = "" if self.left is None else f", about {max(0.0, self.left):.0f} s left"
        return (
            f"{percent:3.0f} %  {self.bytes_read / 1e6:.0f} of {self.bytes_total / 1e6:.0f} MB, {self.rows} rows, "
            f"{self.rate / 1e6:.0f} MB/s{left}  {self.table}"
        )
