"""The commands that change something: cutover, rollback, resume, finish."""

import time
from collections.abc import Callable
from typing import Any

from invoke.context import Context
from invoke.tasks import task

from cutover.cli.ends import ended, exit_for, say

ENV = "environment: a file environments/NAME.yaml"
STOPPED = 1  # the exit code of what stopped for no reason of its own


@task(
    help={
        "env": ENV,
        "dry-run": "show the plan and what is there now; nothing is changed, nothing can be",
        "until": "stop after this phase; the same command goes on later",
        "detach": "end with 8 where only time or a person is waited for; go on later: resume, or watch",
        "reason": "why; goes into the record",
        "again": "why it is tried again in the waiting period after a rollback; goes into the record",
        "without-rehearsal": "why it has to be now, without the rehearsal that the environment wants; goes into the record",
        "yes": "don't ask",
        "approve": "go only if plan and observed states still have this start digest (see `plan`)",
        "json": "one result document on standard output",
    }
)
@ended
def cutover(
    c: Context,
    env: str = "",
    dry_run: bool = False,
    until: str = "",
    detach: bool = False,
    reason: str = "",
    again: str = "",
    without_rehearsal: str = "",
    yes: bool = False,
    approve: str = "",
    json: bool = False,
) -> None:
    """Go from blue to green; goes on with an open run. Example: invoke cutover --env local --yes"""
    from cutover.cli.opening import conducted, confirm, is_dry, named, opened, rehearsed
    from cutover.cli.plan_shown import show_plan

    if is_dry(c, dry_run):
        show_plan(opened(named(env), read_only=True), as_json=json, dry_run=True)
        return
    app = opened(named(env), start_world=True)
    rehearsed(app, without_rehearsal)
    confirm(app, "cutover", yes=yes, approve=approve)
    with conducted(app) as conductor:
        conductor.detached = detach
        carried_out(
            app,
            lambda: conductor.cutover(
                until=until or None,
                approve=approve or None,
                again=again,
                reason=reason,
                without_rehearsal=without_rehearsal,
            ),
            conductor,
            as_json=json,
            words={
                "done": f"green serves. The way back is warm: invoke rollback --env {env} --reason '…'\n"
                f"when you are sure: invoke finish --env {env}",
                "until": f"stopped after {until}, as asked; go on: invoke cutover --env {env}",
                "nothing": "nothing to do: everything of this plan holds",
            },
        )


