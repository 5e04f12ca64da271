"""Where faults are tried: a local world, links to its servers, and the program whose addresses lead over the links."""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from cutover.bench.figures import BenchFailed
from cutover.bench.staged import Staged
from cutover.bench.typed import PLENTY, Done, Running
from cutover.core.audit import audit
from cutover.core.journal import Entry
from cutover.faults.link import Link
from cutover.faults.places import KILLED_BEFORE_RESUME, STOPS_AFTER
from cutover.state.sqlite import SqliteState
from cutover.world import short_ttl, world, world_state
from cutover.world.processes import Process, WorldError

ROWS, RATE = 3000, 20
GREEN_SIZE = "400m"
LONGEST = 170.0  # seconds that a command may take under a fault; every wait of the program has a deadline below it
PREFIX = "cutover-faults-"
TTL = {"normal": 2, "cutover": 1, "slack": 0}
LED = {"blue": "SHOP_BLUE_DSN", "green": "SHOP_GREEN_DSN", "aws": "AWS_ENDPOINT_URL"}
SMOKE = '''"""What a side has to be able to do; where the file named beside it lies, every second look fails."""

import json
import os
import urllib.request
from pathlib import Path
from uuid import uuid4

URL = os.environ["SMOKE_URL"]
FLAPS = Path(__file__).with_name("flapping")


def test_health():
    if FLAPS.exists():
        looks = int(FLAPS.read_text() or "0") + 1
        FLAPS.write_text(str(looks))
        assert looks % 2 == 0, "flapping on demand"
    with urllib.request.urlopen(URL + "/health", timeout=10) as answer:
        assert answer.status == 200


def test_checkout():
    order = {"idempotency_key": os.environ.get("SMOKE_KEY") or str(uuid4()), "customer_id": 1, "lines": [{"product_id": 1, "quantity": 1}]}
    request = urllib.request.Request(URL + "/api/checkout", json.dumps(order).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 201
'''


