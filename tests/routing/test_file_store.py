"""A file of flags: the store's contract, what others write into it, and what a crash or a hand leaves behind."""

import fcntl
import json
import os
import stat
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import flag_store_contract
import pytest

from cutover.core.clock import Deadline
from cutover.core.flag import Flag as CarrierFlag
from cutover.core.share import Share
from cutover.machine.flag_file import FileShare
from cutover.routing import Conflict, FileStore, Flag, FlagWrong, Unavailable

FLAG = Flag(name="a", enabled=True, share=Decimal(25), author="mia")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flags.json"


def test_it_keeps_the_contract(path: Path) -> None:
    path.write_text("{}")
    flag_store_contract.holds(lambda: FileStore(path, patience=60))


def test_it_keeps_the_contract_without_a_file_to_begin_with(path: Path) -> None:
    FileStore(path).put(FLAG, 0)
    assert FileStore(path).all()["a"] == Flag.parse(FLAG.text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_owner_mode_and_other_keys_stay(path: Path) -> None:
    path.write_text('{"other": 5, "theirs": {"x": [1.5, null]}, "b": {"share": 10}}')
    path.chmod(0o640)
    FileStore(path).put(FLAG, 0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    left = json.loads(path.read_text())
    assert (left["other"], left["theirs"], left["b"]) == (5, {"x": [1.5, None]}, {"share": 10})
    assert "\n" not in path.read_text().strip(), "a file in one line stays one"


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    path.write_text("{}")
    link = tmp_path / "link.json"
    link.symlink_to(path)
    FileStore(link).put(FLAG, 0)
    assert link.is_symlink() and "a" in FileStore(path).all()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not JSON"),
        (b'{"a": {"share": 2', "not JSON"),
        (b"[]", "no JSON object"),
        (b"\xff", "not UTF-8"),
        (b'{"a": 1, "a": 2}', "stands twice"),
        (b" " * 1_000_001, "larger than"),
    ],
)
def test_a_broken_file_is_neither_read_nor_written(path: Path, content: bytes, why: str) -> None:
    path.write_bytes(content)
    with pytest.raises(Unavailable, match=why):
        FileStore(path).all()
    with pytest.raises(Unavailable, match=why):
        FileStore(path).put(FLAG, 0)
    assert path.read_bytes() == content


def test_a_missing_file_is_unavailable_and_not_empty(path: Path) -> None:
    with pytest.raises(Unavailable, match="No such file"):
        FileStore(path).all()
    with pytest.raises(Unavailable, match="No such file"):
        FileStore(path).put(FLAG, 1)
    assert not path.exists()


def test_a_mistake_in_one_flag_keeps_no_other_from_being_rolled_back(path: Path) -> None:
    path.write_text('{"a": {"share": 25, "enabled": true}, "b": {"share": 250}}')
    store = FileStore(path)
    found = store.all()
    assert isinstance(found["a"], Flag) and isinstance(found["b"], FlagWrong)
    store.put(Flag(name="a"), found["a"].version)
    assert json.loads(path.read_text())["b"] == {"share": 250}
    store.put(Flag(name="b"), 0)
    assert isinstance(store.all()["b"], Flag)


def test_the_lock_is_the_one_of_the_toolkits_step(path: Path) -> None:
    path.write_text("{}")
    with (path.parent / ".flags.json.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="holds the lock"):
            FileStore(path, patience=0.05).put(FLAG, 0)
    FileStore(path, patience=0.05).put(FLAG, 0)


def test_the_toolkits_step_for_a_file_moves_a_flag(path: Path) -> None:
    path.write_text('{"suggestions": 0}')
    store = FileStore(path)
    before = store.mark()
    step = FileShare(
        name="traffic", before=Share.of(0), after=Share.of("12.5"), file=path, flag=CarrierFlag("suggestions")
    )
    for command in step.commands(step.after):
        command.run(Deadline.after(10))
    found = store.all()["suggestions"]
    assert isinstance(found, Flag) and found.buckets == 1250 and store.mark() != before


def test_what_was_saved_by_hand_meanwhile_is_not_written_over(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("{}")
    synced = os.fsync

    def save(handle: int) -> None:
        synced(handle)
        path.write_text('{"b": 5}')

    monkeypatch.setattr(os, "fsync", save)
    with pytest.raises(Unavailable, match="changed by hand"):
        FileStore(path).put(FLAG, 0)
    assert json.loads(path.read_text()) == {"b": 5}
    assert {one.name for one in path.parent.iterdir()} == {"flags.json", ".flags.json.lock"}


def test_killed_while_it_writes_the_old_file_stands(path: Path) -> None:
    """A writer that dies between the new file and its place leaves the old one whole, and its lock free."""
    FileStore(path).put(FLAG, 0)
    code = """
import os, signal, sys
from cutover.routing import FileStore, Flag
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
FileStore(sys.argv[1]).put(Flag(name="a"), 1)
"""
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -9
    store = FileStore(path, patience=0.05)
    assert store.all()["a"] == Flag.parse(FLAG.text())
    store.put(FLAG, 1)


def test_a_change_of_the_same_size_in_the_same_moment_is_seen(path: Path) -> None:
    path.write_text('{"a": 10}')
    store = FileStore(path)
    marks = set()
    for number in range(11, 99):
        before = store.mark()
        path.write_text(f'{{"a": {number}}}')
        os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns // 10**9 * 10**9))
        marks.add(before != store.mark())
    assert marks == {True}


def test_a_folder_that_cannot_be_written_is_told_and_nothing_raised_otherwise(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "missing" / "flags.json")
    with pytest.raises(Unavailable, match="No such file"):
        store.put(FLAG, 0)
    assert store.mark() is None


def test_a_conflict_names_who_changed_it(path: Path) -> None:
    store = FileStore(path)
    store.put(FLAG, 0)
    with pytest.raises(Conflict, match="version 1, changed by mia; version 7 was expected; nothing was written"):
        store.put(FLAG, 7)


def test_half_a_surrogate_keeps_nobody_from_writing(path: Path) -> None:
    store = FileStore(path)
    store.put(Flag(name="odd", reason="\udcff"), 0)
    assert store.put(Flag(name="search", enabled=True, share=Decimal(5)), 0).version == 1
    assert {name: one.version for name, one in store.all().items() if isinstance(one, Flag)} == {"odd": 1, "search": 1}
