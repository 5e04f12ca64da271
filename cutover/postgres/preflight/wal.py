"""Whether blue can keep the WAL that green has not read yet: measured rate, what is kept, and what a day of it needs."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from cutover.core.errors import CutoverError
from cutover.core.gate import Finding
from cutover.postgres.preflight.question import INFORMS, WARNS, DatabaseCheck, Remark, Visit, told
from cutover.postgres.session import Database

SHORTEST = 0.5  # seconds between the two looks at the position
SOON = 1.0  # hours; a person needs some time to see why a reader stands still
DAY = 24.0  # hours for which a stopped reader's WAL should find a place

POSITION = """SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8,
  extract(epoch FROM clock_timestamp())::float8"""
KEPT = """SELECT (SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size'),
  (SELECT setting::bigint FROM pg_settings WHERE name = 'max_wal_size'),
  (SELECT sum(size)::bigint FROM pg_ls_waldir()), pg_database_size(current_database())"""
AVERAGE = (
    """SELECT wal_bytes::float8, extract(epoch FROM now() - stats_reset)::float8 FROM pg_stat_wal"""  # 14 and newer
)


@dataclass(frozen=True)
class WalRate:
    """Bytes a second now, and on average over `average_hours` (0 where the server keeps no such count)."""

    now: float
    span: float
    average: float = 0.0
    average_hours: float = 0.0

    @property
    def forecast(self) -> float:
        """The higher of both, in bytes an hour."""
        return 3600 * max(self.now, self.average)


@dataclass(frozen=True)
class WalForecast(DatabaseCheck):
    """A slot keeps WAL for as long as its reader stands still: too little room loses the slot, and no limit fills the disk.

    How much room the disk has cannot be asked in SQL; the forecast says how much it should have.
    """

    database: Database
    limit: int | None = None
    """Bytes of WAL kept by a slot above which the plan stops."""
    title = "WAL"
    day: float = DAY

    def begin(self, visit: Visit) -> None:
        with suppress(CutoverError):  # what cannot be asked now is said by `answer`
            visit.rows(self.database, POSITION)

    def answer(self, visit: Visit) -> Finding:
        rate = self._rate(visit)
        ((keep, _, held, size),) = visit.rows(self.database, KEPT)
        wanted = f"room for {self.day:g} h of WAL, on the disk and in max_slot_wal_keep_size"
        return told(self.title, wanted, self._remarks(rate, keep, held, size))

    def _remarks(self, rate: WalRate, keep: int | None, held: int | None, size: int) -> Iterator[Remark]:
        need = rate.forecast * self.day
        told_rate = f"{_size(3600 * rate.now)}/h over {rate.span:.1f} s"
        if rate.average_hours:
            told_rate += f", {_size(3600 * rate.average)}/h on average over {rate.average_hours:.1f} h"
        yield Remark(
            f"{told_rate}; pg_wal holds {_size(held or 0)}, the database {_size(size)}; "
            f"{self.day:g} h of retention would need {_size(need)} "
            "(free disk space is not visible in SQL)",
            "df -h on pg_wal's disk",
            INFORMS,
        )
        if self.limit and rate.forecast * SOON > self.limit:
            yield Remark(
                f"a reader that stands still keeps {_size(self.limit)}, at which the plan stops, after {self.limit / rate.forecast:.1f} h",
                "raise database.wal_limit_bytes if the disk has the room, or cut over while fewer rows are written",
                WARNS,
            )
        if keep is not None and keep >= 0 and rate.forecast and keep * 2**20 < need:
            hours = keep * 2**20 / rate.forecast
            yield Remark(
                f"max_slot_wal_keep_size is {keep} MB: a reader that stands still for {hours:.1f} h loses its slot",
                f"ALTER SYSTEM SET max_slot_wal_keep_size = '{int(need / 2**20) + 1}MB'; SELECT pg_reload_conf()",
                WARNS,
            )

    def _rate(self, visit: Visit) -> WalRate:
        # `begin` has looked before all other questions, so as a rule nothing has to be waited for.
        ((first, began),) = visit.rows(self.database, POSITION)
        ((last, ended),) = visit.again(self.database, POSITION)
        if ended - began < SHORTEST:
            time.sleep(SHORTEST - (ended - began))
            ((last, ended),) = visit.again(self.database, POSITION)
        rate = WalRate(max(0.0, last - first) / (ended - began), ended - began)
        if visit.version(self.database) < 140000:
            return rate
        ((total, seconds),) = visit.rows(self.database, AVERAGE)
        if not seconds or seconds < 60:
            return rate
        return WalRate(rate.now, rate.span, total / seconds, seconds / 3600)

    def shell(self) -> str:
        sql = """SELECT pg_current_wal_insert_lsn() AS began \\gset
SELECT pg_sleep(1) \\g /dev/null
SELECT pg_size_pretty(3600 * (pg_current_wal_insert_lsn() - :'began'::pg_lsn)) || ' per hour now',
       (SELECT pg_size_pretty(sum(size)) FROM pg_ls_waldir()) || ' in pg_wal',
       'max_slot_wal_keep_size ' || current_setting('max_slot_wal_keep_size', true)"""
        return self.database.ask(sql)


def _size(amount: float) -> str:
    """Bytes in the largest unit that leaves at least 1."""
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
