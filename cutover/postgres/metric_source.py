"""Figures from a database: one SQL question with one number as its answer."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.series import Reading, Sample, Span, judged
from cutover.postgres.session import CONNECT, Database

LONGEST = 30.0  # seconds for one question; what takes longer burdens the server that is looked after


class _NoNumber(CutoverError):
    """The answer is not one number."""


@dataclass(frozen=True)
class SqlFigures:
    """Asks one side's database in a read-only transaction; it has no memory, so a reading is one sample, of now.

    NULL is not a number: an average of no rows says nothing, and is never 0.
    """

    database: Database
    delay: float = 0.0
    now: Callable[[], float] = field(default=time.time, repr=False, compare=False)

    def read(self, query: str, span: Span, deadline: Deadline) -> Reading:
        try:
            value = self._value(query, deadline.within(LONGEST))
        except CutoverError as error:
            return Reading.unreachable(error.message)
        at = self.now()
        return judged([Sample(at, value)], span.ending(at), delay=self.delay, remembers=False)

    def shell(self, query: str) -> str:
        return self.database.ask(query)

    def _value(self, query: str, deadline: Deadline) -> float:
        # The operator's SQL may name tables without their schema.
        settings = {"search_path": '"$user",public', "default_transaction_read_only": "on"}
        patience = min(CONNECT, max(deadline.remaining(), 0.1))
        with self.database.open("metrics", settings=settings, patience=patience) as session:
            milliseconds = max(1, int(1000 * deadline.remaining()))
            session.patience = milliseconds / 1000
            session.run(f"BEGIN READ ONLY; SET LOCAL statement_timeout = '{milliseconds}ms'")
            return _number(session.rows(query))


def _number(rows: list[tuple[Any, ...]]) -> float:
    columns = len(rows[0]) if rows else 1
    if len(rows) != 1 or columns != 1:
        seen = (
            f"{len(rows)} row{'s' * (len(rows) != 1)} with {columns} column{'s' * (columns != 1)}" if rows else "no row"
        )
        raise _NoNumber(f"the query has to answer one row with one number, and gave {seen}")
    value = rows[0][0]
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise _NoNumber(f"the query has to answer a number, and gave a {type(value).__name__}")
    return float(value)
