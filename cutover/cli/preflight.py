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
    lines = [{"check": n, **plain(finding), "shell": shells[n]} for n, finding in asked.look_each()]
    refused = [line["check"] for line in lines if line["result"] in ("refused", "not seen")]
    counts = {result: sum(line["result"] == result for line in lines) for result in COUNTS}
    if json:
        document = {"schema": "cutover.preflight/1", "environment": name, "refused": refused, "counts": counts}
        print_json({**document, "checks": lines})
    else:
        print("\n".join(text for line in lines for text in table(line)))
        print("\n" + ", ".join(f"{counts[result]} {result}" for result in COUNTS))
    if refused:
        raise Exit(code=5)


def plain(finding: Any) -> dict[str, Any]:
    """A finding as plain data, as `--json` prints it; a check without remarks of its own has its one."""
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


def table(line: dict[str, Any]) -> list[str]:
    """The table's lines for one check: what was seen and, below what is odd, what is wanted and what mends it."""
    sign = {"refused": "✗", "warned": "!", "not seen": "?", "passed": "✓"}[line["result"]]
    remarks, name = line["remarks"], line["check"]
    if line["result"] == "passed" and remarks:
        sign = "·"  # nothing is wrong; it is to be known
    if not remarks or line["result"] == "not seen":  # its mend is the same for every check of that side
        return [f"  {sign} {name:<24} {line['seen']}"]
    title, colon, _ = line["seen"].partition(": ")
    before = f"{title}{colon}" if line["wanted"] else ""
    shown = [f"  {sign} {name:<24} {before}{remarks[0]['seen']}"]
    shown += [f"    {'':<24} {remark['seen']}" for remark in remarks[1:NAMED]]
    if len(remarks) > NAMED:
        shown.append(f"    {'':<24} and {len(remarks) - NAMED} more (--json has all)")
    if line["wanted"]:
        shown.append(f"      wanted: {line['wanted']}")
    mends = list(dict.fromkeys(remark["mend"] for remark in remarks if remark["mend"]))
    return [*shown, *(f"      mend:   {mend}" for mend in mends[:NAMED])]
