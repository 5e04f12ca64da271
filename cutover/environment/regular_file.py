"""Reads small regular files, and nothing that blocks, never ends or is a device."""

import os
import stat
from pathlib import Path


class NotReadable(Exception):
    """The file is not read; the message says why, without its name."""


def read_regular(path: Path, most_bytes: int) -> tuple[bytes, int]:
    """The bytes and mode of `path`; raises NotReadable."""
    try:
        # Not blocking: opening a FIFO would otherwise wait for ever for somebody to write into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise NotReadable(f"cannot be read: {_why(error)}") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise NotReadable("is not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(most_bytes + 1)
    except OSError as error:
        raise NotReadable(f"cannot be read: {_why(error)}") from None
    finally:
        os.close(descriptor)
    if len(data) > most_bytes:
        raise NotReadable(f"is larger than {most_bytes // 1024} KiB")
    return data, mode


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
