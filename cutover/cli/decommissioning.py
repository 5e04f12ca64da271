"""The end of blue: decommission, and the archive that outlives it."""

from invoke.context import Context
from invoke.tasks import task

from cutover.cli.ends import ended, put, say

ENV = "environment: a file environments/NAME.yaml"


@task(
    iterable=["confirm"],
    help={
        "env": ENV,
        "confirm": "KIND:NAME of a resource that may be deleted; once for each of them",
        "dry-run": "show the plan and what is there now",
        "yes": "don't ask; only what is given by --confirm is deleted",
        "json": "one result document on standard output",
    },
)
@ended
def decommission(
    c: Context,
    env: str = "",
    confirm: list[str] = [],  # noqa: B006 - Invoke reads the kind of the flag from it
    dry_run: bool = False,
    yes: bool = False,
    json: bool = False,
) -> None:
    """End blue after its retention: save it, take it out, delete what is confirmed. Example: invoke decommission --env prod"""
    from cutover.cli.opening import conducted, confirmed_one_by_one, is_dry, named, opened
    from cutover.cli.opening import confirm as asked
    from cutover.cli.plan_shown import show_plan
    from cutover.cli.running import carried_out
    from cutover.core.errors import ConfigurationRefused
    from cutover.core.gate import Gate
    from cutover.environment.problem import did_you_mean
    from cutover.plans.ended import Confirmed

    if is_dry(c, dry_run):
        show_plan(opened(named(env), read_only=True), as_json=json, dry_run=True, which="decommission")
        return
    app = opened(named(env))
    checks = [item.check for _, item in app.decommission.walk() if isinstance(item, Gate)]
    known = [check.name for check in checks if isinstance(check, Confirmed)]
    if unknown := [name for name in confirm if name not in known]:
        raise ConfigurationRefused(
            [
                f"--confirm {name}: no such resource in decommission.resources{did_you_mean(name, known)}"
                for name in unknown
            ]
        )
    asked(
        app, "decommission (what is deleted does not come back)", yes=yes and not app.environment.protected, approve=""
    )
    app.confirmed.update(confirm if yes or confirm else confirmed_one_by_one(known))
    with conducted(app, which="decommission") as conductor:
        words = {
            "done": "blue has ended; the archive and the backups stay",
            "nothing": "nothing to do: blue has ended",
        }
        again = f"invoke decommission --env {env}, with --confirm KIND:NAME for each resource that may go"
        carried_out(app, conductor.decommission, conductor, as_json=json, words=words, goes_on_by=again)


@task(help={"env": ENV})
@ended
def archive(c: Context, env: str = "") -> None:
    """Write the archive of the last run, as decommission does. Example: invoke archive --env prod"""
    from cutover.cli.opening import is_dry, named, opened
    from cutover.core.clock import Deadline
    from cutover.plans.decommission import archived

    app = opened(named(env))
    step = archived(app.means)
    if is_dry(c, False):
        say(f"dry-run: {step.observe()}")
        return
    for command in step.commands(step.after):
        command.run(Deadline.after(60.0))
    put(step.observe())
