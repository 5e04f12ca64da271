"""The command that works off the checklist of after: lines, people's signatures, and what the cutover moved."""

from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.cli.ends import ended, put
from cutover.cli.looking import ENV


@task(
    help={
        "env": ENV,
        "dry-run": "leave out the commands that may change something, and tests that write",
        "json": "one document on standard output",
    }
)
@ended
def checklist(c: Context, env: str = "", dry_run: bool = False, json: bool = False) -> None:
    """Work off the post-cutover checklist: what a program can tell, and who has signed the rest. Example: invoke checklist --env local"""
    from cutover.cli.opening import is_dry, named, opened, print_json
    from cutover.cli.signing import REFUSED, SIGNED, TO_SIGN, signatures
    from cutover.plans.approval import END

    app = opened(named(env), read_only=is_dry(c, dry_run))
    signed = signatures(app)
    rows = [*_lines(app, signed), *_states(app, signed.view)]
    rows += [{"line": name, **signed.row(name)} for name in signed.approvals(END)]
    app.close()
    failed = [row["line"] for row in rows if row["verdict"] not in ("pass", SIGNED, TO_SIGN, "not run")]
    unsigned = [row["line"] for row in rows if row["verdict"] in (TO_SIGN, REFUSED)]
    if json:
        document = {"schema": "cutover.checklist/1", "environment": env, "failed": failed, "unsigned": unsigned}
        print_json({**document, "lines": rows})
    else:
        signs = {"pass": "✓", SIGNED: "✓", TO_SIGN: "☐", "not run": "–", "blind": "?"}
        for row in rows:
            put(f"  {signs.get(row['verdict'], '✗')} {row['line']:<28} {row['seen']}")
        if unsigned:
            put(f"still to be signed: {', '.join(unsigned)}")
    if failed:
        raise Exit(code=1)


def _lines(app: Any, signed: Any) -> list[dict[str, Any]]:
    """The environment's own lines."""
    from cutover.plans.approval import ATTESTED
    from cutover.plans.checklist import lines

    rows: list[dict[str, Any]] = []
    for line in lines(app.means, app.environment.checklist):
        if line.check is not None:
            rows.append(_asked(line.name, line.check))
        elif line.role:
            rows.append({"line": line.name, **signed.row(ATTESTED + line.name)})
        else:
            unseen = "there is no address to test: smoke.green in the environment file"
            rows.append({"line": line.name, "verdict": "blind", "seen": unseen, "hint": ""})
    return rows


def _states(app: Any, view: Any) -> list[dict[str, Any]]:
    """What the last run has moved, and what it shows now; and whether the way back is warm, where there is one."""
    from cutover.core.errors import CutoverError
    from cutover.core.plain import text
    from cutover.core.walk import observed
    from cutover.plans.databases import ways_back
    from cutover.runbook.entries import final_states

    if view is None or view.state == "decommissioned":
        return []
    # What the cutover kept on green for its way back goes with the way back.
    kept = [step for step in final_states(app.plan) if view.state != "finished" or step.lane == "traffic"]
    steps = [*kept, *(step for _, step in app.finish.steps())]
    last = {step.resource: step for step in steps if step.name in view.position.done}
    rows: list[dict[str, Any]] = []
    for step in last.values():
        try:
            seen = observed(step)
            verdict, shown = ("pass" if seen == step.after else "fail"), text(seen)
        except CutoverError as error:
            verdict, shown = "blind", error.message
        wanted = "" if verdict == "pass" else f", wanted {text(step.after)}"
        rows.append({"line": step.name, "verdict": verdict, "seen": shown + wanted, "hint": step.check_shell()})
    if view.state == "green":
        rows += [_asked(name, check) for name, check in ways_back(app.means)]
    return rows


def _asked(name: str, check: Any) -> dict[str, Any]:
    from cutover.core.guarding import found

    finding = found(check)
    verdict = "not run" if finding.data.get("not_run") else finding.verdict.value
    return {"line": name, "verdict": verdict, "seen": finding.seen, "hint": finding.hint}
