"""What every command does first: which environment, is its world up, may it be touched, and who interrupts it."""

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from invoke.context import Context

from cutover.app import DIRECTORY, App, adopt, home, open_environment
from cutover.aws.reading import guard_process
from cutover.cli.ends import HEARTBEAT, say
from cutover.cli.faults import install_from_environment
from cutover.core.clock import Interrupt
from cutover.core.errors import ConfigurationRefused, CutoverError, Refused
from cutover.core.telling import otherwise
from cutover.environment import names
from cutover.rehearsal_wanted import lacking, may_begin
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
    adopt(app)
    try:
        state = app.recorded()
        if state is None:
            return False
        try:
            return active(state) is not None
        finally:
            state.close()
    except CutoverError as error:
        raise Refused(
            f"whether {name} has a run is not known: {error.message}; name the one you mean with --env"
        ) from error


def is_dry(context: Context, flag: bool) -> bool:
    """Whether this is a dry-run: by our flag, or by Invoke's own --dry, which alone would stop nothing of ours."""
    return flag or bool(context.config.run.dry)


def opened(env: str, *, read_only: bool = False, start_world: bool = False) -> App:
    """The environment, with its local world started if it has one and `start_world`."""
    install_from_environment()
    otherwise(_meanwhile())
    if read_only:
        guard_process()
    app = open_environment(named(env), read_only=read_only)
    wanted = app.environment.world
    if wanted is not None and start_world and not read_only:
        try:
            from cutover.world import world
        except ImportError as error:
            raise Refused(
                f"the local world is not installed ({error.name})", next_command="pip install -e '.[local]'"
            ) from error
        world.up(
            home(),
            rows=wanted.rows,
            rate=wanted.rate,
            hooks=wanted.hooks,
            watched=wanted.watched,
            suggestions=wanted.suggestions,
            log=say,
        )
    adopt(app)
    return app


def _meanwhile() -> Callable[[str], None]:
    """Shows what a wait says while no run is there to show it; at most every two seconds."""
    last = float("-inf")

    def shown(seen: str) -> None:
        nonlocal last
        if time.monotonic() - last >= HEARTBEAT:
            last = time.monotonic()
            say(f"  … {seen}")

    return shown


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


def rehearsed(app: App, without: str) -> None:
    """Refuses before anybody is asked what would be refused then: a new run without the rehearsal that is wanted."""
    if not lacking(app):
        return
    state = app.recorded()
    try:
        if state is None or active(state) is None:
            may_begin(app, without=without)
    finally:
        if state is not None:
            state.close()


def confirmed_one_by_one(resources: list[str]) -> list[str]:
    """The resources whose names were typed at the terminal; whatever else is typed leaves one as it is."""
    return [one for one in resources if _asked(f"type {one} to delete it, or Enter to leave it: ") == one]


def _asked(question: str) -> str:
    if not sys.stdin.isatty():
        raise Refused("there is no terminal to ask at", next_command="give --yes")
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


@contextmanager
def conducted(app: App, *, which: str = "cutover") -> Iterator[Conductor]:
    """A conductor that shows what happens, and ends at a journal boundary on Ctrl-C, SIGTERM or SIGHUP."""
    from cutover.cli.show import Shower

    shower = Shower(app.plan_named(which), position=lambda: app.journals[-1].position() if app.journals else None)
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
