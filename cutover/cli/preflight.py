"""The command that asks every preflight check: a table for people, a document for programs."""

from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.cli.ends import ended, put
from cutover.cli.looking import ENV

NAMED = 10  # remarks of one check that the table shows
COUNTS = ("refused", "warned", "not seen", "passed", "signed", "to sign", "said no", "not run")
SIGNS = {
    "refused": "✗",
    "warned": "!",
    "not seen": "?",
    "passed": "✓",
    "signed": "✓",
    "to sign": "☐",
    "said no": "✗",
    "not run": "–",
}
ALWAYS = COUNTS[:4]  # counted in words even where there is none


@task(
    help={
        "env": ENV,
        "dry-run": "leave out the commands of `readiness` that may change something",
        "json": "one document on standard output: all remarks, and each check's SQL",
    }
)
@ended
def preflight(c: Context, env: str = "", dry_run: bool = False, json: bool = False) -> None:
    """The checklist of before: every check and the lines of `readiness`; cutover itself writes nothing. Example: invoke preflight --env staging"""
    from cutover.cli.opening import is_dry, named, opened, print_json
    from cutover.cli.readiness import readiness
    from cutover.plans.parts import Parts
    from cutover.plans.preflight import Preflight

    name = named(env)
    app = opened(name, read_only=True)
    asked = Preflight((*Parts(app.means).preflight_checks().checks, *readiness(app)))
    found = zip(asked.checks, asked.look_each(), strict=True)
    lines = [{"check": n, **plain(finding), "shell": check.shell()} for (n, check), (_, finding) in found]
    lines += _readiness(app, dry=is_dry(c, dry_run))
    app.close()
    refused = [line["check"] for line in lines if line["result"] in ("refused", "not seen", "said no")]
    counts = {result: sum(line["result"] == result for line in lines) for result in COUNTS}
    if json:
        document = {"schema": "cutover.preflight/1", "environment": name, "refused": refused, "counts": counts}
        print_json({**document, "checks": lines})
    else:
        put("\n".join(text for line in lines for text in table(line)))
        put("\n" + ", ".join(f"{counts[result]} {result}" for result in COUNTS if counts[result] or result in ALWAYS))
    if refused:
        raise Exit(code=5)


def _readiness(app: Any, *, dry: bool) -> list[dict[str, Any]]:
    """The environment's own lines, and what people sign before anything is switched."""
    from cutover.cli.signing import signatures
    from cutover.core.gate import Finding
    from cutover.core.guarding import found
    from cutover.plans.approval import ATTESTED
    from cutover.plans.checklist import lines

    signed, shown = signatures(app), list[dict[str, Any]]()
    for line in lines(app.means, app.environment.readiness, dry=dry):
        if line.check is not None:
            shown.append({"check": line.name, **plain(found(line.check)), "shell": line.check.shell()})
        elif line.role:
            shown.append(_signed(line.name, signed.row(ATTESTED + line.name)))
        else:
            unseen = Finding.blind("there is no address to test: smoke.green in the environment file")
            shown.append({"check": line.name, **plain(unseen), "shell": ""})
    return [*shown, *(_signed(name, signed.row(name)) for name in signed.approvals("prepare", "window"))]


def _signed(name: str, row: dict[str, Any]) -> dict[str, Any]:
    empty = {"severity": "", "wanted": "", "hint": "", "remarks": [], "shell": ""}
    return {"check": name, "result": row["verdict"], **empty, **row}


def plain(finding: Any) -> dict[str, Any]:
    """A finding as plain data, as `--json` prints it; a check without remarks of its own has its one."""
    from cutover.core.gate import Verdict

    passed = "warned" if finding.data.get("warning") else "passed"
    blind = "not run" if finding.data.get("not_run") else "not seen"
    result = {Verdict.PASS: passed, Verdict.BLIND: blind}.get(finding.verdict, "refused")
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
    sign = SIGNS[line["result"]]
    remarks, name = line["remarks"], line["check"]
    if line["result"] == "passed" and remarks:
        sign = "·"  # nothing is wrong; it is to be known
    if not remarks or line["result"] in ("not seen", "not run"):  # its mend is the same for every check of that side
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
