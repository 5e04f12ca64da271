"""Counts of several processes: added up, kept when a process ends, never twice, and never falling."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from counted import side, snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from cutover.routing.adding_up import Busy, Collected, collected
from cutover.routing.snapshot import Snapshot
from cutover.routing.worker_files import WorkerFolder

HERE = Path(__file__).parent
HOUR = 3600.0


class Worker:
    """A process of counting_worker.py."""

    def __init__(self, folder: Path, share: str) -> None:
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent.parent)])}
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "counting_worker.py"), str(folder), share],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environ,
        )

    def told(self, line: object) -> str:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def counts(self, more: int) -> None:
        assert self.told(more) == "written"

    def ends(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.wait(30) == 0

    def is_killed(self) -> None:
        self.process.kill()
        self.process.wait(30)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(30)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream
            with suppress(OSError):
                stream.close()


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[str], Worker]]:
    workers: list[Worker] = []

    def begin(share: str) -> Worker:
        workers.append(Worker(tmp_path, share))
        return workers[-1]

    yield begin
    for worker in workers:
        worker.close()


@pytest.fixture
def watcher(tmp_path: Path) -> Iterator[WorkerFolder]:
    """Only reads: it has no router."""
    folder = WorkerFolder(tmp_path, read=list, every=HOUR, patience=0.2)
    yield folder
    folder.close()


def seen(found: Collected) -> tuple[int, str, int, int]:
    """Requests, share, hanging, living processes (without the watcher)."""
    (one,) = found.snapshots
    return one.legacy.requests, str(one.share), one.hanging, found.processes - 1


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name != ".lock"}


def test_processes_add_up_and_keep_their_counts_when_they_end(
    opened: Callable[[str], Worker], watcher: WorkerFolder, tmp_path: Path
) -> None:
    one, other = opened("25"), opened("50")
    one.counts(3)
    other.counts(4)
    assert seen(watcher.collect()) == (7, "25.0", 2, 2)
    one.ends()
    assert seen(watcher.collect()) == (7, "50.0", 1, 1)
    assert seen(watcher.collect()) == (7, "50.0", 1, 1)
    other.counts(2)
    assert seen(watcher.collect()) == (9, "50.0", 1, 1)
    other.is_killed()
    found = watcher.collect()
    assert (*seen(found)[:1], *seen(found)[2:], set(found.gone), dict(found.broken)) == (9, 0, 0, {"search"}, {})
    assert files(tmp_path) == {f"{watcher.name}.jsonl", "ended.jsonl"}
    again = opened("75")
    again.counts(1)
    assert seen(watcher.collect()) == (10, "75.0", 1, 1)


def test_a_reader_killed_before_it_removed_what_it_had_put_together_counts_nothing_twice(
    opened: Callable[[str], Worker], watcher: WorkerFolder, tmp_path: Path
) -> None:
    one = opened("25")
    one.counts(5)
    (left,) = files(tmp_path)
    text = (tmp_path / left).read_text(encoding="utf-8")
    one.is_killed()
    assert seen(watcher.collect())[0] == 5
    for _ in range(2):
        (tmp_path / left).write_text(text, encoding="utf-8")  # as if it had never been removed
        assert seen(watcher.collect())[0] == 5
        assert left not in files(tmp_path)
    other = opened("50")
    other.counts(1)
    (tmp_path / left).write_text(text, encoding="utf-8")
    other.ends()
    assert seen(watcher.collect())[0] == 6
    assert json.loads((tmp_path / "ended.jsonl").read_text(encoding="utf-8").splitlines()[0])["names"] != []


def test_a_number_that_is_used_again_is_another_process(watcher: WorkerFolder, tmp_path: Path) -> None:
    dead = WorkerFolder(tmp_path, read=lambda: [snapshot(legacy=side([0.1] * 2))], every=HOUR)
    dead.close()
    living = WorkerFolder(tmp_path, read=lambda: [snapshot(legacy=side([0.1] * 3))], every=HOUR)
    living.write()
    try:
        assert {name.split("-")[0] for name in files(tmp_path)} == {str(os.getpid())}
        assert seen(watcher.collect()) == (5, "25.0", 0, 1)
    finally:
        living.close()


def test_a_forked_child_counts_for_itself_and_holds_no_lock_of_its_parent(
    opened: Callable[[str], Worker], watcher: WorkerFolder
) -> None:
    parent = opened("25")
    parent.counts(2)
    number = int(parent.told("fork"))
    parent.counts(4)  # the child reads now
    assert seen(watcher.collect()) == (6, "25.0", 2, 2)
    os.kill(number, signal.SIGKILL)
    parent.process.wait(30)
    assert seen(watcher.collect()) == (6, "25.0", 1, 1)
    parent.counts(1)
    assert seen(watcher.collect()) == (7, "25.0", 1, 1)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("[]\n", "schema is not"),
        ('{"schema": "cutover.counts/1", "flags": 2}\n', "2 flags were written, 0 are there"),
        ('{"schema": "cutover.counts/1", "flags": 1}\n{"schema": "cutover.routing/1"}\n', "line 2"),
        ('{"schema": "cutover.counts/1", "flags": 0, "names": [1]}\n', "no list of names"),
    ],
)
def test_a_broken_file_is_named_and_nothing_else_is_lost(
    watcher: WorkerFolder, tmp_path: Path, text: str, why: str
) -> None:
    living = WorkerFolder(tmp_path, read=lambda: [snapshot(legacy=side([0.1]))], every=HOUR)
    living.write()
    try:
        (tmp_path / "77-broken.jsonl").write_text(text, encoding="utf-8")
        for _ in range(2):
            found = watcher.collect()
            assert seen(found)[0] == 1
            assert list(found.broken) == ["77-broken.jsonl"] and why in found.broken["77-broken.jsonl"]
    finally:
        living.close()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("requests", -1),
        ("requests", True),
        ("errors", "3"),
        ("response_time", {"bins": {"480": 1}, "seconds": 1.0}),
        ("response_time", {"bins": {"1": -1}, "seconds": 1.0}),
        ("response_time", {"bins": {}, "seconds": -0.5}),
        ("response_time", {"bins": {"x": 1}, "seconds": 0.5}),
    ],
)
def test_counts_that_are_none_are_a_broken_file(
    watcher: WorkerFolder, tmp_path: Path, field: str, value: object
) -> None:
    document = snapshot(legacy=side([0.1])).document()
    document["legacy"][field] = value
    lines = [json.dumps({"schema": "cutover.counts/1", "flags": 1}), json.dumps(document)]
    (tmp_path / "77-odd.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = watcher.collect()
    assert (list(found.snapshots), list(found.broken)) == ([], ["77-odd.jsonl"])


def test_a_sum_of_ended_ones_that_cannot_be_read_is_left_as_it_is(watcher: WorkerFolder, tmp_path: Path) -> None:
    (tmp_path / "ended.jsonl").write_text("half a li", encoding="utf-8")
    WorkerFolder(tmp_path, read=lambda: [snapshot(legacy=side([0.1]))], every=HOUR).close()
    before = files(tmp_path)
    for _ in range(2):
        found = watcher.collect()
        assert seen(found)[0] == 1 and "ended.jsonl" in found.broken
    assert files(tmp_path) == before | {f"{watcher.name}.jsonl"}
    assert (tmp_path / "ended.jsonl").read_text(encoding="utf-8") == "half a li"


def test_who_is_adding_up_for_too_long_is_named(watcher: WorkerFolder, tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Busy, match=r"somebody else has been adding up .* for 0\.2 s"):
            watcher.collect()
    assert watcher.collect().processes == 1


def test_a_process_that_replaces_its_file_under_the_readers_hands_is_not_taken_for_dead(tmp_path: Path) -> None:
    worker = WorkerFolder(tmp_path, read=lambda: [snapshot(legacy=side([0.1]))], every=0.0001)
    worker.write()
    try:
        for _ in range(400):
            found = collected(tmp_path)
            assert (found.processes, set(found.gone)) == (1, set())
    finally:
        worker.close()


def test_reading_alone_changes_nothing_and_counts_the_same(opened: Callable[[str], Worker], tmp_path: Path) -> None:
    one, other = opened("25"), opened("50")
    one.counts(3)
    other.counts(4)
    other.ends()
    before = files(tmp_path)
    for _ in range(2):
        found = collected(tmp_path)
        assert (found.snapshots[0].legacy.requests, str(found.snapshots[0].share), found.processes) == (7, "25.0", 1)
    assert files(tmp_path) == before
    tidied = collected(tmp_path, tidy=True)
    assert tidied.snapshots == found.snapshots == collected(tmp_path).snapshots
    assert "ended.jsonl" in files(tmp_path)


def test_several_may_read_at_once_while_nobody_tidies(tmp_path: Path) -> None:
    collected(tmp_path)
    with (tmp_path / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        assert collected(tmp_path, patience=0.0).processes == 0
        with pytest.raises(Busy):
            collected(tmp_path, patience=0.0, tidy=True)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    folder = WorkerFolder(tmp_path / "none", read=list, every=HOUR)
    with pytest.raises(Busy, match="none cannot be read: No such file"):
        folder.collect()
    folder.close()


def test_what_a_killed_process_was_writing_is_swept_up_later(watcher: WorkerFolder, tmp_path: Path) -> None:
    old, young = tmp_path / ".1-a.jsonl.partial", tmp_path / ".2-b.jsonl.partial"
    for path in (old, young):
        path.write_text("half", encoding="utf-8")
    os.utime(old, (0, 0))
    watcher.collect()
    assert not old.exists() and young.exists()


READING = """
import sys
from cutover.routing.worker_files import WorkerFolder
folder = WorkerFolder(sys.argv[1], read=list, every=3600)
print("reads", flush=True)
while True:
    folder.collect()
