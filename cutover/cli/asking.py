"""The commands with which another terminal, or another person, has a say in a run: hold, approve, reject, watch, unlock."""

import shlex
import sys
from pathlib import Path
from typing import Any

from invoke.context import Context
from invoke.tasks import task

from cutover.cli.ends import ended, say

ENV = "environment: a file environments/NAME.yaml"
ACTIVE = ENV + "; the only one with an active run when left out"
GATE = "the gate that waits; the only one when left out"


@task(help={"env": ACTIVE, "reason": "why; goes into the record"})
@ended
def hold(c: Context, env: str = "", reason: str = "") -> None:
    """Ask the run to stop at its next boundary (never inside the window). Example: invoke hold --reason "looking at errors" """
    from cutover.asks import Asks
    from cutover.cli.opening import opened, with_active_run

    env = with_active_run(env)
    run = Asks(opened(env)).hold(reason)
    say(f"run {run} stops at its next boundary; go on: invoke resume --env {env}")


@task(help={"env": ACTIVE, "role": "for which role you sign", "gate": GATE, "comment": "goes into the record"})
@ended
def approve(c: Context, env: str = "", role: str = "", gate: str = "", comment: str = "") -> None:
    """Say yes to what a run waits for. Example: invoke approve --env prod --role database --comment "lag is 0" """
    _decided("approve", env, role, gate, comment)


@task(help={"env": ACTIVE, "role": "for which role you sign", "gate": GATE, "comment": "why; goes into the record"})
@ended
def reject(c: Context, env: str = "", role: str = "", gate: str = "", comment: str = "") -> None:
    """Say no to what a run waits for. Example: invoke reject --env prod --role decision --comment "sales is in its peak" """
    _decided("reject", env, role, gate, comment)


def _decided(kind: str, env: str, role: str, gate: str, comment: str) -> None:
    from cutover.asks import Asks
    from cutover.cli.opening import opened, with_active_run

    env = with_active_run(env)
    run, name = Asks(opened(env)).decide(kind, role=role, gate=gate, comment=comment)
    said = "yes" if kind == "approve" else "no"
    say(
        f"run {run}, {name}: {said} for {role}. Where nobody walks the run, it hears of it with: invoke resume --env {env}"
    )


@task(help={"env": ACTIVE, "unit": "print a systemd unit that keeps watching, and do nothing else"})
@ended
def watch(c: Context, env: str = "", unit: bool = False) -> None:
    """Go on with a run and stay: soaks, triggers and approvals, for days, over restarts. Example: invoke watch --env prod"""
    from cutover.cli.opening import conducted, named, opened, with_active_run
    from cutover.cli.running import carried_out

    if unit:
        print(systemd_unit(named(env)))
        return
    app = opened(with_active_run(env))
    with conducted(app) as conductor:
        words = {
            "done": "green serves",
            "nothing": "nothing to watch",
            "until": "stopped after the phase that was asked for",
        }
        words |= {"rolled-back": "blue serves", "undone": "taken back"}
        carried_out(app, conductor.watch, conductor, as_json=False, words=words)


@task(help={"env": ENV, "lease": "the lease's id, as the refusal printed it"})
@ended
def unlock(c: Context, env: str = "", lease: str = "") -> None:
    """Take a lease from a holder who is surely gone, on any machine; a living one is refused from then on. Example: invoke unlock --env prod --lease 1f…"""
    from cutover.cli.opening import named, opened
    from cutover.core.errors import Refused
    from cutover.core.who import who

    app = opened(named(env))
    state = app.state()
    try:
        holder = state.holder()
        if holder is None:
            say("nobody holds the lease")
            return
        if holder.id != lease:
            raise Refused(
                f"the lease is {holder.id}, held by {holder.who} on {holder.host} (pid {holder.pid}) for {holder.operation}",
                next_command=f"invoke unlock --env {env} --lease {holder.id}",
            )
        state.release(state.acquire(who=who(), operation="unlock", take_over=lease))
        say(f"the lease of {holder.who} is void; whatever that process still tries to record is refused")
    finally:
        state.close()


def systemd_unit(env: str, *, folder: Path | None = None, python: str = sys.executable) -> str:
    """A unit that begins `invoke watch` again when it was killed; what it ended with on purpose it leaves alone."""
    where = folder or Path.cwd()
    command = " ".join(_quoted(word) for word in (python, "-m", "invoke", "watch", "--env", env))
    return f"""\
# Install: systemctl enable --now cutover-watch-{env}.service; secrets and $CUTOVER_HOME go into the EnvironmentFile.
[Unit]
Description=cutover: watches the run of {env}
Wants=network-online.target
After=network-online.target

[Service]
WorkingDirectory={where}
EnvironmentFile=-/etc/cutover/{env}.env
ExecStart={command}
Restart=on-failure
RestartSec=5
# What was decided is not to be tried again: refused, rolled back, a person is needed, waiting.
RestartPreventExitStatus=3 5 6 7 8
TimeoutStopSec=120

[Install]
WantedBy=multi-user.target"""


def _quoted(word: str) -> str:
    return shlex.quote(word).replace("%", "%%")


def told(holder: Any, env: str) -> str:
    """Who walks a run, and how to look."""
    if holder is None:
        return f"nobody walks the run: invoke resume --env {env}"
    return f"{holder.who} on {holder.host} (pid {holder.pid}, for {holder.operation}) was asked; look: invoke status --env {env}"
