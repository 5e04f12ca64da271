"""The commands that prove something about a side: smoke, checklist, backup."""

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.cli.ends import ended, say

ENV = "environment: a file environments/NAME.yaml"


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
