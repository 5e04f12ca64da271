"""Where a rehearsal takes place: a folder with the twin's environment, a home, and a world of its own; gone at its end."""

import fcntl
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from cutover.app import App, open_environment
from cutover.core.errors import Interrupted, Refused
from cutover.postgres.pair import DatabasePair
from cutover.rehearsal.commands import Commands
from cutover.rehearsal.databases import VARIABLES
from cutover.rehearsal.figures import LOGS
from cutover.rehearsal.twin import Twin
from cutover.world import world, world_state
from cutover.world.building import ACCESS
from cutover.world.likeness import SHOP

Say = Callable[[str], None]
FLAGS = "flags"
SHOP_BLUE = f"{VARIABLES[SHOP]}_BLUE_DSN"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Stage:
    """A twin that is up: its commands, its environment as the application sees it, and the world's variables."""

    app: App
    commands: Commands
    world: Path
    text: str
    """Of the twin's file."""

    @property
    def shop(self) -> DatabasePair:
        """The pair of databases that the customers buy in."""
        means = self.app.means
        return next(one for one in means.pairs if means.words(one).blue.name == SHOP_BLUE)

    @property
    def variables(self) -> dict[str, str]:
        return world_state.environment(self.world)


@contextmanager
def staged(twin: Twin, root: Path, say: Say, *, kept: bool = False) -> Iterator[Stage]:
    """The twin in its world below `root`, where nothing else may be; taken down at the end, however that comes, unless `kept`.

    Raises Refused where another rehearsal is at work there, Interrupted on Ctrl-C and its like.
    """
    name, environment = twin.environment.name, twin.environment
    assert environment.world is not None
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(root, name), _interrupts():
        home, folder = root / "home", root / "repository"
        _cleared(root, home)
        (folder / "environments").mkdir(parents=True)
        (root / "log").mkdir(exist_ok=True)
        _linked(folder, environment.smoke.path)
        commands = Commands(folder, home, root / "log")
        try:
            up = world.up(
                home,
                rows=environment.world.rows,
                rate=environment.world.rate,
                watched=environment.world.watched,
                hooks=environment.world.hooks,
                likeness=twin.likeness,
                log=say,
            )
            for file, content in twin.files.items():
                (folder / FLAGS).mkdir(exist_ok=True)
                (folder / FLAGS / file).write_text(content, encoding="utf-8")
            text = twin.placed(up.environment, folder / FLAGS)
            (folder / "environments" / f"{name}.yaml").write_text(text, encoding="utf-8")
            (folder / LOGS).symlink_to(world.folder(home) / ACCESS)
            yield Stage(_opened(name, folder, home), commands, world.folder(home), text)
        finally:
            commands.end()
            if kept:
                say(f"the twin stays as it is: export CUTOVER_HOME={home}; cd {folder}; later: invoke world.down")
            else:
                world.down(home)
                shutil.rmtree(root)


def _linked(folder: Path, path: str) -> None:
    """The smoke tests, where the environment says that they are."""
    first = Path(path).parts[0]
    if not Path(path).exists():
        raise Refused(f"there are no smoke tests at {path}", next_command="run this in the repository's root")
    (folder / first).symlink_to(Path(first).resolve())


def _opened(name: str, folder: Path, home: Path) -> App:
    """The twin as its own commands see it; only what is opened here looks at that home."""
    before = os.environ.get("CUTOVER_HOME")
    os.environ["CUTOVER_HOME"] = str(home)
    try:
        return open_environment(name, directory=folder / "environments")
    finally:
        if before is None:
            del os.environ["CUTOVER_HOME"]
        else:
            os.environ["CUTOVER_HOME"] = before


def _cleared(root: Path, home: Path) -> None:
    """Takes away what a rehearsal left that was killed, or kept."""
    world.down(home)
    for place in root.iterdir():
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink()


@contextmanager
def _alone(root: Path, name: str) -> Iterator[None]:
    file = root.with_name(f".{root.name}.lock")
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"{name} is being rehearsed already, in {root}") from None
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _interrupts() -> Iterator[None]:
    """A signal ends the rehearsal by an error, so that the world is taken down on the way out."""

    def stop(number: int, _: FrameType | None) -> None:
        for one in SIGNALS:
            signal.signal(one, signal.SIG_IGN)  # a second one must not end the clearing away
        raise Interrupted("the rehearsal was interrupted; nothing but its twin was touched", signal_number=number)

    kept = {one: signal.signal(one, stop) for one in SIGNALS}
    try:
        yield
    finally:
        for one, handler in kept.items():
            signal.signal(one, handler)
