"""How the local world is put together, mended and cleared away; what an operator calls is in `world`."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from cutover.world import (
    background,
    bouncer,
    databases,
    faults,
    prometheus,
    servers,
    shop_log,
    sites,
    suggestions,
    world_state,
)
from cutover.world.databases import SERVERS
from cutover.world.likeness import Likeness
from cutover.world.processes import Process, WorldError, launch, stop, strays, wait_ready, write_atomically
from cutover.world.world_state import State

LATE = 1.0  # seconds within which a process that was just forked shows its command line
COMPONENTS = (*SERVERS, "aws", "shop-v1", "shop-v2", "edge", "dns", "customers")
ACCESS = "access"
"""Below the world: the folder of the shops' access logs."""
Log = Callable[[str], None]


def build(
    world: Path,
    rows: int,
    rate: float,
    log: Log,
    settings: Mapping[str, str],
    *,
    hooks: bool = False,
    likeness: Likeness | None = None,
) -> State:
    """Makes everything from nothing, in an existing empty directory; with `hooks` the shop has a second database."""
    began = time.monotonic()
    like = likeness or Likeness()

    def say(what: str) -> None:
        log(f"{time.monotonic() - began:5.1f} s  {what}")

    # The name is on record before the directory exists: whatever happens next, the next `up` or `down` finds it.
    scratch = Path(tempfile.gettempdir()).resolve() / f"cutover-world-{secrets.token_hex(6)}"
    state = State(scratch, rows)
    state.write(world)
    (world / "log").mkdir()
    sites.note(world, like.sites)
    background.note(world, like.background)
    scratch.mkdir(mode=0o755)
    scratch.chmod(0o755)
    state = _note(world, state, _launch(world, "aws", {}))

    with ThreadPoolExecutor() as pool:
        programs = servers.binaries(scratch, servers.unprivileged())

        def serving(name: str) -> tuple[servers.Server, Process]:
            return databases.serving(scratch, programs, log_file(world, name), name, settings, like, hooks=hooks)

        made = {}
        for server, process in pool.map(serving, SERVERS):
            made[server.name] = server
            state = _note(world, state, process)
        say("PostgreSQL 16 (blue) and 18 (green) serve")
        filled = pool.submit(databases.filled, made["blue"], rows, like)
        front = None
        if like.pools:
            front = databases.pooled(scratch, log_file(world, bouncer.NAME), made["blue"], like.pools)
            state = _note(world, state, front)
            say("PgBouncer leads the shop to blue")
        values = {
            **databases.variables(made, scratch, like, front, hooks=hooks),
            **_environment(world),
            sites.HOSTS: sites.named(like.sites),
        }
        if like.logged:
            (world / ACCESS).mkdir()
            values[shop_log.FOLDER] = str(world / ACCESS)
        shops = ("shop-v1", "shop-v2")
        for name in shops:
            state = _note(world, state, _launch(world, name, values))
        for name in ("aws", *shops):
            state = _note(world, state, _ready(world, state.components[name]))
        values |= {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{state.components['aws'].port}",
            "SHOP_BLUE_URL": f"http://127.0.0.1:{state.components['shop-v1'].port}",
            "SHOP_GREEN_URL": f"http://127.0.0.1:{state.components['shop-v2'].port}",
        }
        say("AWS endpoint and both versions of the shop serve")
        for name in ("edge", "dns"):
            state = _note(world, state, _launch(world, name, values))
        _seed(world, state, values)
        for name in ("edge", "dns"):
            state = _note(world, state, _ready(world, state.components[name]))
        values["SHOP_DNS_SERVERS"] = f"127.0.0.1:{state.components['dns'].port}"
        pool.submit(_first_answers, values["SHOP_DNS_SERVERS"], sites.hosts_of(values)).result()
        say("DNS and edge lead to the shop")
        say(f"blue has {filled.result():,} rows")

    world_state.write_environment(world, values)
    state = _note(world, state, _launch(world, "customers", values, rate=rate))
    state = _note(world, state, _ready(world, state.components["customers"]))
    state = replace(state, phase="up")
    state.write(world)
    say(f"customers make {rate:g} requests per second; the world is up")
    return state


def _environment(world: Path) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
        "SHOP_LEDGER": str(world / "ledger.jsonl"),
        "PG_BIN": str(servers.client_bin()),
    }


