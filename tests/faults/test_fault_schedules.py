"""Schedules of faults as text, from a seed, and shrunk to the shortest one that fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from cutover.bench.typed import Done
from cutover.core.errors import ConfigurationRefused
from cutover.faults import catalogue, matrix, places, record
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
    tally = matrix.Tally(all_cells=7, ended=1.0, began=0.0, skipped={"clock-back": "libfaketime"})
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
    assert "skipped: clock-back: this machine lacks libfaketime" in text
    assert "| link-blue-black-hole |  |  |  | refused, then 1 command, 6.1 s |" in text
    assert "**DEFECT** no end, 0.2 s" in text
    assert "`link-blue-reset@back-committed`: LOST: 1 of 9 acknowledged writes (rollback 1)" in text
