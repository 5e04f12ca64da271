"""The share in a file: replaced in one move, for the same readers, never over somebody else's write."""

import fcntl
import json
import os
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from contract import Killed, holds

from cutover.core import killpoint
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed, Unreachable
from cutover.core.flag import Flag
from cutover.core.share import Share
from cutover.machine.flag_file import PARTIAL, FileShare


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "flags").mkdir()
    path = tmp_path / "flags" / "it's a flag.json"
    path.write_text('{\n  "kept": "é",\n  "green": 0\n}\n')
    path.chmod(0o640)
    return path


def share(file: Path, before: float = 0, after: float = 10, key: str | None = "green") -> FileShare:
    return FileShare(name="to", before=Share.of(before), after=Share.of(after), file=file, flag=Flag(key))


def run(step: FileShare, seconds: float = 10.0) -> None:
    for command in step.commands(step.after):
        command.run(Deadline.after(seconds))


def test_only_the_number_changes(file: Path) -> None:
    run(share(file))
    assert file.read_text() == '{\n  "kept": "é",\n  "green": 10\n}\n'
    assert file.stat().st_mode & 0o7777 == 0o640
    first = file.stat().st_ino
    run(share(file))
    assert file.stat().st_ino == first, "a second run writes nothing"


@pytest.mark.parametrize("text", ["0", "0\n"])
def test_a_number_that_stands_alone(file: Path, text: str) -> None:
    file.write_text(text)
    run(share(file, after=0.25, key=None))
    assert file.read_text() == text.replace("0", "0.25")


def test_contract(file: Path, tmp_path: Path) -> None:
    start = file.read_text()

    def written(content: bytes) -> None:
        file.write_bytes(content)

    holds(
        lambda: share(file),
        state_dir=tmp_path,
        reset=lambda: written(start.encode()),
        strays=[
            partial(written, start.replace("0", "25").encode()),
            partial(written, b"[]"),
            partial(written, b"\xff"),
            file.unlink,
        ],
    )


@pytest.mark.parametrize("key", ["green", None])
def test_what_is_printed_reaches_the_state_that_it_claims(file: Path, key: str | None) -> None:
    file.write_text('{"green": 0, "kept": 1}' if key else "0\n")
    step = share(file, after=12.5, key=key)
    (command,) = step.commands(step.after)
    subprocess.run(["bash", "-euo", "pipefail", "-c", command.shell()], check=True, timeout=30)
    assert step.observe() == step.after
    shown = subprocess.run(["bash", "-c", step.check_shell()], check=True, timeout=30, capture_output=True, text=True)
    assert shown.stdout == "12.5 %\n"
    assert file.stat().st_mode & 0o7777 == 0o640
    if key:
        assert json.loads(file.read_text()) == {"green": 12.5, "kept": 1}


def test_a_link_to_it_stays_a_link(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    run(share(link))
    assert link.is_symlink() and share(file).observe() == Share.of(10)


def at(point: str, act: Callable[[], object]) -> None:
    def hook(name: str) -> None:
        if name == point:
            act()

    killpoint.install(hook)


def test_somebody_who_writes_while_we_do_keeps_their_file(file: Path) -> None:
    at(PARTIAL, lambda: file.write_text('{"green": 70}'))
    try:
        with pytest.raises(StepFailed, match="changed under our hands while it was written; nothing was replaced"):
            run(share(file))
    finally:
        killpoint.install(None)
    assert file.read_text() == '{"green": 70}'
    assert [path.name for path in file.parent.iterdir() if "partial" in path.name] == []


def test_what_a_dead_run_left_behind_does_not_stop_the_next(file: Path) -> None:
    def die() -> None:
        raise Killed(PARTIAL)

    at(PARTIAL, die)
    try:
        with pytest.raises(Killed):
            run(share(file))
    finally:
        killpoint.install(None)
    assert share(file).observe() == Share.of(0)
    run(share(file))
    assert share(file).observe() == Share.of(10)


def test_a_second_writer_is_refused_while_the_first_one_is_at_work(file: Path) -> None:
    with (file.parent / f".{file.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StepFailed, match="somebody else holds the lock"):
            run(share(file), seconds=0.05)
        (command,) = share(file).commands(Share.of(10))
        printed = subprocess.run(["bash", "-c", command.shell()], check=False, timeout=30, capture_output=True)
        assert printed.returncode != 0
    assert share(file).observe() == Share.of(0)


def test_what_is_no_flag_file_is_said(file: Path) -> None:
    missing = share(file.parent / "nowhere")
    assert missing.observe() == f"there is no file {file.parent / 'nowhere'}"
    with pytest.raises(StepFailed, match="nothing was written"):
        run(missing)
    with pytest.raises(Unreachable, match="cannot be read"):
        share(file.parent).observe()
    with file.open("wb") as huge:
        huge.truncate(2_000_000)
    with pytest.raises(Unreachable, match="larger than 1000000 bytes"):
        share(file).observe()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_it_keeps_its_owner(file: Path) -> None:
    os.chown(file, 65534, 65534)
    run(share(file))
    assert (file.stat().st_uid, file.stat().st_gid) == (65534, 65534)
