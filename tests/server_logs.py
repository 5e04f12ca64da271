"""What the servers of a test wrote into their logs, shown where the test fails: an apply worker says its reason nowhere else."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

LINES = 40
NOISE = ("could not receive data from client", "checkpoint ", "unexpected EOF on client connection", "logical decoding")
LEVEL = re.compile(r" (LOG|NOTICE|WARNING|ERROR|FATAL|PANIC):  ")

_kept: dict[Path, str] = {}
_begun: dict[Path, int] = {}


@contextmanager
def kept(logs: Mapping[str, Path]) -> Iterator[None]:
    """The logs of servers, by a word for each, while these run."""
    _kept.update({path: word for word, path in logs.items()})
    try:
        yield
    finally:
        for path in logs.values():
            _kept.pop(path, None)
            _begun.pop(path, None)


def begin() -> None:
    """What stands in the logs now is none of the coming test's."""
    for path in _kept:
        _begun[path] = path.stat().st_size if path.exists() else 0


def told() -> Iterator[tuple[str, str]]:
    """For each server that wrote something since `begin`: its word, and its last lines."""
    for path, word in _kept.items():
        if not path.exists():
            continue
        with path.open("rb") as file:
            file.seek(_begun.get(path, 0))
            lines = file.read().decode(errors="replace").splitlines()
        if lines := list(_telling(lines)):
            yield word, "\n".join(lines[-LINES:])


def _telling(lines: Iterable[str]) -> Iterator[str]:
    """Without what servers always say; details and statements belong to the message before them."""
    noise = False
    for line in lines:
        if LEVEL.search(line):
            noise = any(known in line for known in NOISE)
        if not noise:
            yield line
