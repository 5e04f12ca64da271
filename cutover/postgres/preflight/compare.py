"""What must be the same on both sides: the lines of one question, compared object by object."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from cutover.core.gate import Finding
from cutover.postgres.preflight.objects import TABLES
from cutover.postgres.preflight.question import PINNED, REFUSES, DatabaseCheck, Remark, Severity, Visit, shortened, told
from cutover.postgres.session import Database

CLOSE = 70  # characters of a definition that a remark shows


class Thing(NamedTuple):
    """One object of one side; `make`, `change` and `remove` are statements, or None where there is none to give."""

    name: str
    definition: str | None = None
    make: str | None = None
    change: str | None = None
    remove: str | None = None
    table: str | None = None


@dataclass(frozen=True)
class SameOnBoth(DatabaseCheck):
    """Logical replication carries no DDL: what green lacks, or has otherwise, is found here or by the application.

    A row that finds no table, column or type stops the apply worker; a missing index or grant is found by customers.
    `missing`, `extra` and `other` say how much it matters when green lacks an object, has one more, or has it otherwise;
    None is not spoken of. `theirs` is green's question where it differs from blue's.
    """

    blue: Database
    green: Database
    title: str
    sql: str
    mend: str
    missing: Severity | None = REFUSES
    extra: Severity | None = REFUSES
    other: Severity | None = REFUSES
    theirs: str = ""
    empty: str = ""
    qualified: bool = False
    """Whether servers before 16 write the table's name before each column of these definitions, and newer ones do not."""

    def answer(self, visit: Visit) -> Finding:
        ours, theirs = (
            self._things(visit, self.blue, self.sql),
            self._things(visit, self.green, self.theirs or self.sql),
        )
        if self.qualified and (visit.version(self.blue) < 160000) != (visit.version(self.green) < 160000):
            ours, theirs = _unqualified(ours), _unqualified(theirs)
        wanted = "the same on both sides"
        if self.empty and not ours:
            return told(self.title, wanted, [Remark(self.empty, "look at the connection string of blue", REFUSES)])
        return told(self.title, wanted, self._remarks(visit, ours, theirs), fine=f"{len(ours)}, the same on both sides")

    def _remarks(self, visit: Visit, ours: dict[str, Thing], theirs: dict[str, Thing]) -> Iterator[Remark]:
        for name in sorted(ours.keys() | theirs.keys()):
            here, there = ours.get(name), theirs.get(name)
            # A missing table is said once, and not again for each of its columns.
            if here is None or there is None:
                only = here or there
                if only is None or (only.table and only.table not in self._tables(visit, here is None)):
                    continue
            if there is None and here is not None and self.missing:
                yield Remark(f"{name} is missing on green", here.make or self.mend, self.missing)
            elif here is None and there is not None and self.extra:
                yield Remark(f"{name} is only on green", self._for_extra(there), self.extra)
            elif here and there and self.other and _plain(here) != _plain(there):
                ours_shown, theirs_shown = _apart(_plain(here), _plain(there))
                seen = f"{name} is {ours_shown} on blue, {theirs_shown} on green"
                yield Remark(seen, here.change or self.mend, self.other)

    def _for_extra(self, there: Thing) -> str:
        if there.remove:
            return there.remove
        return f"on blue: {there.make}" if there.make else self.mend

    def _tables(self, visit: Visit, of_blue: bool) -> set[str]:
        return {str(row[0]) for row in visit.rows(self.blue if of_blue else self.green, TABLES)}

    def _things(self, visit: Visit, database: Database, sql: str) -> dict[str, Thing]:
        return {thing.name: thing for thing in (Thing(*row) for row in visit.rows(database, sql))}

    def shell(self) -> str:
        # What is printed differs: < is blue, > is green; where only blue's lines count, those that green lacks.
        ours, theirs = (self.blue.ask(_lines(sql)) for sql in (self.sql, self.theirs or self.sql))
        theirs = theirs.replace(f'"${self.blue.variable}"', f'"${self.green.variable}"')
        differs = 'diff <(echo "$blue") <(echo "$green"))'
        if self.extra is None:
            lacking = 'LC_ALL=C comm -23 <(echo "$blue" | LC_ALL=C sort) <(echo "$green" | LC_ALL=C sort)'
            differs = f"! {lacking} | grep .)"
        return f"""(set -euo pipefail; export {PINNED}
blue=$({ours}
)
green=$({theirs}
)
{differs}"""


def _lines(sql: str) -> str:
    return f"""SELECT object, says FROM (
{sql}) x(object, says) ORDER BY object COLLATE "C\""""


def _unqualified(things: dict[str, Thing]) -> dict[str, Thing]:
    """The things without any `name.` in their definitions: all that can be compared across that change."""
    return {name: t._replace(definition=re.sub(r"\b\w+\.", "", t.definition or "")) for name, t in things.items()}


def _plain(thing: Thing) -> str:
    """The definition without what only layout makes different."""
    return " ".join((thing.definition or "").split())


def _apart(ours: str, theirs: str) -> tuple[str, str]:
    """Both definitions, cut to the surroundings of their first difference where they are long."""
    if max(len(ours), len(theirs)) <= CLOSE:
        return ours or "nothing", theirs or "nothing"
    same = next((n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    start = max(0, same - 20)
    lead = "…" if start else ""
    return lead + shortened(ours[start:], CLOSE), lead + shortened(theirs[start:], CLOSE)
