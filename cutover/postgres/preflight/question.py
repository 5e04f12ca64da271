"""Questions of the preflight: SQL that returns rows only when there is something to say, asked on one session per side."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Any, Self

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError, Unreachable
from cutover.core.gate import Check, Finding, Verdict
from cutover.postgres.session import QUERY, Database, Session

PATIENCE = 25.0  # seconds for all questions of one visit; the gate waits 30
NAMED = 5  # remarks that one line of text names; `data` has them all
LONGEST = 160  # characters of one remark in that line

APP_SCHEMA = "n.nspname NOT IN ('information_schema', 'cutover', 'cutover_schema') AND n.nspname !~ '^pg_'"
PINNED = "PGOPTIONS='-c search_path=pg_catalog'"  # every name is then written with its schema, as our sessions see it


class Severity(Enum):
    """What a remark does to the cutover: it is refused, begins with a warning, or is merely told."""

    REFUSES = "refuses"
    WARNS = "warns"
    INFORMS = "informs"


REFUSES, WARNS, INFORMS = Severity.REFUSES, Severity.WARNS, Severity.INFORMS
WORST = (REFUSES, WARNS, INFORMS)


@dataclass(frozen=True)
class Remark:
    """One thing that a question found; `mend` is the statement, setting or command for it, empty when nothing is to be done."""

    seen: str
    mend: str = ""
    severity: Severity = REFUSES


@dataclass
class Visit:
    """One session on each side for all questions; what a side does not answer once is not asked of it again."""

    deadline: Deadline = field(default_factory=lambda: Deadline.after(PATIENCE))
    _open: dict[Database, Session] = field(default_factory=dict)
    _lost: dict[Database, CutoverError] = field(default_factory=dict)
    _known: dict[tuple[Database, str], list[tuple[Any, ...]]] = field(default_factory=dict)

    def rows(self, database: Database, sql: str) -> list[tuple[Any, ...]]:
        """The rows of one question, asked once for each side; raises Unreachable and QueryFailed."""
        if (database, sql) not in self._known:
            self._known[database, sql] = self.again(database, sql)
        return self._known[database, sql]

    def again(self, database: Database, sql: str) -> list[tuple[Any, ...]]:
        """The same for what changes from moment to moment."""
        if database in self._lost:
            raise self._lost[database]
        if self.deadline.expired:
            raise Unreachable(f"{database.label}: not asked, because the questions before took {PATIENCE:g} s")
        try:
            if database not in self._open:
                # A database without an encoding of its own (SQL_ASCII) would answer bytes.
                self._open[database] = database.connect("preflight", settings={"client_encoding": "UTF8"})
            return self._open[database].rows(sql, timeout=min(QUERY, max(0.1, self.deadline.remaining())))
        except Unreachable as error:
            self._lost[database] = error
            raise

    def version(self, database: Database) -> int:
        """The server's `server_version_num`, as 160014."""
        return int(self.rows(database, "SELECT current_setting('server_version_num')::int")[0][0])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for session in self._open.values():
            session.close()


class DatabaseCheck(Check):
    """A check that can share a visit with others."""

    title: str

    def look(self) -> Finding:
        with Visit() as visit:
            return self.look_on(visit)

    def look_on(self, visit: Visit) -> Finding:
        """Looks on the visit's sessions; what cannot be seen is blind."""
        try:
            return self.answer(visit)
        except CutoverError as error:
            return Finding.blind(error.message, "make this side answer, then ask again")

    def begin(self, visit: Visit) -> None:
        """Asked before every other question, by what has to see two moments; raises nothing."""
        return

    @abstractmethod
    def answer(self, visit: Visit) -> Finding:
        """What is to be said; raises Unreachable and QueryFailed."""


@dataclass(frozen=True)
class SideQuestion(DatabaseCheck):
    """Replication carries rows and nothing else: what it needs and what it leaves behind has to be known before.

    `sql` returns a row for each remark: what is seen, what the mend is made of, and the severity where it is not
    `severity`. `mend` is a text with {} for the row's second column. `newer` are wordings for servers from a
    `server_version_num` on, the newest first; a server older than all of them gets `sql`.
    """

    database: Database
    title: str
    sql: str
    wanted: str
    mend: str = "{}"
    severity: Severity = REFUSES
    newer: Sequence[tuple[int, str]] = ()

    def answer(self, visit: Visit) -> Finding:
        found = [self._remark(*row) for row in visit.rows(self.database, self._wording(visit))]
        return told(self.title, self.wanted, found)

    def shell(self) -> str:
        # What is printed is what is found; only what refuses makes the command fail.
        ends = "| (! grep .)" if self.severity is REFUSES else ""
        return f"{PINNED} {self.database.ask(self._psql(), ends)}"

    def _wording(self, visit: Visit) -> str:
        if not self.newer:
            return self.sql
        version = visit.version(self.database)
        return next((sql for since, sql in self.newer if version >= since), self.sql)

    def _psql(self) -> str:
        if not self.newer:
            return self.sql
        # psql knows the server's version itself; what is not taken is skipped unread.
        wording = f"{self.sql};"
        for since, sql in reversed(self.newer):
            asked = f"SELECT :SERVER_VERSION_NUM >= {since} AS newer \\gset"
            wording = f"{asked}\n\\if :newer\n{sql};\n\\else\n{wording}\n\\endif"
        return f"{wording}\n--"

    def _remark(self, seen: Any, mend: Any = "", severity: Any = None) -> Remark:
        return Remark(
            str(seen),
            self.mend.replace("{}", str(mend or "")).strip(),
            self.severity if severity is None else Severity(severity),
        )


def told(title: str, wanted: str, remarks: Iterable[Remark], *, fine: str = "") -> Finding:
    """The finding for these remarks, the worst first; `data` holds severity, wanted and every remark."""
    found = sorted(remarks, key=lambda remark: WORST.index(remark.severity))
    if not found:
        return Finding.passed(f"{title}: {fine or 'fine'}", wanted=wanted, remarks=[])
    seen = "; ".join(shortened(remark.seen) for remark in found[:NAMED])
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    mends = list(dict.fromkeys(remark.mend for remark in found if remark.mend))
    hint = "; ".join(mend.rstrip(";") for mend in mends[:NAMED]) or (
        f"wanted: {wanted}" if found[0].severity is REFUSES else ""
    )
    data: dict[str, Any] = {
        "severity": found[0].severity.value,
        "wanted": wanted,
        "remarks": [{"seen": r.seen, "mend": r.mend, "severity": r.severity.value} for r in found],
    }
    if found[0].severity is REFUSES:
        return Finding.failed(f"{title}: {seen}{more}", hint, **data)
    if found[0].severity is WARNS:
        data["warning"] = True
    return Finding(Verdict.PASS, f"{title}: {seen}{more}", hint, data)


def shortened(text: str, longest: int = LONGEST) -> str:
    """One line of at most `longest` characters."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def look_together(checks: Sequence[tuple[str, Check]]) -> list[tuple[str, Finding]]:
    """Every check's finding, those of the databases on one session per side."""
    found: list[tuple[str, Finding]] = []
    with Visit() as visit:
        for _, check in checks:
            if isinstance(check, DatabaseCheck):
                check.begin(visit)
        for name, check in checks:
            found.append((name, check.look_on(visit) if isinstance(check, DatabaseCheck) else check.look()))
    return found
