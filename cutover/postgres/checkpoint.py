"""What a comparison has done so far, in a file that survives `kill -9`: one JSON document per line, appended and flushed.

It holds hashes and keys, no values; readable by its owner alone, and removed when the comparison has ended.
"""

import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

from cutover.core.errors import CutoverError
from cutover.postgres.snapshot import Slice

VERSION = 1


class CheckpointRefused(CutoverError):
    """The checkpoint is of another comparison, or there is none."""


@dataclass
class Begun:
    """A table whose slices are being read: how, since which transaction, and what has been read of each side."""

    horizon: str
    buckets: Mapping[str, Any]
    files: list[list[Any]]
    parts: list[list[Slice]]
    slices: dict[tuple[str, str, int], Sequence[Sequence[Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Done:
    """A table that was read to its end: its rows, and the keys that differed."""

    rows: int
    suspects: Sequence[Sequence[str]]
    more: int
    horizon: str


class Checkpoint:
    """The file, and what was in it at the start; `identity` says which comparison it belongs to."""

    def __init__(self, path: Path | None, identity: Mapping[str, Any], *, resume: bool) -> None:
        self.path = path
        self.begun: dict[str, Begun] = {}
        self.done: dict[str, Done] = {}
        self._lock = threading.Lock()
        if path is None:
            return
        if resume:
            self._load(path, identity)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._append({"version": VERSION, "identity": identity})

    @property
    def resumed(self) -> bool:
        return bool(self.begun or self.done)

    def begin(self, table: str, begun: Begun) -> None:
        self.begun[table] = begun
        parts = [[astuple(part) for part in side] for side in begun.parts]
        self._append(
            {"table": table, "horizon": begun.horizon, "buckets": begun.buckets, "files": begun.files, "parts": parts}
        )

    def slice_read(self, table: str, side: str, leaf: str, low: int, found: Sequence[Sequence[Any]]) -> None:
        numbers = [[bucket, count, int(value or 0)] for bucket, count, value in found]
        self._append({"table": table, "side": side, "leaf": leaf, "low": low, "found": numbers})

    def finish(self, table: str, done: Done) -> None:
        self.done[table] = done
        self._append(
            {"table": table, "rows": done.rows, "suspects": done.suspects, "more": done.more, "horizon": done.horizon,
             "done": True}
        )  # fmt: skip

    def close(self) -> None:
        """The comparison has ended, whatever it found."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _append(self, document: Mapping[str, Any]) -> None:
        if self.path is None:
            return
        line = json.dumps(document, separators=(",", ":")).encode() + b"\n"
        with self._lock, os.fdopen(os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def _load(self, path: Path, identity: Mapping[str, Any]) -> None:
        try:
            written = path.read_bytes()
        except FileNotFoundError:
            raise CheckpointRefused(
                f"{path} is not there: no comparison was interrupted", next_command="invoke validate without --resume"
            ) from None
        whole, _, torn = written.rpartition(b"\n")
        if torn:  # killed while it wrote: what is appended now must begin a line of its own
            os.truncate(path, len(whole) + 1 if whole else 0)
        try:
            lines = [json.loads(line) for line in whole.splitlines()] if whole else []
            ours = bool(lines) and (lines[0]["version"], lines[0]["identity"]) == (VERSION, _plain(identity))
            for line in lines[1:] if ours else ():
                self._take(line)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise CheckpointRefused(
                f"{path} cannot be read as a checkpoint ({type(error).__name__}): it was changed, or is something else",
                next_command="invoke validate without --resume",
            ) from error
        if not ours:
            raise CheckpointRefused(
                f"{path} belongs to another comparison (other servers, tables, columns or flags)",
                next_command="invoke validate without --resume",
            )

    def _take(self, line: Mapping[str, Any]) -> None:
        table = line["table"]
        if line.get("done"):
            self.done[table] = Done(line["rows"], line["suspects"], line["more"], line["horizon"])
        elif "side" in line:
            self.begun[table].slices[(line["side"], line["leaf"], line["low"])] = line["found"]
        else:
            self.begun[table] = Begun(
                line["horizon"],
                line["buckets"],
                line["files"],
                [[Slice(*part) for part in side] for side in line["parts"]],
            )


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def seed_of(path: Path) -> int:
    """The seed of the comparison that the checkpoint belongs to, so that its hashes can be gone on with; else a new one is needed."""
    try:
        with path.open("rb") as lines:
            return int(json.loads(lines.readline())["identity"]["seed"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise CheckpointRefused(
            f"{path} is not there or not a checkpoint: nothing to go on with",
            next_command="invoke validate without --resume",
        ) from error
