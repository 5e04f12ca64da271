"""The commands that prove something about a side: smoke, backup, checkpoint."""

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.cli.ends import ended, put, say

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
        put(f"{side}: {finding.verdict.value}: {finding.seen}")
    if finding.verdict is not Verdict.PASS:
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
    put(step.observe())


@task(help={"env": ENV, "json": "the report as one document on standard output"})
@ended
def checkpoint(c: Context, env: str = "", json: bool = False) -> None:
    """Look at everything that a checkpoint does, now; 0 well, 1 failure, 2 warning or not proven. Example: invoke checkpoint --env prod"""
    import time

    from cutover.cli.opening import is_dry, named, opened, print_json
    from cutover.cli.triggering import SIGNS
    from cutover.plans.checkpoint import looked, report, written
    from cutover.plans.checkpoint_suite import suite

    app = opened(named(env), read_only=is_dry(c, False))
    begun = time.time()
    found = {name: looked(look) for name, look in suite(app.means)}
    document = report(app.environment.name, found, begun, time.time(), by_hand=True)
    app.close()
    path, shown = app.means.file(f"checkpoints/by-hand-{begun:.0f}.json")
    if not is_dry(c, False):
        written(path, document)
    if json:
        print_json(document)
    else:
        for name, one in found.items():
            put(f"  {SIGNS[one.verdict.value]} {name:<18} {one.verdict.value}: {one.seen}")
        put(f"{document['decision']}; the report is {shown}" if path.exists() else document["decision"])
    if document["decision"] != "well":
        raise Exit(code=1 if document["decision"] == "failure" else 2)
