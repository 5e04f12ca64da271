"""Checks made of other checks."""

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from cutover.core.errors import CutoverError
from cutover.core.gate import Check, Finding, Verdict
from cutover.postgres.invariants import following_shell, replication_trouble
from cutover.postgres.replication import subscription_name
from cutover.postgres.session import Database

WORST = (Verdict.FAIL, Verdict.BLIND, Verdict.INSUFFICIENT, Verdict.PASS)


@dataclass(frozen=True)
class AllOf(Check):
    """All of this has to be well at the same time; it is asked at once, so that one look shows everything that is wrong."""

    checks: Sequence[tuple[str, Check]]

    def look(self) -> Finding:
        found = [(name, check.look()) for name, check in self.checks]
        worst = next(
            verdict for verdict in WORST if any(f.verdict is verdict for _, f in found) or verdict is Verdict.PASS
        )
        if worst is Verdict.PASS:
            notes = [f"{name}: {f.seen}" for name, f in found if f.data.get("warning")]
            return Finding.passed("; ".join([f"{len(found)} checks passed", *notes]))
        odd = [(name, f) for name, f in found if f.verdict is not Verdict.PASS]
        hints = "; ".join(dict.fromkeys(f.hint for _, f in odd if f.hint))
        return Finding(worst, "; ".join(f"{name}: {f.seen}" for name, f in odd), hints)

    def shell(self) -> str:
        # All are asked, as `look` does; what a check prints is its answer, and its exit code is the verdict.
        asked = [f"# {name}\n{{ {check.shell()}\n}} || failed+={quote(f' {name}')}" for name, check in self.checks]
        verdict = 'if [ -z "$failed" ]; then echo "all well"; else echo "not well:$failed" >&2; exit 1; fi)'
        return "\n".join(["(set -uo pipefail; failed=", *asked, verdict])


@dataclass(frozen=True)
class WayBackWarm(Check):
    """The way back stays possible only while blue follows green; seen without writing anything."""

    blue: Database
    green: Database

    def look(self) -> Finding:
        name = subscription_name("green", "blue")
        try:
            with self.blue.open("warm") as blue:
                trouble = replication_trouble(blue, name)
        except CutoverError as error:
            return Finding.blind(error.message)
        if trouble:
            return Finding.not_yet(f"{name} on blue: {trouble}", "the way back is not lossless until this works")
        return Finding.passed("blue follows green; the way back is warm")

    def shell(self) -> str:
        return following_shell(self.blue, subscription_name("green", "blue"))
