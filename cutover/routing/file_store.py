"""Flags in one JSON file, by name: replaced in one move, locked against other writers, and found changed by its stat."""

import json
import os
import time
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from cutover.routing.flag import Flag, FlagWrong, parsed
from cutover.routing.store import Conflict, Unavailable

LARGEST = 1_000_000  # bytes; the file is read whole
YOUNG = 0.05  # seconds in which a file system may give two changes one time


class FileStore:
    """A file like `{"suggestions": {"schema": "cutover.flag/1", "enabled": true, "share": 25, ...}}`, or with bare numbers.

    `inline=False` is for a disk that may hang (NFS): then a thread looks, not the requests. `patience` is how long `put` waits
    for another writer, in seconds. The lock is flock(2) on `.NAME.lock` beside the file, which the toolkit's own step for a
    file takes too.
    """

    def __init__(self, path: str | os.PathLike[str], *, inline: bool = True, patience: float = 2.0) -> None:
        self._path = os.path.abspath(path)
        self._patience = patience
        self.inline = inline
        self.where = f"file:{self._path}"

    def prepare(self) -> None:
        """Makes the file, without a flag in it, where it is not there; raises Unavailable."""
        try:
            with open(self._path, "x", encoding="utf-8") as file:
                file.write("{}\n")
        except FileExistsError:
            pass
        except OSError as error:
            raise self._unavailable("cannot be made", error) from error

    def mark(self) -> Hashable:
        try:
            seen = os.stat(self._path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unavailable("cannot be read", error) from error
        now = time.time()
        # Written again within one tick of the file system's clock it would look the same: while young it equals nothing.
        young = now if abs(now - seen.st_mtime) < YOUNG else None
        return seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size, seen.st_ino, seen.st_dev, young

    def all(self) -> Mapping[str, Flag | FlagWrong]:
        return {name: _flag(name, value) for name, value in self._document(self._text(Path(self._path))).items()}

    def put(self, flag: Flag, expected_version: int) -> Flag:
        path = Path(os.path.realpath(self._path))
        try:
            with self._alone(path):
                text = None if not path.exists() and not expected_version else self._text(path)
                document = {} if text is None else self._document(text)
                stood = _flag(flag.name, document[flag.name]) if flag.name in document else None
                found = stood if isinstance(stood, Flag) else None
                if (found.version if found else 0) != expected_version:
                    raise Conflict(self.where, flag, expected_version, found)
                stored = replace(flag, version=expected_version + 1)
                document[flag.name] = stored.document()
                lines = None if text and "\n" not in text.strip() and text.strip() != "{}" else 2
                self._replace(path, text, _written(document, lines))
                return stored
        except OSError as error:
            raise self._unavailable("cannot be written", error) from error

    def wait(self, mark: Hashable, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and self.mark() == mark:
            time.sleep(min(left, 0.05))

    def _text(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                found = file.read(LARGEST + 1)
            if len(found) <= LARGEST:
                return found.decode()
        except OSError as error:
            raise self._unavailable("cannot be read", error) from error
        except UnicodeDecodeError as error:
            raise Unavailable(f"{self.where} is not UTF-8 text") from error
        raise Unavailable(f"{self.where} is larger than {LARGEST} bytes, which is no file of flags")

    def _document(self, text: str) -> dict[str, Any]:
        try:
            found = parsed(text, self.where)
        except FlagWrong as wrong:
            raise Unavailable(str(wrong)) from wrong
        if not isinstance(found, dict):
            raise Unavailable(f"{self.where} is no JSON object of flags by name")
        return found

    def _replace(self, path: Path, old: str | None, text: str) -> None:
        partial = path.with_name(f".{path.name}.partial")
        try:
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                # Readers run under other accounts: a file that is ours alone would take the flags away from them.
                if path.exists():
                    about = path.stat()
                    os.fchown(handle, about.st_uid, about.st_gid)
                    os.fchmod(handle, about.st_mode & 0o7777)
                else:
                    os.fchmod(handle, 0o644)
                os.fsync(handle)
            # An editor takes no lock: what it saved meanwhile is not written over.
            if (self._text(path) if path.exists() else None) != old:
                raise Unavailable(f"{self.where} was changed by hand while it was written; nothing was replaced")
            partial.replace(path)
        except BaseException:
            with suppress(OSError):
                partial.unlink()
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # or a crash of the machine brings the old file back after the change was reported
        finally:
            os.close(folder)

    @contextmanager
    def _alone(self, path: Path) -> Iterator[None]:
        import fcntl  # not on every system, and readers do without

        until = time.monotonic() + self._patience
        with path.with_name(f".{path.name}.lock").open("a") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= until:
                        raise Unavailable(
                            f"somebody else holds the lock of {self.where}; nothing was written"
                        ) from None
                time.sleep(0.02)
            yield

    def _unavailable(self, words: str, error: OSError) -> Unavailable:
        return Unavailable(f"{self.where} {words}: {error.strerror or error}")


def _written(document: Mapping[str, Any], lines: int | None) -> str:
    """The document as text, in letters where they can be written: half a surrogate cannot, and keeps nobody from writing."""
    text = json.dumps(document, ensure_ascii=False, indent=lines, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(document, indent=lines, allow_nan=False)
    return text + "\n"


def _flag(name: str, value: object) -> Flag | FlagWrong:
    try:
        return Flag.of(value, name=name)
    except FlagWrong as wrong:
        return wrong
