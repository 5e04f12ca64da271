"""Files that are replaced in one move and locked by the process that wrote them, for as long as it lives."""

import os
from contextlib import suppress
from pathlib import Path

from cutover.routing.flag import FlagWrong

LARGEST = 64_000_000  # bytes of one file, which is read whole


def replace(file: Path, text: str, handles: list[int], *, durable: bool = False) -> None:
    """Puts a file in place in one move, locked before anybody can see it; adds the handle that holds the lock."""
    import fcntl

    partial = file.with_name(f".{file.name}.partial")
    with suppress(FileNotFoundError):
        partial.unlink()
    handles.append(handle := os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644))
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        left = memoryview(text.encode())
        while left:
            left = left[os.write(handle, left) :]
        if durable:
            os.fsync(handle)
        partial.rename(file)
        if durable:
            folder = os.open(file.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except BaseException:
        handles.remove(handle)
        os.close(handle)
        with suppress(OSError):
            partial.unlink()
        raise


def seen(file: Path) -> tuple[bool, str]:
    """Whether the process that wrote this file lives, and what is in it."""
    import fcntl

    while True:
        with file.open("rb") as opened:
            try:
                fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True, _all_of(opened.read(LARGEST + 1))
            # Free: the process ended, or it has just replaced this file with another.
            if os.fstat(opened.fileno()).st_ino == file.stat().st_ino:
                return False, _all_of(opened.read(LARGEST + 1))


def text_of(file: Path) -> str:
    """What is in a file; raises OSError, and FlagWrong for what is no text or too much of it."""
    with file.open("rb") as opened:
        return _all_of(opened.read(LARGEST + 1))


def _all_of(data: bytes) -> str:
    if len(data) > LARGEST:
        raise FlagWrong(f"larger than {LARGEST} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise FlagWrong("not UTF-8 text") from error
