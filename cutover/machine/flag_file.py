"""The share as a percentage in a file that the application reads, on this machine or on a disk shared with it."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import ClassVar

from cutover.core.clock import Backoff, Deadline
from cutover.core.errors import StepFailed, Unreachable
from cutover.core.flag import READ, Flag, percent
from cutover.core.killpoint import reached
from cutover.core.share import Share
from cutover.core.step import Command, Step

LARGEST = 1_000_000  # bytes; a flag file is read whole
PARTIAL, REPLACED = "flag file: the new one is written", "flag file: it is replaced"

# What SetFlagFile does, for a person's shell; the file, the percentage and the key (empty: none) are the arguments.
REPLACE = """\
import fcntl, json, os, sys
path, percent, key = sys.argv[1:]
path = os.path.realpath(path)
folder, name = os.path.split(path)
with open(os.path.join(folder, f".{name}.lock"), "a") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if key:
        value = json.loads(text)
        value[key] = json.loads(percent)
        percent = json.dumps(value, ensure_ascii=False, indent=2 if "\\n" in text.strip() else None)
    about, partial = os.stat(path), os.path.join(folder, f".{name}.partial")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(percent + "\\n" * text.endswith("\\n"))
        os.fchown(file.fileno(), about.st_uid, about.st_gid)
        os.fchmod(file.fileno(), about.st_mode & 0o7777)
        file.flush()
        os.fsync(file.fileno())
    with open(path, encoding="utf-8") as file:
        if file.read() != text:
            sys.exit("somebody else wrote to the file at the same time; nothing was replaced")
    os.replace(partial, path)
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)"""


@dataclass(frozen=True, kw_only=True)
class FileShare(Step[Share | str]):
    """Sends a percentage of the visitors to green by a number in a file, which the application reads.

    The file is replaced in one move, so that no reader ever sees half of it, and keeps its owner, its mode and all its
    other keys. The application follows as soon as it reads the file again.
    """

    file: Path
    flag: Flag

    @property
    def resource(self) -> str:
        return f"file:{self.file}" + (f":{self.flag.key}" if self.flag.key else "")

    @property
    def lane(self) -> str:
        return "traffic"

    def observe(self) -> Share | str:
        try:
            return self.flag.read(content(self.file).decode())
        except FileNotFoundError:
            return f"there is no file {self.file}"
        except UnicodeDecodeError:
            return "the flag is not UTF-8 text"
        except OSError as error:
            raise Unreachable(f"{self.file} cannot be read: {error.strerror or error}") from error

    def commands(self, target: Share | str) -> Sequence[Command]:
        if not isinstance(target, Share):
            raise TypeError(f"{self.name}: {target!r} is not a share")
        return (SetFlagFile(self, target),)

    def check_shell(self) -> str:
        return f"python3 -c {quote(READ)} {quote(self.flag.key or '')} < {quote(str(self.file))}"


@dataclass(frozen=True)
class SetFlagFile(Command):
    """Writes a new file beside the old one, syncs it to the disk, and puts it in its place if nobody wrote meanwhile."""

    kill_points: ClassVar[tuple[str, ...]] = (PARTIAL, REPLACED)

    step: FileShare
    target: Share

    def run(self, deadline: Deadline) -> None:
        step, path = self.step, Path(os.path.realpath(self.step.file))
        try:
            with _alone(path, deadline):
                self._replace(path)
        except UnicodeDecodeError as error:
            raise StepFailed(f"{step.file} is not UTF-8 text; nothing was written") from error
        except OSError as error:
            raise StepFailed(f"{step.file}: {error.strerror or error}; nothing was written") from error

    def _replace(self, path: Path) -> None:
        step = self.step
        old = content(path)
        seen = step.flag.read(old.decode())
        if seen not in {step.before, step.after, *step.between}:
            raise StepFailed(f"{step.resource} changed under our hands: {seen}; nothing was written")
        if seen == self.target:
            return
        text = old.decode()
        partial = path.with_name(f".{path.name}.partial")
        try:
            _write(partial, step.flag.written(text, self.target) + "\n" * text.endswith("\n"), path)
            reached(PARTIAL)
            if content(path) != old:
                raise StepFailed(f"{step.resource} changed under our hands while it was written; nothing was replaced")
            partial.replace(path)
            reached(REPLACED)
        except Exception:
            with suppress(OSError):
                partial.unlink()
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # or a crash of the machine brings the old file back after the step counts as done
        finally:
            os.close(folder)

    def shell(self) -> str:
        step = self.step
        words = f"{quote(str(step.file))} {quote(percent(self.target))} {quote(step.flag.key or '')}"
        return f"python3 -c {quote(REPLACE)} {words}"


def content(path: Path) -> bytes:
    """The whole file; raises OSError, for one past a megabyte too."""
    with path.open("rb") as file:
        found = file.read(LARGEST + 1)
    if len(found) > LARGEST:
        raise OSError(f"is larger than {LARGEST} bytes, which is no flag file")
    return found


def _write(partial: Path, text: str, like: Path) -> None:
    about = like.stat()
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        # Readers run under other accounts: a file that is ours alone would take the flag away from them.
        os.fchown(handle, about.st_uid, about.st_gid)
        os.fchmod(handle, about.st_mode & 0o7777)
        os.fsync(handle)


@contextmanager
def _alone(path: Path, deadline: Deadline) -> Iterator[None]:
    """Holds the lock beside the file; another run of ours (or the printed command) waits or is refused."""
    backoff = Backoff(deadline.clock)
    with path.with_name(f".{path.name}.lock").open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if deadline.expired:
                    raise StepFailed(f"somebody else holds the lock of {path}; nothing was written") from None
            backoff.pause(deadline)
        yield
