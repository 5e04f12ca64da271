"""Schedules of faults as text, from a seed, and shrunk to the shortest one that fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cutover.bench.typed import Done
from cutover.core.errors import ConfigurationRefused, Refused
from cutover.faults import catalogue, matrix, places, record
from cutover.faults.fault import Scene
from cutover.faults.ground import Ground
from cutover.faults.schedule import Schedule, Strike, cells, drawn, shortest
from cutover.faults.trial import Result
from cutover.faults.walking import Walk

TEXT = "link-blue-reset@locked,aws-throttled@shift-50,kill-green@back-commit"


def test_a_schedule_is_read_as_it_is_written() -> None:
    assert str(Schedule.read(TEXT)) == TEXT
    assert (
        str(Schedule.read(" kill-green@back-commit, link-blue-reset@locked "))
        == "link-blue-reset@locked,kill-green@back-commit"
    )
    assert Schedule.read(TEXT).legs == ("forward", "back")
    assert Schedule.read(TEXT).command() == f'invoke faults --schedule "{TEXT}"'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kill-blu@locked", "no fault is called 'kill-blu'; known: "),
        ("kill-blue@lockd", "no place is called 'lockd'; known: "),
        ("kill-blue", "names no place"),
        ("kill-program@resume", "it does not run yet"),
    ],
)
def test_a_wrong_schedule_is_refused_with_its_reason(text: str, said: str) -> None:
    with pytest.raises(ConfigurationRefused, match=said):
        Schedule.read(text)


def test_a_seed_draws_the_same_schedule_everywhere() -> None:
    assert [str(drawn(seed)) for seed in (1, 2)] == [str(drawn(seed)) for seed in (1, 2)]
    many = [drawn(seed) for seed in range(300)]
    assert {len(schedule.strikes) for schedule in many} == {2, 3}
    assert {strike.fault.name for schedule in many for strike in schedule.strikes} == set(catalogue.BY_NAME)
    assert all(str(Schedule.read(str(schedule))) == str(schedule) for schedule in many)


@pytest.mark.parametrize("guilty", [{"kill-green@back-commit"}, {"link-blue-reset@locked", "kill-green@back-commit"}])
def test_shrinking_finds_the_strikes_that_it_takes(guilty: set[str]) -> None:
    found = shortest(Schedule.read(TEXT), lambda one: guilty <= set(map(str, one.strikes)))
    assert set(map(str, found.strikes)) == guilty


def test_the_rounds_hold_every_cell_once_and_one_environment_each() -> None:
    every = cells()
    found = [strike for schedule in matrix.rounds(every) for strike in schedule.strikes]
    assert len(found) == len(every) and set(map(str, found)) == set(map(str, every))
    for schedule in matrix.rounds(every):
        assert len({strike.fault.environment for strike in schedule.strikes}) == 1
        assert [strike.place.leg == places.BACK for strike in schedule.strikes] in ([False], [True], [False, True])
    soon = {strike.fault.name for schedule in matrix.rounds(every)[:50] for strike in schedule.strikes}
    assert soon == set(catalogue.BY_NAME), "each fault has its turn before any is tried everywhere"


def test_names_are_told_apart() -> None:
    assert len(catalogue.BY_NAME) == len(catalogue.FAULTS)
    assert len(places.BY_NAME) == len(places.PLACES)
    known = {place for fault in catalogue.FAULTS for place in fault.first}
    assert known <= set(places.BY_NAME)


@pytest.mark.parametrize(
    ("code", "said", "typed"),
    [
        (5, "refused: no\nnext: invoke resume --env faults   or   invoke rollback --env faults --reason '…'\n", "resume --env faults --json"),
        (4, "next: invoke rollback --env faults --reason '…'", "rollback --env faults --reason a fault --json --yes"),
        (6, "blue serves. The next try: invoke cutover --env faults\n", "cutover --env faults --json --yes"),
        (-9, "", "resume --env faults --json"),
        (5, "refused, and nothing is named", "cutover --until window --env faults --json --yes"),
    ],
)  # fmt: skip
def test_what_a_command_says_is_typed_next(tmp_path: Path, code: int, said: str, typed: str) -> None:
    walk = Walk(Ground(tmp_path), "faults", places.FORWARD, "window")
    walk.told, walk.typed = [Done(("cutover",), code, "", said, 0.0, 1.0)], ["cutover --env faults"]
    assert " ".join(walk.next_command()) == typed


def test_the_table_counts_honestly() -> None:
    one, other = Strike(catalogue.FAULTS[0], places.PLACES[3]), Strike(catalogue.FAULTS[1], places.PLACES[-1])
    tally = matrix.Tally(all_cells=7, ended=1.0, began=0.0, skipped={"clock-back": "a C compiler"})
    tally.results = [
        Result((str(one),), "forward", "refused, then 1 command", "cutover 5 → resume 0", (), 40, 6.1, 30.0),
        Result((str(other),), "back", "no end", "rollback 1", ("LOST: 1 of 9 acknowledged writes",), 9, 0.2, 20.0),
        Result(
            ("kill-edge@bake",), "forward", "went on (not reached)", "cutover 0", (), 0, 0.0, 9.0, ("kill-edge@bake",)
        ),
    ]
    found = record.document(tally)
    assert (found["tried"], found["cells"], found["defects"], found["acknowledged_writes"]) == (2, 7, 1, 49)
    text = record.markdown(found)
    assert "2 of 7 cells tried; 1 defects, 1 with a write lost or doubled" in text
    assert "skipped: clock-back: this machine lacks a C compiler" in text
    assert "| link-blue-black-hole |  |  |  | refused, then 1 command, 6.1 s |" in text
    assert "**DEFECT** no end, 0.2 s" in text
    assert "`link-blue-reset@back-committed`: LOST: 1 of 9 acknowledged writes (rollback 1)" in text


def piece(began: float, *results: Result, kind: str = record.CELLS) -> dict[str, object]:
    tally = matrix.Tally(all_cells=len(results), results=list(results))
    tally.began, tally.ended = began, began + 60
    return record.document(tally, kind)


def test_a_record_grows_and_a_cell_that_is_tried_again_has_its_newest_outcome(tmp_path: Path) -> None:
    lost = Result(("kill-blue@locked",), "forward", "died", "cutover -9", ("LOST: 1 of 9",), 9, 0.5, 1.0)
    well = Result(("kill-blue@locked",), "forward", "retried", "cutover 0", (), 11, 0.4, 1.0)
    other = Result(("kill-edge@bake",), "forward", "went on", "cutover 0", (), 5, 0.1, 1.0)
    not_reached = Result(("kill-edge@back-commit",), "back", "", "", (), 0, 0, 1.0, ("kill-edge@back-commit",))
    pair = Result(("kill-edge@bake", "kill-blue@locked"), "forward", "went on", "cutover 0", (), 7, 0.1, 1.0)
    first = record.joined(None, piece(1000, lost, other, not_reached))
    assert (first["tried"], first["cells"], first["worst"]) == (2, len(cells()), 1)
    assert record.well_tried(first) == {"kill-edge@bake"}, "what failed and what was not reached is tried again"
    second = record.joined(first, piece(2000, well))
    second = record.joined(second, piece(2000, well))  # as it is written after each schedule
    third = record.joined(second, piece(3000, pair, kind=record.DRAWN))
    assert (third["tried"], third["defects"], third["acknowledged_writes"]) == (2, 0, 11 + 5 + 7)
    assert [part["began"] for part in third["pieces"]] == [1000, 2000, 3000]
    path = tmp_path / "faults.json"
    path.write_text(json.dumps(third))
    assert record.read(path) == third
    text = record.markdown(third)
    assert "2 of 670 cells tried; 0 defects" in text and "1 ways under two or three faults at once" in text
    assert "| `kill-edge@bake,kill-blue@locked` | went on | 0.1 s |" in text
    assert "- tried in 3 pieces that began from 1970-01-01 00:16 UTC to 1970-01-01 00:50 UTC" in text
    assert "- tried from 1970-01-01 00:16 UTC on, " in record.markdown(first)


def test_a_world_that_broke_is_over_when_all_that_was_to_be_tried_in_it_went_well() -> None:
    broke = Result(("kill-blue@locked", "kill-edge@back-commit"), "", "no end", "", ("the world is gone",), 0, 0, 0)
    there = Result(("kill-blue@locked",), "forward", "retried", "cutover 0", (), 11, 0.4, 1.0)
    home = Result(("kill-edge@back-commit",), "back", "went on", "rollback 0", (), 3, 0.4, 1.0)
    first = record.joined(None, piece(1000, broke))
    half = record.joined(first, piece(2000, there))
    assert (first["defects"], half["defects"]) == (1, 1)
    assert record.joined(half, piece(3000, home))["defects"] == 0


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "cutover.faults/1"}', '{"schema": "cutover.faults/2"}'])
def test_a_record_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "faults.json"
    assert record.read(path) is None
    path.write_text(text)
    with pytest.raises(Refused, match="is no record of faults"):
        record.read(path)


def test_a_clock_that_is_set_moves_the_wall_clock_and_no_wait(tmp_path: Path) -> None:
    fault = catalogue.BY_NAME["clock-forward"]
    if fault.lacking():
        pytest.skip(fault.lacking())
    ground = Ground(tmp_path)
    program = (
        "import sys, time, datetime, threading\n"
        "for _ in sys.stdin:\n"
        "    before = time.monotonic()\n"
        "    time.sleep(0.01); threading.Event().wait(0.01)\n"
        "    print(time.time(), datetime.datetime.now().timestamp(), time.monotonic() - before, flush=True)\n"
    )
    variables = {**os.environ, **fault.variables(ground)}
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def ahead() -> list[float]:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        wall, other, waited = map(float, process.stdout.readline().split())
        assert 0.02 <= waited < 60 and abs(wall - other) < 60
        return [round((clock - time.time()) / 3600) for clock in (wall, other)]

    scene = Scene(ground, "any", None)
    with process:
        assert ahead() == [0, 0]
        fault.inject(scene)
        assert ahead() == [1, 1]
        catalogue.BY_NAME["clock-back"].inject(scene)
        assert ahead() == [-1, -1]
        fault.heal(scene)
        assert ahead() == [0, 0]
