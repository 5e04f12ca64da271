"""A journal's file and its log (WAL) with bytes cut off, changed and zeroed: what is read of it then.

Allowed are the whole record, an older state of it where the log was damaged (SQLite reads the log up to the first frame whose
checksum does not fit, as after a loss of power), and the project's own error. Nothing else.
"""

import atexit
import functools
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cutover.core import killpoint
from cutover.core.audit import audit
from cutover.core.errors import CutoverError
from cutover.core.journal import position_of
from cutover.simulation.shape import schedule_of
from cutover.simulation.simulator import Engine, Simulator
from cutover.state.sqlite import SqliteState

SEED = 3
FILES = ("db", "wal")
CUT, FLIP, ZERO = "cut", "flip", "zero"
IN_LOG = 6  # entries that stand in the log alone
MEMORY = Path("/dev/shm")  # a hundred thousand files are written, and none of them has to last
FOLDER = Path(
    tempfile.mkdtemp(prefix="cutover-journal-", dir=MEMORY if MEMORY.is_dir() and "TMPDIR" not in os.environ else None)
)
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)


@dataclass(frozen=True)
class Kept:
    """The bytes of a journal that is in use: its newest entries are in the log alone; and what they say."""

    db: bytes
    wal: bytes
    hashes: tuple[str, ...]
    in_file: int
    """Entries that the file has without its log."""
    holder: str
    wishes: tuple[str, ...]

    def part(self, file: str) -> bytes:
        return self.db if file == "db" else self.wal


@functools.cache
def kept() -> Kept:
    """The record of one simulated cutover, forward and back, written into a real file."""
    simulator = Simulator(schedule_of(SEED), Engine())
    killpoint.install(simulator.world.moment)
    try:
        simulator.go()
    finally:
        killpoint.install(None)
    found = simulator.world.store.kept
    path = FOLDER / "real.sqlite"
    state = SqliteState(path)
    lease = state.acquire(who="ann", operation="cutover")
    in_file = len(found) - IN_LOG
    for number, entry in enumerate(found):
        if number == in_file:
            state._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        state.append(entry.run, entry.kind, entry.data, lease)
    state.wish("r1", "hold", {"who": "ann", "reason": "a word", "at": 1.0})
    hashes = tuple(entry.hash for entry in state.entries())
    holder, wishes = repr(state.holder()), tuple(map(repr, state.wishes("r1")))
    db, wal = path.read_bytes(), path.with_name("real.sqlite-wal").read_bytes()
    state.close()
    return Kept(db, wal, hashes, in_file, holder, wishes)


def changed(file: str, how: str, at: int) -> bytes:
    """The bytes of one of the two, cut off before `at`, or with that byte changed."""
    whole = kept().part(file)
    if how == CUT:
        return whole[:at]
    return whole[:at] + bytes(((whole[at] ^ 0xFF) if how == FLIP else 0,)) + whole[at + 1 :]


def read_back(db: bytes, wal: bytes) -> str:
    """How the files are read: `whole`, `prefix N` or `refused`; raises AssertionError for a wrong state, and whatever crashes."""
    path, good = FOLDER / "copy.sqlite", kept()
    for suffix, content in (("", db), ("-wal", wal)):
        path.with_name(path.name + suffix).write_bytes(content)
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    try:
        state = SqliteState(path)
    except CutoverError:
        return "refused"
    try:
        entries = state.entries()
        position_of("r1", [one for one in entries if one.run == "r1"])
        holder, wishes = repr(state.holder()), tuple(map(repr, state.wishes("r1")))
    except CutoverError:
        with suppress(CutoverError):  # who only audits is told where, or that it cannot be read at all
            audit(state.rows())
        return "refused"
    finally:
        state.close()
    hashes = tuple(one.hash for one in entries)
    assert hashes == good.hashes[: len(hashes)], "entries that nobody wrote"
    if hashes == good.hashes:
        assert wishes in (good.wishes, ()), f"words that nobody left: {wishes}"
        assert holder in (good.holder, "None"), f"a holder that there never was: {holder}"
        return "whole"
    return f"prefix {len(hashes)}"


def tried(file: str, how: str, at: int) -> str:
    """What comes of one change; a shorter record than the undamaged file holds is none that is allowed."""
    good, bytes_ = kept(), changed(file, how, at)
    found = read_back(*((bytes_, good.wal) if file == "db" else (good.db, bytes_)))
    if found.startswith("prefix"):
        assert file == "wal", f"a record that is silently shorter: {found} of {len(good.hashes)}"
        assert int(found.split()[1]) >= good.in_file, f"the log took what stands in the file: {found}"
    return found.split()[0]


def everywhere(stride: int = 1) -> Iterator[tuple[str, str, int]]:
    """Every change there is, or one in so many."""
    for file in FILES:
        for how in (CUT, FLIP, ZERO):
            for at in range(0, len(kept().part(file)), stride):
                yield file, how, at


def journal(data: bytes) -> None:
    """Several changes at once: six bytes each say which file, how, where and with which byte. The error is ours, or the record true."""
    files = {"db": bytearray(kept().db), "wal": bytearray(kept().wal)}
    for begin in range(0, min(len(data), 60) - 5, 6):
        one = data[begin : begin + 6]
        content = files[FILES[one[0] % 2]]
        at = int.from_bytes(one[2:5], "big") % max(1, len(content))
        if one[1] % 4 == 0:
            del content[at:]
        elif content:
            content[at] = one[5]
    read_back(bytes(files["db"]), bytes(files["wal"]))


def changes() -> tuple[bytes, ...]:
    """Some of them, to begin from."""
    return (b"", b"\x01\x01\x00\x10\x00\xff", b"\x00\x01\x00\x10\x00\x00", b"\x01\x00\x00\x20\x00\x00")


def main() -> None:
    """Tries every change, or one in as many as is said, and counts what comes of them."""
    stride = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    told: Counter[str] = Counter()
    for file, how, at in everywhere(stride):
        try:
            told[f"{file} {how} {tried(file, how, at)}"] += 1
        except Exception as error:  # noqa: BLE001 - each is a finding, and all are wanted
            told[f"{file} {how} FOUND"] += 1
            if told[f"{file} {how} FOUND"] <= 5:
                print(f"{file} {how} {at}: {type(error).__name__}: {error}", flush=True)
    good = kept()
    print(f"{len(good.hashes)} entries, {len(good.db)} bytes of the file, {len(good.wal)} of its log")
    for what, often in sorted(told.items()):
        print(f"{often:>8} {what}")
    raise SystemExit(any("FOUND" in what for what in told))


if __name__ == "__main__":
    main()
