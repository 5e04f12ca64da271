"""The local world as a whole: `up`, `down`, `status`, `load`, `restart`, and what can go wrong in it: `fault`, `heal`.

Everything lives in `<home>/world` and, for PostgreSQL, in a directory of its own below the system's temporary one. All
processes outlive the command that started them and end with `down`.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cutover.world import bouncer, building, corruption, faults, prometheus, world_state
from cutover.world.building import COMPONENTS, Log, build, clean, log_file, start_again
from cutover.world.databases import SERVERS
from cutover.world.likeness import Likeness
from cutover.world.processes import Process, WorldError, stop, write_atomically
from cutover.world.suggestions import NAME as SUGGESTIONS
from cutover.world.world_state import State


@dataclass(frozen=True)
class World:
    """A world that serves: its directory, the variables it exports, and its processes by name."""

    directory: Path
    environment: Mapping[str, str]
    components: Mapping[str, Process]


@dataclass(frozen=True)
class Component:
    """One line of `status`."""

    name: str
    pid: int
    port: int
    alive: bool
    detail: str


def folder(home: Path) -> Path:
    """Where the world of this home lives."""
    return home.resolve() / "world"


def up(
    home: Path,
    *,
    rows: int = 200_000,
    rate: float = 60,
    log: Log = lambda line: None,
    settings: Mapping[str, str] | None = None,
    hooks: bool = False,
    watched: bool = False,
    suggestions: bool = False,
    likeness: Likeness | None = None,
) -> World:
    """Brings the world up; one that is up is left alone, a dead part is started again, a half-built one is built anew.

    `rate` is in requests per second; `settings` are further PostgreSQL settings for both servers; with
    `hooks` the shop has a second database, with `watched` a Prometheus scrapes both shops, and with `suggestions` there is a
    service that a flag routes. A world that is built anew has what is in `likeness`. Raises WorldError.
    """
    if watched and prometheus.program() is None:
        told = "the world is wanted with a Prometheus, and there is none on this machine"
        raise WorldError(told, next_command=f"{prometheus.INSTALL}; or: invoke cutover --env local, which needs none")
    if likeness is not None and likeness.pools and not bouncer.PROGRAM.exists():
        raise WorldError(
            "the world is wanted with a PgBouncer, and there is none on this machine", next_command=bouncer.INSTALL
        )
    beside = {name for name, so in {prometheus.NAME: watched, SUGGESTIONS: suggestions}.items() if so}
    found = running(home)
    if found is not None and beside <= found.components.keys():
        return _with_hooks(found, hooks)
    with world_state.locked(home):
        found = running(home)
        if found is not None and beside <= found.components.keys():
            return _with_hooks(found, hooks)
        world = folder(home)
        state = world_state.read(world)
        # The AWS endpoint keeps its state in memory: without it nothing of the old world can be trusted.
        if state is not None and state.phase == "up" and "aws" not in state.dead:
            for name in state.dead:
                log(f"{name} was gone: starting it again")
                state = start_again(world, state, name)
        else:
            clean(world, state)
            world.mkdir(parents=True)
            state = build(world, rows, rate, log, settings or {}, hooks=hooks, likeness=likeness)
        if watched and prometheus.NAME not in state.components:
            state = building.watched(world, state)
            log("Prometheus scrapes both shops each second")
        if suggestions and SUGGESTIONS not in state.components:
            state = building.suggesting(world, state)
            log("a service is routed by a flag")
        return _with_hooks(World(world, world_state.environment(world), state.components), hooks)


def _with_hooks(found: World, hooks: bool) -> World:
    if hooks and "HOOKS_BLUE_DSN" not in found.environment:
        raise WorldError("the local world runs without its second database: `invoke world.down`, and try again")
    return found


def running(home: Path) -> World | None:
    """The world, if all of it serves."""
    world = folder(home)
    state = world_state.read(world)
    if state is None or state.phase != "up" or state.dead:
        return None
    return World(world, world_state.environment(world), state.components)


def down(home: Path) -> None:
    """Ends every process of the world and removes its files; doing it twice is fine."""
    world = folder(home)
    if not home.exists():
        return
    with world_state.locked(home) as lock:
        clean(world, world_state.read(world))
        lock.unlink()
    if not any(home.iterdir()):
        home.rmdir()


def status(home: Path) -> list[Component]:
    """Every part of the world, alive or not; empty when there is none."""
    world = folder(home)
    state = world_state.read(world)
    if state is None:
        return []
    known = [
        Component(name, process.pid, process.port, process.alive, _detail(world, process))
        for name, process in state.components.items()
    ]
    missing = [Component(name, 0, 0, False, "not started") for name in COMPONENTS if name not in state.components]
    return known + missing


def load(home: Path, rate: float) -> None:
    """Changes how many requests per second the customers make; 0 lets them rest. Effective within 0.2 s."""
    if rate < 0:
        raise WorldError(f"a rate is 0 or more requests per second, not {rate:g}")
    if running(home) is None:
        raise WorldError("the world is not up", next_command="invoke world.up")
    write_atomically(folder(home) / "rate", f"{rate:g}\n")


def kill(home: Path, name: str) -> None:
    """Ends one part with SIGKILL, as a crash would; `up` or `restart` brings it back."""
    stop([_state(home, name).components[name]], signum=signal.SIGKILL)


def restart(home: Path, name: str) -> Process:
    """Ends one part with SIGKILL and starts it again on its port; not the AWS endpoint, which would forget all."""
    if name == "aws":
        raise WorldError("the AWS endpoint keeps its state in memory: bring the world down and up instead")
    kill(home, name)
    with world_state.locked(home):
        return start_again(folder(home), _state(home, name), name).components[name]


def fault(home: Path, side: str, changes: Mapping[str, float | bool]) -> faults.Faults:
    """Makes something go wrong in the shop of one side, beside what is wrong already; effective within 0.2 s."""
    name = faults.shop_of(side)
    _state(home, name)
    return faults.inject(folder(home), name, changes)


def corrupt(home: Path, side: str) -> int:
    """Makes one row of this side wrong, the payment of the newest order, and answers that order."""
    return corruption.corrupt(_dsn(home, side))


def heal(home: Path, side: str) -> list[str]:
    """Takes every fault of this side away again, starts its shop if that is gone, and mends rows; says what it did."""
    name = faults.shop_of(side)
    done = [f"{name} suffers from nothing any more"]
    faults.heal(folder(home), name)
    if not _state(home, name).components[name].alive:
        done.append(f"{name} serves again, pid {restart(home, name).pid}")
    if mended := corruption.mend(_dsn(home, side)):
        done.append(f"{mended} wrong payments of {side} are right again")
    return done


def _dsn(home: Path, side: str) -> str:
    faults.shop_of(side)
    return str(world_state.environment(folder(home))[f"SHOP_{side.upper()}_DSN"])


def _state(home: Path, name: str) -> State:
    state = world_state.read(folder(home))
    if state is None or name not in state.components:
        raise WorldError(
            f"the world has no part {name!r}; it has {', '.join(state.components if state else ()) or 'none'}"
        )
    return state


def _detail(world: Path, process: Process) -> str:
    if not process.alive:
        return f"gone; its log: {log_file(world, process.name)}"
    if process.name in SERVERS:
        return f"PostgreSQL, database shop on 127.0.0.1:{process.port}"
    if process.name == "customers":
        return f"{(world / 'rate').read_text(encoding='utf-8').strip()} requests per second"
    return f"127.0.0.1:{process.port}"
