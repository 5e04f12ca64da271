"""Checks made of other checks."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from shlex import quote
from typing import ClassVar

from cutover.core.errors import CutoverError
from cutover.core.gate import Check, Finding, Verdict
from cutover.net.smoke import SmokeTests
from cutover.postgres.session import Database, QueryFailed

WORST = (Verdict.FAIL, Verdict.BLIND, Verdict.INSUFFICIENT, Verdict.PASS)


def together(found: Sequence[tuple[str, Finding]]) -> Finding:
    """One finding of many: the worst verdict, with everything that is odd, or with the warnings when all is well."""
    worst = next(verdict for verdict in WORST if any(f.verdict is verdict for _, f in found) or verdict is Verdict.PASS)
    if worst is Verdict.PASS:
        notes = [f"{name}: {f.seen}" for name, f in found if f.data.get("warning")]
        return Finding.passed("; ".join([f"{len(found)} checks passed", *notes]))
    odd = [(name, f) for name, f in found if f.verdict is not Verdict.PASS]
    hints = "; ".join(dict.fromkeys(f.hint for _, f in odd if f.hint))
    names: dict[str, list[str]] = {}  # a side that does not answer says the same to every check
    for name, finding in odd:
        names.setdefault(finding.seen, []).append(name)
    return Finding(worst, "; ".join(f"{_few(asked)}: {seen}" for seen, asked in names.items()), hints)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


@dataclass(frozen=True)
class AllOf(Check):
    """All of this has to be well at the same time; it is asked at once, so that one look shows everything that is wrong."""

    checks: Sequence[tuple[str, Check]]

    def look(self) -> Finding:
        return together([(name, check.look()) for name, check in self.checks])

    def shell(self) -> str:
        # All are asked, as `look` does; what a check prints is its answer, and its exit code is the verdict. Not
        # `{ check; } || …`: there bash passes over whatever goes wrong before a check's last command, set -e or not.
        asked = [
            f"# {name}\n{{ {check.shell()}\n}}\n[ $? = 0 ] || failed+={quote(f' {name}')}"
            for name, check in self.checks
        ]
        verdict = 'if [ -z "$failed" ]; then echo "all well"; else echo "not well:$failed" >&2; exit 1; fi)'
        return "\n".join(["(set -uo pipefail; failed=", *asked, verdict])


@dataclass(frozen=True)
class LeftToGuards(Check):
    """Nothing but time has to go by here: the guards are asked all the while, and what fails starts what they say."""

    def look(self) -> Finding:
        return Finding.passed("the guards are asked meanwhile")

    def shell(self) -> str:
        return "echo 'ask what is watched all the time, again and again, until the time is over'"


@dataclass(frozen=True)
class KeysCanBeAsked(Check):
    """The question for acknowledged writes is asked inside the window, too: an error in it must be found before."""

    databases: tuple[Database, ...]
    question: str

    def look(self) -> Finding:
        for database in self.databases:
            try:
                with database.open("probe") as session:
                    session.rows(self.question, [[]])
            except QueryFailed as error:
                return Finding.failed(
                    f"ledger_keys cannot be asked: {error.message}", "correct it in the environment file"
                )
            except CutoverError as error:
                return Finding.blind(error.message)
        return Finding.passed("ledger_keys can be asked on both sides")

    def shell(self) -> str:
        asked = self.question.replace("%s", "'{}'").replace("%%", "%")
        return "\n".join(database.ask(asked) for database in self.databases)


@dataclass(frozen=True)
class ProbeLands(Check):
    """A write by the application's own route has to be found on the side that was opened, and to come back to the other.

    Only this shows that the application, and not just the database, writes to the side that serves from now on.
    """

    writes: ClassVar[bool] = True

    smoke: SmokeTests
    opened: Database
    fenced: Database
    question: str
    """SQL that answers one row for each of the keys given as %s (a text array) that is there."""
    within: float = 5.0
    """Seconds in which the row has to come back."""

    def look(self) -> Finding:
        key = str(uuid.uuid4())
        found = replace(self.smoke, key=key).look()
        if found.verdict is not Verdict.PASS:
            return found
        try:
            if self._rows(self.opened, key) != 1:
                return Finding.failed(
                    f"the probe write was acknowledged, but its row is not on {self.opened.label}",
                    "the application writes to another database: look at its connection string",
                )
            end = time.monotonic() + self.within
            while not self._rows(self.fenced, key):
                if time.monotonic() > end:
                    return Finding.failed(
                        f"the probe write has not come back to {self.fenced.label} in {self.within:g} s"
                    )
                time.sleep(0.02)
        except CutoverError as error:
            return Finding.blind(error.message)
        return Finding.passed(f"{found.seen}; the row is on {self.opened.label} and came back to {self.fenced.label}")

    def _rows(self, database: Database, key: str) -> int:
        with database.open("probe") as session:
            return len(session.rows(self.question, [[key]]))

    def shell(self) -> str:
        asked = self.question.replace("%s", ":'keys'").replace("%%", "%")
        rows = (
            f'rows() {{ psql "$1" -X -q -A -t -v ON_ERROR_STOP=1 -v keys="{{$SMOKE_KEY}}" '
            f"<<'SQL' | grep -c .\n{asked};\nSQL\n}}"
        )
        return f"""(set -euo pipefail
export SMOKE_KEY=$(python -c 'import uuid; print(uuid.uuid4())')
{self.smoke.shell()}
{rows}
if [ "$(rows "${self.opened.variable}" || true)" != 1 ]; then echo 'the row is not on {self.opened.label}' >&2; exit 1; fi
echo 'the row is on {self.opened.label}'
for _ in {{1..{round(self.within * 10)}}}; do
  if [ "$(rows "${self.fenced.variable}" || true)" = 1 ]; then echo 'and came back to {self.fenced.label}'; exit 0; fi
  sleep 0.1
done
echo 'the row has not come back to {self.fenced.label} within {self.within:g} s' >&2
exit 1)"""
