"""The commands that prove something about a side: validate, smoke, checklist, backup."""

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.cli.ends import ended, say

ENV = "environment: a file environments/NAME.yaml"


@task(
    help={
        "env": ENV,
        "tables": "only these, separated by commas, as schema.table",
        "record": "when equal, remember from where on changes are compared again (the runbook's step does that)",
        "json": "one document on standard output",
    }
)
@ended
def validate(c: Context, env: str = "", tables: str = "", record: bool = False, json: bool = False) -> None:
    """Compare every row of both sides: 0 equal, 1 differs, 2 not proven. Example: invoke validate --env local"""
    from cutover.cli.opening import is_dry, named, opened, print_json
    from cutover.core.clock import Deadline
    from cutover.core.errors import CutoverError
    from cutover.outcome import serving
    from cutover.postgres.rowhash import SchemasDiffer
    from cutover.postgres.validation import RecordBaseline, RowsDiffer
    from cutover.postgres.validation import validate as compare

    app = opened(named(env))
    if is_dry(c, False):
        say("validate writes one marker row per second look; not run in dry-run")
        return
    blue, green = app.means.blue, app.means.green
    if record:
        try:
            RecordBaseline(blue, green).run(Deadline.after(app.environment.database.copy_timeout))
        except RowsDiffer as error:
            say(error.message)
            raise Exit(code=1) from error
        say("equal, and recorded")
        return
    source = serving(app)
    target = green if source.side == "blue" else blue
    try:
        report = compare(source, target, tables=[name.strip() for name in tables.split(",") if name.strip()])
    except SchemasDiffer as error:
        say(error.message)
        raise Exit(code=1) from error
    except CutoverError as error:
        say(f"not proven: {error.message}")
        raise Exit(code=2) from error
    shown = [{"table": d.table, "key": d.key, "seen": d.seen} for d in report.differences]
    limit = app.environment.database.validation.max_report
    if json:
        document = {
            "schema": "cutover.validation/1",
            "status": report.status,
            "source": report.source,
            "target": report.target,
            "tables": report.tables,
            "rows": report.rows,
            "rechecked": report.rechecked,
            "differences": len(shown),
            "first": shown[:limit],
            "unproven": report.unproven,
        }
        print_json(document)
    else:
        print(str(report))
        for line in shown[:limit]:
            print(f"  {line['table']} ({line['key']}): {line['seen']} on {report.target}")
    if report.status != "equal":
        raise Exit(code=1 if report.status == "differs" else 2)


@task(
    help={
        "env": ENV,
        "side": "blue or green",
        "keyword": "as for pytest -k",
        "read-only": "leave out tests that write",
        "json": "one document on standard output",
    }
)
@ended
def smoke(
    c: Context, env: str = "", side: str = "green", keyword: str = "", read_only: bool = False, json: bool = False
) -> None:
    """Run the smoke tests against one side, past the load balancer. Example: invoke smoke --env local --side green"""
    from cutover.cli.opening import is_dry, named, opened, print_json
    from cutover.core.errors import ConfigurationRefused
    from cutover.core.gate import Verdict
    from cutover.net.smoke import SmokeTests

    app = opened(named(env))
    if side not in ("blue", "green"):
        raise ConfigurationRefused([f"--side is blue or green, not {side!r}"])
    url = app.means.url(side)
    if url is None:
        raise ConfigurationRefused([f"environments/{env}.yaml: smoke.{side}: no address to test"])
    wanted = app.environment.smoke
    dry = is_dry(c, read_only)
    finding = SmokeTests(folder=wanted.path, url=url, keyword=keyword, read_only=dry, timeout=wanted.timeout).look()
    if json:
        seen = {"verdict": finding.verdict.value, "seen": finding.seen}
        print_json({"schema": "cutover.smoke/1", "environment": env, "side": side, **seen})
    else:
        print(f"{side}: {finding.verdict.value}: {finding.seen}")
    if finding.verdict is not Verdict.PASS:
        raise Exit(code=1)


@task(help={"env": ENV, "json": "one document on standard output"})
@ended
def checklist(c: Context, env: str = "", json: bool = False) -> None:
    """Work off the post-cutover checklist; what only a person can say is listed by role. Example: invoke checklist --env local"""
    from cutover.cli.opening import is_dry, named, opened, print_json
    from cutover.core.gate import Verdict
    from cutover.plans.parts import Parts

    app = opened(named(env), read_only=is_dry(c, False))
    lines: list[dict[str, str]] = []
    parts = Parts(app.means)
    for line in app.environment.checklist:
        check = parts.smoke("green", keyword=line.smoke) if line.smoke else None
        if check is None:
            lines.append({"line": line.name, "verdict": "to sign", "seen": f"by {line.attest or 'decision'}"})
            continue
        finding = check.look()
        lines.append({"line": line.name, "verdict": finding.verdict.value, "seen": finding.seen})
    failed = [line["line"] for line in lines if line["verdict"] not in (Verdict.PASS.value, "to sign")]
    if json:
        print_json({"schema": "cutover.checklist/1", "environment": env, "failed": failed, "lines": lines})
    else:
        signs = {"pass": "✓", "to sign": "☐"}
        for row in lines:
            print(f"  {signs.get(row['verdict'], '✗')} {row['line']:<22} {row['seen']}")
    if failed:
        raise Exit(code=1)


@task(help={"env": ENV})
@ended
def backup(c: Context, env: str = "") -> None:
    """Save blue's configuration and state, as the plan's first step does. Example: invoke backup --env local"""
    from cutover.cli.opening import is_dry, named, opened
    from cutover.core.clock import Deadline
    from cutover.plans.parts import Parts

    app = opened(named(env))
    step = Parts(app.means).record_of_blue()
    if is_dry(c, False):
        say(f"dry-run: {step.observe()}")
        return
    for command in step.commands(step.after):
        command.run(Deadline.after(60.0))
    print(step.observe())