"""


@pytest.mark.slow
def test_readers_that_are_killed_at_any_time_lose_nothing_and_count_nothing_twice(
    watcher: WorkerFolder, tmp_path: Path
) -> None:
    environ = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}
    total = 0
    for round_ in range(8):
        reader = subprocess.Popen(
            [sys.executable, "-c", READING, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environ
        )
        with reader:
            assert reader.stdout and reader.stdout.readline() == "reads\n"
            for number in range(12 + round_):  # while it adds up, others come and go; then it is killed
                worker = WorkerFolder(tmp_path, read=_reader([0.1] * (number + 1)), every=HOUR)
                worker.close()
                total += number + 1
            reader.kill()
        assert seen(watcher.collect())[0] == total
    # What a reader was writing when it was killed is swept once it is old.
    assert len([name for name in files(tmp_path) if not name.endswith(".partial")]) == 2


MOVES = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["count", "count", "end", "look"]), st.floats(0, 1e4)))


@settings(max_examples=40, deadline=None)
@given(MOVES)
def test_no_counter_ever_falls(tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[int, str, float]]) -> None:
    folder = tmp_path_factory.mktemp("counts")
    workers: dict[int, tuple[WorkerFolder, list[float]]] = {}
    watcher = WorkerFolder(folder, read=list, every=HOUR)
    requests, seconds, written = 0, 0.0, 0
    try:
        for number, move, took in moves:
            if move == "count":
                if number not in workers:
                    times: list[float] = []
                    workers[number] = (WorkerFolder(folder, read=_reader(times), every=HOUR), times)
                workers[number][1].append(took)
                workers[number][0].write()
                written += 1
            elif move == "end" and number in workers:
                workers.pop(number)[0].close()
            else:
                for one in watcher.collect().snapshots:
                    assert one.legacy.requests == one.legacy.response_time.total == written >= requests
                    assert one.legacy.response_time.seconds >= seconds
                    requests, seconds = one.legacy.requests, one.legacy.response_time.seconds
    finally:
        watcher.close()
        for worker, _ in workers.values():
            worker.close()


def _reader(times: list[float]) -> Callable[[], list[Snapshot]]:
    return lambda: [snapshot(legacy=side(times))]