@dataclass
class Ground(Staged):
    """One world, whose program reaches blue, green and AWS over links; customers and checks go there directly."""

    ttl: Mapping[str, int] | None = field(default_factory=lambda: dict(TTL))
    links: dict[str, Link] = field(default_factory=dict)
    more: dict[str, str] = field(default_factory=dict)
    """Variables that a fault gives to whatever is started while it lasts."""
    _mounts: list[Path] = field(default_factory=list)
    longest: float = LONGEST
    """Seconds that a command may take under a fault."""
    killed_before_resume: str = KILLED_BEFORE_RESUME
    before_traffic: str = STOPS_AFTER
    """The phase after which a run stops where its faults come before traffic moves."""
    one_database: Sequence[str] = ()
    """What is typed so that a command is about the database that faults concern, where there are several."""
    added: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What is typed with a command besides."""
    over: bool = False
    """Whether it is being ended: what is tried meanwhile says nothing."""
    kept: dict[str, Any] = field(default_factory=dict)
    """What faults hold between `inject` and `heal`, by their names."""

    def set_up(self, *, small: bool = False) -> None:
        """Makes the folder, the world and the links; what a failure leaves behind, `close` removes.

        With `small` the journal and green's data lie on small file systems of their own; that needs root.
        """
        self.make_folder()
        self.small("state").mkdir()
        if small:
            _mounted(self.small("state"), "64m")  # a hundred runs and more
            self._mounts.append(self.small("state"))
        (self.repository / "smoke").mkdir()
        (self.repository / "smoke" / "test_smoke.py").write_text(SMOKE, encoding="utf-8")
        world.up(self.home, rows=ROWS, rate=RATE)
        short_ttl.shorten(self.world_variables()["AWS_ENDPOINT_URL"], TTL["normal"])
        if small:
            self._green_on_small()
        self.link()

    def link(self) -> None:
        """Makes the links; the world has to be up."""
        for name, variable in LED.items():
            self.links[name] = Link(name, urlsplit(self.world_variables()[variable]).port or 0)
        self.links["notices"] = Link("notices", self.part("shop-v1").port)

    def close(self) -> None:
        self.unlink()
        self.end_commands()
        if self._mounts:
            with suppress(WorldError):
                world.kill(self.home, "green")
        for place in self._mounts:
            subprocess.run(["umount", "-l", str(place)], timeout=20, check=False)
        super().close()

    def unlink(self) -> None:
        for link in self.links.values():
            link.close()

    def start(self, *args: str, env: Mapping[str, str] | None = None) -> Running:
        if self.over:
            raise BenchFailed(f"ended before: {' '.join(args)}")
        return super().start(*args, env=env)

    def meanwhile(self) -> None:
        """What others do while a command is under way; here nobody does anything."""

    def run(self, *args: str, env: Mapping[str, str] | None = None, within: float = PLENTY) -> Done:
        end = time.monotonic() + within
        running = self.start(*args, env=env)
        while not running.over and time.monotonic() < end:
            self.meanwhile()
            time.sleep(0.05)
        return running.done(max(0.1, end - time.monotonic()))

    def end_commands(self) -> None:
        """Ends those that are under way; no other is begun."""
        self.over = True
        for running in self._started:
            running.kill()

    def small(self, folder: str) -> Path:
        """Where the program keeps its state, or where green's data is."""
        if folder == "state":
            return self.root / "state"
        state = world_state.read(self.home / "world")
        if state is None:
            raise BenchFailed("the world is not up")
        return state.scratch / folder

    def _green_on_small(self) -> None:
        """Moves green's data onto a file system with little space to spare."""
        data = self.small("green")
        world.kill(self.home, "green")
        aside = data.with_name("green-aside")
        shutil.move(data, aside)
        data.mkdir(mode=0o700)
        _mounted(data, GREEN_SIZE)
        self._mounts.append(data)
        owner = aside.stat()
        os.chown(data, owner.st_uid, owner.st_gid)
        data.chmod(0o700)
        subprocess.run(["cp", "-a", f"{aside}/.", str(data)], timeout=60, check=True)
        shutil.rmtree(aside)
        world.up(self.home)

    def variables(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """What the program is started with: the world's variables, its addresses led over the links.

        The servers find each other directly: a link is bad for the program alone.
        """
        known = self.world_variables()
        led = {variable: _through(known[variable], self.links[name]) for name, variable in LED.items()}
        direct = {"BLUE_DIRECT": known["SHOP_BLUE_DSN"], "GREEN_DIRECT": known["SHOP_GREEN_DSN"]}
        notices = {"NOTICES": f"http://127.0.0.1:{self.links['notices'].port}/health"}
        return super().variables(
            {"CUTOVER_HOME": str(self.small("state")), **known, **led, **direct, **notices, **self.more, **(more or {})}
        )

    def fault_environment(self, name: str, **changes: Any) -> str:
        """An environment whose run is short and that takes its addresses from the variables alone."""
        words: dict[str, Any] = {"world": None, "smoke": None, "checklist": None, **changes}
        database = {
            "name": "shop",
            "blue": "env:SHOP_BLUE_DSN",
            "green": "env:SHOP_GREEN_DSN",
            "blue_from_green": "env:BLUE_DIRECT",
            "green_from_blue": "env:GREEN_DIRECT",
            "copy_timeout": "5m",
            "fence": {"dead_man": 6, "lock_timeout": 3, "catch_up": 3},
        }
        return self.environment(name, **{"database": database, "window": {"budget": 20}, **words})

    # --- the program at its places -----------------------------------------------------------------------------

    def started(self, args: Sequence[str], places: Sequence[str]) -> Running:
        """`invoke ARGS`, that halts at each of these places until it is let go."""
        self.flag.unlink(missing_ok=True)
        halted = {"CUTOVER_KILL_PAUSE": ";".join(places), "CUTOVER_KILL_PAUSED": str(self.flag)} if places else {}
        return self.start(*args, env=halted)

    @property
    def flag(self) -> Path:
        return self.root / "paused"

    def halted(self, running: Running, within: float = PLENTY) -> str:
        """The place at which it now stands, empty when it ended before; raises BenchFailed when it does neither."""
        end = time.monotonic() + within
        while not self.flag.exists() or not (place := self.flag.read_text(encoding="utf-8")):
            if running.over:
                return ""
            if time.monotonic() > end:
                running.kill()
                raise BenchFailed(
                    f"$ {' '.join(running.args)}\nneither ended nor halted in {within:g} s\n{running.err()}"
                )
            time.sleep(0.02)
        return place

    def let_go(self) -> None:
        self.flag.unlink(missing_ok=True)

    # --- what is there -----------------------------------------------------------------------------------------

    def part(self, name: str) -> Process:
        state = world_state.read(self.home / "world")
        if state is None:
            raise BenchFailed("the world is not up")
        return state.components[name]

    def journal(self, name: str) -> Path:
        return self.small("state") / f"{name}.sqlite"

    def entries(self, name: str) -> list[Entry]:
        if not self.journal(name).exists():
            return []
        state = SqliteState(self.journal(name))
        try:
            return list(state.entries())
        finally:
            state.close()

    def broken_journal(self, name: str) -> str:
        """In words, how the chain of this environment's journal breaks; empty when it holds."""
        if not self.journal(name).exists():
            return ""
        state = SqliteState(self.journal(name))
        try:
            found = audit(state.rows())
        finally:
            state.close()
        return f"journal: {found.broken.kind} at entry {found.broken.number}" if found.broken else ""

    def supervisors(self) -> list[str]:
        return [line for line in self.processes() if "cutover.supervision" in line]

    def writable(self, wait: str = "2s") -> list[str]:
        """The sides on which the application's role can insert within `wait`, though it takes off the read-only default."""
        import psycopg

        found = []
        for side in ("blue", "green"):
            address = self.dsn(side).replace("postgres@", "shop@")
            with (
                suppress(psycopg.Error),
                psycopg.connect(address, connect_timeout=5, application_name="cutover-test") as session,
            ):
                session.execute(f"SET LOCAL lock_timeout = '{wait}'; SET TRANSACTION READ WRITE".encode())
                session.execute("INSERT INTO shop.events (kind, at) SELECT kind, at FROM shop.events LIMIT 1")
                found.append(side)
                session.rollback()
        return found

    def kill_program(self, running: Running) -> None:
        os.kill(running.pid, 9)


def _through(address: str, link: Link) -> str:
    parts = urlsplit(address)
    user = f"{parts.username}@" if parts.username else ""
    return urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{link.port}"))


def _mounted(place: Path, size: str) -> None:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BenchFailed(f"no file system could be mounted on {place}: {done.stderr.strip()}")