@task(
    help={
        "env": ENV + "; the only one with an active run when left out",
        "to": "go back to the end of this phase only",
        "previous-phase": "go back to the end of the phase before the present one only",
        "everything": "take back standing work too (replication, copied rows, fence kit): the next cutover copies from scratch",
        "reason": "why; goes into the record",
        "plan-changed": "the plan is not the one that was begun (edited file, other version), and go back by it all the same",
        "ask": "ask whoever walks the run to go back, instead of doing it here",
        "dry-run": "show what would be taken back",
        "yes": "don't ask",
        "json": "one result document on standard output",
    }
)
@ended
def rollback(
    c: Context,
    env: str = "",
    to: str = "",
    previous_phase: bool = False,
    everything: bool = False,
    reason: str = "",
    plan_changed: bool = False,
    ask: bool = False,
    dry_run: bool = False,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Go back to blue, losing no write. Example: invoke rollback --env local --yes --reason "checkout is slow" """
    from cutover.cli.opening import conducted, confirm, is_dry, opened, with_active_run
    from cutover.cli.plan_shown import show_way_back
    from cutover.core.errors import Refused

    env = with_active_run(env)
    if previous_phase:
        to = _named_alone(env, to, everything)
    if is_dry(c, dry_run):
        show_way_back(opened(env, read_only=True), to=to or None, everything=everything, as_json=json)
        return
    if plan_changed and to:
        raise Refused(
            "--plan-changed goes all the way back: what would go on from there is not the plan that was begun"
        )
    if not reason.strip():
        raise Refused("a rollback wants its reason for the record", next_command="invoke rollback --reason '…'")
    app = opened(env)
    if ask:
        _asked_to_go_back(app, reason, to, previous_phase=previous_phase)
        return
    if not app.environment.protected:
        confirm(app, "rollback", yes=yes, approve="")
    elif not yes:
        confirm(app, "rollback", yes=False, approve="")
    with conducted(app) as conductor:
        carried_out(
            app,
            lambda: conductor.rollback(reason=reason, to=to or None, everything=everything, plan_changed=plan_changed),
            conductor,
            as_json=json,
            rollback=True,
            words={
                "rolled-back": f"blue serves. The next try: invoke cutover --env {env}",
                "undone": f"back at the end of {to}; go on: invoke cutover --env {env}",
                "nothing": "nothing to do: no run is open and none stands",
            },
        )


def _named_alone(env: str, to: str, everything: bool) -> str:
    """The phase that `--previous-phase` means now."""
    from cutover.asks import phase_before
    from cutover.cli.opening import opened
    from cutover.core.errors import ConfigurationRefused, Refused
    from cutover.run_views import active

    if to or everything:
        raise ConfigurationRefused(["--previous-phase says how far back: give neither --to nor --everything with it"])
    app = opened(env)
    state = app.recorded()
    view = None
    if state is not None:
        try:
            view = active(state)
        finally:
            state.close()
    if view is None:
        raise Refused("nothing to take back: no run is open and none stands")
    return phase_before(app.plan, view)


def _asked_to_go_back(app: Any, reason: str, to: str, *, previous_phase: bool) -> None:
    from cutover.asks import Asks
    from cutover.cli.asking import told
    from cutover.core.errors import ConfigurationRefused, Refused

    if to and not previous_phase:
        raise ConfigurationRefused(["--ask goes all the way back, or with --previous-phase one phase: leave --to out"])
    name = app.environment.name
    holder = Asks(app).go_back(reason, previous_phase=previous_phase)
    if holder is None:
        raise Refused(
            "nobody walks the run who could be asked", next_command=f"invoke rollback --env {name} --reason '…'"
        )
    say(told(holder, name))


@task(
    help={
        "env": ENV + "; the only one with an active run when left out",
        "reason": "go on with what the run stands still for, and why; goes into the record",
        "detach": "end with 8 where only time or a person is waited for",
        "json": "one result document",
    }
)
@ended
def resume(c: Context, env: str = "", reason: str = "", detach: bool = False, json: bool = False) -> None:
    """Go on with what was under way, forward or back. Example: invoke resume"""
    from cutover.asks import Asks
    from cutover.cli.asking import told
    from cutover.cli.opening import conducted, opened, with_active_run
    from cutover.core.errors import LeaseHeld

    app = opened(with_active_run(env))
    if reason.strip() and (holder := Asks(app).go_on(reason)) is not None:
        say(told(holder, app.environment.name))
        return
    if not reason.strip() and (stands := Asks(app).stands_for()) is not None:
        raise LeaseHeld(
            f"{stands[0].who} on {stands[0].host} walks this run, which stands still for {stands[1]}; to go on with it needs a reason",
            next_command=f"invoke resume --env {app.environment.name} --reason '…'",
        )
    with conducted(app) as conductor:
        conductor.detached = detach
        words = {
            "done": "green serves",
            "rolled-back": "blue serves",
            "undone": "taken back",
            "until": "stopped after the phase that was asked for",
            "nothing": "nothing to do",
        }
        carried_out(app, lambda: conductor.resume(reason), conductor, as_json=json, words=words)


@task(
    help={
        "env": ENV,
        "early": "why before the end of rollback.window; goes into the record",
        "yes": "don't ask",
        "json": "one result document",
    }
)
@ended
def finish(c: Context, env: str = "", early: str = "", yes: bool = False, json: bool = False) -> None:
    """Remove the way back, for good. Example: invoke finish --env local"""
    from cutover.cli.opening import conducted, confirm, is_dry, opened, with_active_run
    from cutover.cli.plan_shown import show_plan

    env = with_active_run(env)
    if is_dry(c, False):
        show_plan(opened(env, read_only=True), as_json=json, dry_run=True, which="finish")
        return
    app = opened(env)
    confirm(app, "finish (there is no way back after it)", yes=yes and not app.environment.protected, approve="")
    with conducted(app, which="finish") as conductor:
        fenced = "; blue stays fenced and can be archived" if app.means.pairs else ": the cutover is over"
        words = {"done": f"the way back is gone{fenced}", "nothing": "nothing to do"}
        carried_out(app, lambda: conductor.finish(early=early), conductor, as_json=json, words=words)


def carried_out(
    app: Any,
    action: Callable[[], tuple[str, str]],
    conductor: Any,
    *,
    as_json: bool,
    words: dict[str, str],
    rollback: bool = False,
    goes_on_by: str = "",
) -> None:
    """Runs the action, prints the result document if asked for, and says what it means and what to type next."""
    from cutover.cli.incidents import begin
    from cutover.cli.opening import print_json
    from cutover.core.errors import CutoverError, PlanChanged, PointOfNoReturn
    from cutover.outcome import result

    since = time.time()
    failure: CutoverError | None = None
    try:
        run, outcome = action()
    except CutoverError as error:
        failure, run, outcome = error, conductor.run_name, _outcome_of(error)
    if outcome in ("rolled-back", "rollback-incomplete"):
        begin(app)
    if as_json:
        print_json(result(app, run, outcome, since=since, rollback=rollback))
    if failure is None:
        say(f"\n{words.get(outcome, outcome)}")
        return
    goes_on = failure.exit_code in (1, 5, 7, 8, 129, 130, 143) and not isinstance(
        failure, PlanChanged | PointOfNoReturn
    )
    name = app.environment.name
    if not failure.next_command and goes_on and run:
        failure.next_command = (
            goes_on_by or f"invoke resume --env {name}   or   invoke rollback --env {name} --reason '…'"
        )
    elif not failure.next_command and failure.exit_code == STOPPED:
        failure.next_command = f"invoke status --env {name}   # once that is mended; then the same again"
    raise exit_for(failure) from failure


def _outcome_of(error: Exception) -> str:
    codes = {4: "refused", 5: "refused", 6: "rolled-back", 7: "rollback-incomplete", 8: "waiting"}
    codes |= {130: "interrupted", 143: "interrupted", 129: "interrupted"}
    return codes.get(getattr(error, "exit_code", 1), "stopped")
