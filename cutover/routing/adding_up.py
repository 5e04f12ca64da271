"""What all processes of a folder counted, added up (`worker_files` says how they write it)."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from cutover.routing import locked_files, telling
from cutover.routing.counted_lines import Lines, parsed_lines, written_lines
from cutover.routing.flag import FlagWrong
from cutover.routing.snapshot import Snapshot

ENDED = "ended"
SUFFIX = ".jsonl"
PATIENCE = 2.0
"""Seconds that one waits for another who is just adding up."""
STRAY = 60.0  # seconds after which a half-written file of a process that is gone is removed


class Busy(Exception):
    """The folder cannot be read now; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What all processes counted, by flag; shares and hanging calls are those of the living ones."""

    snapshots: Sequence[Snapshot]
    gone: frozenset[str]
    """Flags that no living process has."""
    processes: int
    """Living ones."""
    broken: Mapping[str, str]
    """Files that cannot be read, or written, and why; what they hold is not counted."""


def collected(path: str | os.PathLike[str], *, patience: float = PATIENCE, tidy: bool = False) -> Collected:
    """What the processes of this folder counted up to when they wrote last; raises Busy.

    Changes nothing, but with `tidy` puts the counts of the ended ones together in one file.
    """
    folder = Path(path)
    try:
        with _alone(folder, patience, tidy):
            return _added_up(folder, tidy)
    except OSError as error:
        raise Busy(f"{folder} cannot be read: {error.strerror or error}") from error


def _added_up(folder: Path, tidy: bool) -> Collected:
    broken: dict[str, str] = {}
    past = _past(folder, broken)
    living: dict[str, Snapshot] = {}
    ended: dict[str, Snapshot] = dict(past.snapshots) if past else {}
    processes, newly, counted = 0, [], []
    for file in sorted(folder.glob(f"*{SUFFIX}")):
        if file.stem == ENDED:
            continue
        if past and file.stem in past.names:
            counted.append(file)  # its counts are among the ended ones already
            continue
        try:
            lives, text = locked_files.seen(file)
            lines = parsed_lines(text)
        except FileNotFoundError:
            continue
        except (OSError, FlagWrong) as error:
            broken[file.name] = str(error)
            continue
        processes += lives
        _add(living if lives else ended, lines.snapshots.values())
        if not lives:
            newly.append(file)
    if tidy:
        _remove(counted)
        if past and newly:
            _keep(folder, past, ended, newly, broken)
        _sweep(folder)
    together = dict(living)
    _add(together, ended.values())
    return Collected(
        snapshots=[_standing(together[name], living.get(name)) for name in sorted(together)],
        gone=frozenset(together) - frozenset(living),
        processes=processes,
        broken=broken,
    )


def _past(folder: Path, broken: dict[str, str]) -> Lines | None:
    """What was put together; None where it cannot be read: then it is left as it is."""
    file = folder / f"{ENDED}{SUFFIX}"
    try:
        return parsed_lines(locked_files.text_of(file))
    except FileNotFoundError:
        return Lines({}, frozenset())
    except (OSError, FlagWrong) as error:
        broken[file.name] = str(error)
        return None


def _keep(
    folder: Path, past: Lines, ended: Mapping[str, Snapshot], newly: Sequence[Path], broken: dict[str, str]
) -> None:
    """Writes the sum of all ended processes, with their names, and only then removes their files."""
    left = {name for name in past.names if (folder / f"{name}{SUFFIX}").exists()}
    names = sorted(left | {file.stem for file in newly})
    file = folder / f"{ENDED}{SUFFIX}"
    try:
        handles: list[int] = []
        locked_files.replace(file, written_lines({"names": names}, ended.values()), handles, durable=True)
        os.close(handles.pop())
    except OSError as error:
        broken[file.name] = f"cannot be written: {error.strerror or error}"
        return
    _remove(newly)


def _remove(files: Iterable[Path]) -> None:
    for file in files:
        with suppress(FileNotFoundError):
            try:
                file.unlink()
            except PermissionError as error:
                telling.warn(file.name, f"is no longer needed and cannot be removed: {error.strerror}")


def _sweep(folder: Path) -> None:
    """Removes what processes were writing when they were killed."""
    for file in folder.glob(".*.partial"):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > STRAY and not locked_files.seen(file)[0]:
                file.unlink()


@contextmanager
def _alone(folder: Path, patience: float, tidy: bool) -> Iterator[None]:
    """While nobody else puts counts together; several may only read at once."""
    import fcntl  # not on every system

    until = time.monotonic() + patience
    file = folder / ".lock"
    with file.open("r" if file.exists() and not tidy else "a") as lock:
        while True:
            try:
                fcntl.flock(lock, (fcntl.LOCK_EX if tidy else fcntl.LOCK_SH) | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise Busy(f"somebody else has been adding up {folder} for {patience:g} s") from None
            time.sleep(0.01)
        yield


def _add(sums: dict[str, Snapshot], found: Iterable[Snapshot]) -> None:
    for one in found:
        sums[one.flag] = sums[one.flag] + one if one.flag in sums else one


def _standing(together: Snapshot, living: Snapshot | None) -> Snapshot:
    return replace(together, share=living.share, hanging=living.hanging) if living else replace(together, hanging=0)