def _seed(world: Path, state: State, values: Mapping[str, str]) -> None:
    ports = f"blue_port={state.components['shop-v1'].port}, green_port={state.components['shop-v2'].port}"
    program = (
        "import pathlib, sys; from cutover.world import background, seed_aws, sites; world = pathlib.Path(sys.argv[1]); "
        f"seed_aws.seed({ports}, sites=sites.noted(world / sites.FILE)); background.seed(background.noted(world))"
    )
    # In a process of its own: the world's credentials and endpoint must not become those of the caller.
    done = subprocess.run(
        [sys.executable, "-c", program, str(world)],
        env=_component_environment(values),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        raise WorldError(f"the AWS side could not be set up:\n{done.stderr.strip()[-1500:]}")


def _first_answers(name_servers: str, hosts: Sequence[str]) -> None:
    from cutover.world.customer_dns import wait_until_served

    try:
        wait_until_served(name_servers, hosts, deadline=20.0)
    except TimeoutError as error:
        raise WorldError(f"no way through DNS and edge to the shop: {error}") from error


def _launch(world: Path, name: str, values: Mapping[str, str], *, port: int = 0, rate: float = 0) -> Process:
    module = {"aws": "aws_endpoint", "shop-v1": "shop", "shop-v2": "shop"}.get(name, name)
    argv = [sys.executable, "-m", f"cutover.world.{module}", "--world", str(world)]
    if module == "shop":
        argv += ["--name", name, "--version", name.removeprefix("shop-"), "--port", str(port)]
    elif name == "customers":
        argv += ["--rate", f"{rate:g}"]
    elif name == suggestions.NAME:
        argv += ["--port", str(port)]
    return launch(name, argv, log=log_file(world, name), env=_component_environment(values), cwd=world)


def _component_environment(values: Mapping[str, str]) -> dict[str, str]:
    # Neither a proxy nor AWS settings of the user may lead a component of the world away from this machine.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "PG")) and not name.lower().endswith("_proxy")
    }
    safe = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1"}
    safe |= {"AWS_EC2_METADATA_DISABLED": "true"}
    files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return {**kept, **safe, **files, **values}


def watched(world: Path, state: State) -> State:
    """With a Prometheus beside it, if there was none; raises WorldError where the program is not installed."""
    if prometheus.NAME in state.components:
        return state
    state = _note(world, state, _prometheus(world, state))
    values = {
        "SHOP_PROMETHEUS_URL": f"http://127.0.0.1:{state.components[prometheus.NAME].port}",
        "SHOP_PROMETHEUS_RULES": str(state.scratch / prometheus.NAME / prometheus.RULES),
    }
    world_state.write_environment(world, {**world_state.environment(world), **values})
    return state


def suggesting(world: Path, state: State) -> State:
    """With the service that a flag routes, if there was none; customers ask it, too."""
    if suggestions.NAME in state.components:
        return state
    flags = world / "flags.json"
    if not flags.exists():
        write_atomically(flags, "{}\n")  # a missing file is a store that is down
    values = world_state.environment(world) | {"SHOP_FLAGS": f"file:{flags}"}
    world_state.write_environment(world, values)  # first: whatever happens next, it can be started again
    state = _note(world, state, _launch(world, suggestions.NAME, values))
    state = _note(world, state, _ready(world, state.components[suggestions.NAME]))
    url = f"http://127.0.0.1:{state.components[suggestions.NAME].port}"
    values |= {"SHOP_SUGGESTIONS_URL": url, "SHOP_SUGGESTIONS_SNAPSHOT": f"{url}/snapshot"}
    world_state.write_environment(world, values)
    stop([state.components["customers"]])
    return start_again(world, state, "customers")


def _prometheus(world: Path, state: State, port: int = 0) -> Process:
    shops = {side: state.components[shop].port for side, shop in faults.SHOPS.items()}
    return prometheus.start(state.scratch, log_file(world, prometheus.NAME), shops, port)


def _ready(world: Path, process: Process) -> Process:
    facts = wait_ready(process, world, log=log_file(world, process.name))
    return replace(process, port=int(facts.get("port", 0)))


def start_again(world: Path, state: State, name: str) -> State:
    """Starts one part that has ended, where it was."""
    port = state.components[name].port
    if name in SERVERS:
        account = servers.unprivileged()
        programs = servers.binaries(state.scratch, account) / servers.INSTALLATIONS[name] / "bin"
        server = servers.Server(name, programs, state.scratch / name, log_file(world, name), port, account)
        return _note(world, state, servers.start(server))
    if name == prometheus.NAME:
        return _note(world, state, _prometheus(world, state, port))
    if name == bouncer.NAME:
        return _note(world, state, bouncer.start(state.scratch / bouncer.NAME, port, log_file(world, name)))
    rate = float((world / "rate").read_text(encoding="utf-8")) if name == "customers" else 0
    values = world_state.environment(world)
    process = _ready(world, _launch(world, name, values, port=port, rate=rate))
    state = _note(world, state, process)
    if name == "dns" and process.port != port:
        # A name server has to be asked where it is: customers who know the old port would never find it again.
        world_state.write_environment(world, {**values, "SHOP_DNS_SERVERS": f"127.0.0.1:{process.port}"})
        stop([state.components["customers"]])
        state = start_again(world, state, "customers")
    return state


def _note(world: Path, state: State, process: Process) -> State:
    noted = state.having(process)
    noted.write(world)
    return noted


def log_file(world: Path, name: str) -> Path:
    """Where a part's output goes."""
    return world / "log" / f"{name}.log"


def clean(world: Path, state: State | None) -> None:
    """Ends whatever is left of a world and removes its files."""
    scratch = None if state is None else state.scratch
    known = [] if state is None else list(state.components.values())
    # PostgreSQL last and at once (SIGQUIT): its files go anyway, and an orderly shutdown would wait for the other side.
    stop([process for process in known if process.name not in SERVERS] + [s for s in strays(world, None)])
    stop([process for process in known if process.name in SERVERS], signum=signal.SIGQUIT)
    stop(strays(world, scratch), signum=signal.SIGQUIT)
    if state is not None and state.phase == "starting":
        # A child of a builder that was killed may just be starting, and does not yet look like ours.
        time.sleep(LATE)
        stop(strays(world, scratch), signum=signal.SIGQUIT)
    for directory in (scratch, world):
        if directory is not None and directory.exists():
            shutil.rmtree(directory)
