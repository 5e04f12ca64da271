"""The command that asks every preflight check: a table for people, a document for programs."""

from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.cli.ends import ended
from cutover.cli.looking import ENV

NAMED = 10  # remarks of one check that the table shows
COUNTS = ("refused", "warned", "not seen", "passed")


@task(help={"env": ENV, "json": "one document on standard output: all remarks, and each check's SQL"})
@ended
def preflight(c: Context, env: str = "", json: bool = False) -> None:
    """Ask every preflight check; nothing is written. Example: invoke preflight --env staging"""
    from cutover.cli.opening import named, opened, print_json
    from cutover.plans.parts import Parts

    name = named(env)
    asked = Parts(opened(name, read_only=True).means).preflight_checks()
    shells = {check_name: check.shell() for check_name, check in asked.checks}
    lines = [{"check": n, **_plain(finding), "shell": shells[n]} for n, finding in asked.look_each()]
    refused = [line["check"] for line in lines if line["result"] in ("refused", "not seen")]
    counts = {result: sum(line["result"] == result for line in lines) for result in COUNTS}
    if json:
        document = {"schema": "cutover.preflight/1", "environment": name, "refused": refused, "counts": counts}
        print_json({**document, "checks": lines})
    else:
        for line in lines:
            _print(line)
        print("\n" + ", ".join(f"{counts[result]} {result}" for result in COUNTS))
    if refused:
        raise Exit(code=5)


def _plain(finding: Any) -> dict[str, Any]:
    """A finding as plain data; a check without remarks of its own has its one."""
    from cutover.core.gate import Verdict

    passed = "warned" if finding.data.get("warning") else "passed"
    result = {Verdict.PASS: passed, Verdict.BLIND: "not seen"}.get(finding.verdict, "refused")
    remarks = finding.data.get("remarks")
    if remarks is None:
        remarks = [] if finding.verdict is Verdict.PASS else [{"seen": finding.seen, "mend": finding.hint}]
    return {
        "verdict": finding.verdict.value,
        "result": result,
        "severity": finding.data.get("severity", ""),
        "seen": finding.seen,
        "wanted": finding.data.get("wanted", ""),
        "hint": finding.hint,
        "remarks": remarks,
    }


def _print(line: dict[str, Any]) -> None:
    sign = {"refused": "✗", "warned": "!", "not seen": "?", "passed": "✓"}[line["result"]]
    remarks = line["remarks"]
    if not remarks:
        print(f"  {sign} {line['check']:<24} {line['seen']}")
        return
    print(f"  {sign} {line['check']:<24} {_first(line)}")
    for remark in remarks[1:NAMED]:
        print(f"      {'':<24}{remark['seen']}")
    if len(remarks) > NAMED:
        print(f"      {'':<24}and {len(remarks) - NAMED} more (--json has all)")
    if line["wanted"]:
        print(f"      wanted: {line['wanted']}")
    for mend in list(dict.fromkeys(remark["mend"] for remark in remarks if remark["mend"]))[:NAMED]:
        print(f"      mend:   {mend}")


def _first(line: dict[str, Any]) -> str:
    """The first remark behind the check's title, which the line of all remarks begins with."""
    title, colon, _ = line["seen"].partition(": ")
    first = str(line["remarks"][0]["seen"])
    return first if not line["wanted"] else f"{title}{colon}{first}"
