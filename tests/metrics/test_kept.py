"""Sources without a memory, and the memory that they get: bounded, on this machine, and honest about its beginning."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cutover.core.clock import Backoff, Deadline, SystemClock
from cutover.core.series import Gap, Reading, Sample, Span, judged
from cutover.machine.metric_source import CommandFigures
from cutover.metrics import kept
from cutover.metrics.kept import Kept
from cutover.state.holding import process_start

STEP = 10.0


class Said:
    """Says one sample: the time and value that the test gave it."""

    def __init__(self) -> None:
        self.at, self.value, self.gap = 0.0, 0.0, False

    def read(self, query: str, span: Span, deadline: Deadline) -> Reading:
        if self.gap:
            return Reading.unreachable("away")
        return judged([Sample(self.at, self.value)], span.ending(self.at), delay=0.0, remembers=False)

    def shell(self, query: str) -> str:
        return f"ask {query}"


def look(source: Kept, said: Said, at: float, value: float, back: float = 60.0, query: str = "x") -> Reading:
    said.at, said.value = at, value
    return source.read(query, Span(at - back, at, STEP), Deadline.after(5))


def test_it_begins_anew_and_is_partial_until_it_has_looked_for_long_enough(tmp_path: Path) -> None:
    said = Said()
    source = Kept(said, tmp_path / "m")
    gaps = [look(source, said, 1000 + STEP * n, n).gap for n in range(8)]
    assert gaps[:2] == [Gap.PARTIAL, Gap.PARTIAL]
    assert gaps[3:] == [None] * 5
    seen = look(source, said, 1080, 8)
    assert [sample.value for sample in seen.samples] == [2, 3, 4, 5, 6, 7, 8]


def test_another_process_on_this_machine_goes_on(tmp_path: Path) -> None:
    said = Said()
    for n in range(5):
        look(Kept(said, tmp_path), said, 1000 + STEP * n, n)
    assert [sample.value for sample in look(Kept(Said(), tmp_path), Said(), 0, 0).samples] == [0.0]
    other = Said()
    assert len(look(Kept(other, tmp_path), other, 1050, 5).samples) == 6
    assert len(look(Kept(other, tmp_path / "elsewhere"), other, 1060, 5).samples) == 1


def test_figures_do_not_mix(tmp_path: Path) -> None:
    said = Said()
    source = Kept(said, tmp_path)
    look(source, said, 1000, 1)
    assert [one.value for one in look(source, said, 1010, 2, query="y").samples] == [2]


def test_what_does_not_answer_now_is_not_well_because_it_was(tmp_path: Path) -> None:
    said = Said()
    source = Kept(said, tmp_path)
    look(source, said, 1000, 1)
    said.gap = True
    assert (look(source, said, 1010, 2).gap, look(source, said, 1010, 2).samples) == (Gap.UNREACHABLE, ())
    said.gap = False
    assert look(source, said, 1020, float("nan")).gap is Gap.NOT_A_NUMBER


def test_a_line_that_a_death_cut_short_costs_only_itself(tmp_path: Path) -> None:
    said = Said()
    source = Kept(said, tmp_path)
    for n in range(6):
        look(source, said, 1000 + STEP * n, n)
    file = next(tmp_path.iterdir())
    file.write_bytes(file.read_bytes() + b"[1055.0, ")
    assert [one.value for one in look(source, said, 1060, 6).samples] == [0, 1, 2, 3, 4, 5, 6]
    assert file.stat().st_mode & 0o077 == 0


def test_the_file_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST", 20)
    said = Said()
    source = Kept(said, tmp_path)
    for n in range(500):
        look(source, said, 1000 + STEP * n, n)
    assert next(tmp_path.iterdir()).stat().st_size < 2 * 20 * kept.LINE
    assert len(look(source, said, 6000, 500).samples) >= 6


def test_nothing_is_kept_where_nothing_may_be(tmp_path: Path) -> None:
    said = Said()
    seen = look(Kept(said, tmp_path / "m", writes=False), said, 1000, 3)
    assert (seen.gap, not (tmp_path / "m").exists()) == (None, True)


def test_a_full_disk_is_said_and_the_sample_still_there(tmp_path: Path) -> None:
    said = Said()
    (tmp_path / "m").write_text("a file where the folder should be")
    seen = look(Kept(said, tmp_path / "m"), said, 1000, 3)
    assert seen.newest == Sample(1000, 3)
    assert "not kept" in seen.seen


def test_two_processes_lose_no_sample(tmp_path: Path) -> None:
    """Both keep 100 samples at the same time."""
    script = (
        "import sys; sys.path[:0] = ['tests/metrics']; from pathlib import Path; from test_kept import *\n"
        "said = Said(); source = Kept(said, Path(sys.argv[1]))\n"
        "for n in range(100): look(source, said, 1000.0 + n + float(sys.argv[2]), n)"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path), part], env=dict(os.environ))
        for part in ("0", "0.5")
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    lines = [json.loads(line) for line in next(tmp_path.iterdir()).read_text().splitlines() if line]
    assert len(lines) == 200


def command(script: str, seconds: float = 5.0, **variables: str) -> Reading:
    import time

    now = time.time()
    return CommandFigures(lambda: variables).read(script, Span(now - 60, now, 15), Deadline.after(seconds))


@pytest.mark.parametrize(
    ("script", "value"),
    [
        ("echo 5", 5),
        ("echo noise; echo ' -1.5e3 '", -1500),
        ("echo .5", 0.5),
        ('echo "$N"', 7),
        ("echo 3; echo >&2 x", 3),
    ],
)
def test_a_commands_last_line_is_the_number(script: str, value: float) -> None:
    seen = command(script, N="7")
    assert (seen.gap, seen.newest and seen.newest.value) == (None, value)


@pytest.mark.parametrize(
    ("script", "gap", "said"),
    [
        ("echo NaN", Gap.NOT_A_NUMBER, "nan"),
        ("echo inf", Gap.NOT_A_NUMBER, "inf"),
        ("echo many", Gap.UNREACHABLE, "printed 'many'"),
        ("echo 1_000", Gap.UNREACHABLE, "printed '1_000'"),
        ("true", Gap.UNREACHABLE, "printed nothing"),
        ("echo 5; exit 3", Gap.UNREACHABLE, "the command ended with 3"),
        ("false | echo 5", Gap.UNREACHABLE, "the command ended with 1"),
        ('echo "$SECRET"', Gap.UNREACHABLE, "printed '***'"),
    ],
)
def test_what_is_no_number_is_a_gap(script: str, gap: Gap, said: str) -> None:
    seen = command(script, SECRET="hunter2-hunter2")
    assert (seen.gap, seen.samples) == (gap, ())
    assert said in seen.seen


def test_a_command_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    seen = command(f"sleep 300 & echo $! > {mark}; wait", 0.5)
    assert "did not end in time and was killed" in seen.seen
    backoff, deadline = Backoff(SystemClock()), Deadline.after(10.0)
    while process_start(int(mark.read_text())) != -1 and not deadline.expired:
        backoff.pause()
    assert process_start(int(mark.read_text())) == -1, "it lives, and is no zombie that nobody reaps"


def test_a_printed_command_runs_with_its_variables() -> None:
    shell = CommandFigures(variables_shell={"N": '"$OTHER"'}).shell('echo "$N"')
    done = subprocess.run(["bash", "-c", shell], env={"OTHER": "12"}, capture_output=True, text=True, check=True)
    assert done.stdout == "12\n"
