"""What every command does first: which environment, is its world up, may it be touched, and who interrupts it."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from invoke.context import Context

from cutover.app import DIRECTORY, App, adopt, home, open_environment
from cutover.cli.ends import say
from cutover.cli.faults import install_from_environment
from cutover.cli.show import Shower
from cutover.core.clock import Interrupt
from cutover.core.errors import ConfigurationRefused, Refused
from cutover.environment import names
from cutover.run_views import active
from cutover.runs import Conductor
from cutover.supervision import supervise


def named(env: str) -> str:
    """The environment that was named; raises ConfigurationRefused with the known ones."""
    if not env:
        known = ", ".join(names(DIRECTORY)) or "none yet: invoke init NAME makes one"
        raise ConfigurationRefused([f"--env is needed; the environments are {known}"])
    return env


def with_active_run(env: str) -> str:
    """The environment that was named, else the only one with a run that is open or can be taken back."""
    if env:
        return env
    found = [name for name in names(DIRECTORY) if _has_run(name)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise Refused("no environment has a run that is open or could be taken back; name one with --env")
    raise ConfigurationRefused([f"--env is needed; these have a run: {', '.join(found)}"])


def _has_run(name: str) -> bool:
    try:
        app = open_environment(name)
    except ConfigurationRefused:
        return False
    if not app.state_path.exists():
        return False
    state = app.state()
    try:
        return active(state) is not None
    finally:
        state.close()


def is_dry(context: Context, flag: bool) -> bool:
    """Whether this is a dry-run: by our flag, or by Invoke's own --dry, which alone would stop nothing of ours."""
    return flag or bool(context.config.run.dry)


def opened(env: str, *, read_only: bool = False, start_world: bool = False) -> App:
    """The environment, with its local world started if it has one and `start_world`."""
    install_from_environment()
    app = open_environment(named(env), read_only=read_only)
    wanted = app.environment.world
    if wanted is not None and start_world and not read_only:
        try:
            from cutover.world import world
        except ImportError as error:
            raise Refused(
                f"the local world is not installed ({error.name})", next_command="pip install -e '.[local]'"
            ) from error
        world.up(home(), rows=wanted.rows, rate=wanted.rate, hooks=wanted.hooks, log=say)
    adopt(app)
    return app


def confirm(app: App, doing: str, *, yes: bool, approve: str) -> None:
    """Asks before anything is touched; a protected environment wants its name, or the digest of what was reviewed."""
    name = app.environment.name
    if app.environment.protected:
        if yes and not approve:
            raise Refused(
                f"{name} is protected: --yes alone is not enough",
                next_command=f"invoke plan --env {name}, then invoke {doing} --env {name} --yes --approve START_DIGEST",
            )
        if yes:
            return
        if _asked(f"{doing} of {name}: type the environment's name to go on: ") != name:
            raise Refused("the name was not typed; nothing was touched")
        return
    if not yes and _asked(f"{doing} of {name}: go on? [y/N] ").lower() not in ("y", "yes"):
        raise Refused("not confirmed; nothing was touched")


def _asked(question: str) -> str:
    if not sys.stdin.isatty():
        raise Refused("there is no terminal to ask at", next_command="give --yes")
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


@contextmanager
def conducted(app: App, *, finishing: bool = False) -> Iterator[Conductor]:
    """A conductor that shows what happens, and ends at a journal boundary on Ctrl-C, SIGTERM or SIGHUP."""
    shower = Shower(app.finish if finishing else app.plan)
    interrupt = Interrupt()
    kept: dict[signal.Signals, Any] = {}

    def stop(number: int, _: object) -> None:
        interrupt.set(number)
        say("\nstopping at the next safe boundary …")

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        kept[number] = signal.signal(number, stop)
    try:
        yield Conductor(app, listen=shower, supervise=supervise, interrupt=interrupt)
    finally:
        shower.close()
        for number, handler in kept.items():
            signal.signal(number, handler)


def print_json(document: object) -> None:
    """One JSON document on standard output."""
    print(json.dumps(document, indent=2, ensure_ascii=False, default=str), flush=True)
