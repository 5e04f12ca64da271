"""Finds an environment's file and reads its bytes, and nothing that is not a small regular file in that folder."""

import errno
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from cutover.core.errors import ConfigurationRefused
from cutover.environment.problem import Problem, did_you_mean
from cutover.environment.regular_file import NotReadable, read_regular

MAX_BYTES = 256 * 1024
NAME = r"[a-z][a-z0-9-]{0,39}"


@dataclass(frozen=True)
class Source:
    """The text of one file; `anyone_may_write` is its mode's o+w."""

    file: str
    text: str
    anyone_may_write: bool


def names(directory: Path = Path("environments")) -> tuple[str, ...]:
    """The environments in `directory`, sorted."""
    return tuple(sorted(p.stem for p in directory.glob("*.yaml") if re.fullmatch(NAME, p.stem)))


def find(name: str, directory: Path) -> Source:
    """The file of environment `name`; raises ConfigurationRefused, naming the known ones when there is none."""
    known = names(directory)
    if name not in known:
        called = f"called {name!r}" if re.fullmatch(r"[\w.-]{1,40}", name, re.ASCII) else "of that name"
        there = f"there are: {', '.join(known)}" if known else "there is none at all"
        raise ConfigurationRefused(
            [f"{directory.as_posix()}: no environment {called}{did_you_mean(name, known)}; {there}"],
            next_command="invoke init NAME",
        )
    path = directory / f"{name}.yaml"
    try:
        data, mode = read_regular(_inside(path, directory), MAX_BYTES)
        return Source(path.as_posix(), data.decode("utf-8-sig"), bool(mode & stat.S_IWOTH))
    except NotReadable as error:
        raise _refused(path, str(error)) from None
    except UnicodeDecodeError as error:
        raise _refused(path, "is not UTF-8 text", line=error.object[: error.start].count(b"\n") + 1) from None


def _inside(path: Path, directory: Path) -> Path:
    """Where `path` really is; a link may not lead out of the folder that people review."""
    try:
        real, folder = path.resolve(strict=True), directory.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError on Python 3.11 and 3.12
        why = (error.strerror if isinstance(error, OSError) else None) or os.strerror(errno.ELOOP)
        raise NotReadable(f"cannot be read: {why}") from None
    if not real.is_relative_to(folder):
        raise NotReadable("is a symlink that leads out of its folder")
    return real


def _refused(path: Path, reason: str, line: int = 1) -> ConfigurationRefused:
    return ConfigurationRefused([Problem(line, "", reason).render(path.as_posix())])
