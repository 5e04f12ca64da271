"""`bench routing --quick` measures every part; what it counts is right, whatever time it took."""

from importlib import metadata

import pytest

from cutover.bench.figures import Figures
from cutover.bench.other_flags import OPENFEATURE, UNLEASH
from cutover.bench.routing import FULL, PARTS, QUICK, chosen, measure
from cutover.bench.spread_of_keys import Z_99, bound
from cutover.core.errors import ConfigurationRefused


def test_the_parts_are_chosen_by_name() -> None:
    assert chosen("") == list(PARTS)
    assert chosen("even, call") == ["even", "call"]
    with pytest.raises(ConfigurationRefused, match="'calls' is no part; known: decision, call"):
        chosen("calls")


def test_fewer_rounds_are_fewer_everywhere() -> None:
    assert (FULL.rounds(2).samples, FULL.rounds(2).quiet, FULL.rounds(2).ids) == (2, 2, 1_000_000)
    assert (FULL.rounds(500).samples, FULL.rounds(500).quiet) == (500, 5)


@pytest.fixture(scope="module")
def quick() -> Figures:
    return measure(list(PARTS), QUICK, lambda line: None)


@pytest.mark.slow
def test_every_part_has_its_lines_and_nothing_failed(quick: Figures) -> None:
    assert [line.seen for line in quick.lines if line.failed] == []
    begins = [line.figure for line in quick.lines]
    wanted = {
        "decision": 3,
        "routed": 9,
        "8 threads": 1,
        "a changed file": 1,
        "memory": 1,
        "from cutover.routing": 1,
        "χ² of": 3,
    }
    assert {word: sum(figure.startswith(word) for figure in begins) for word in wanted} == wanted
    assert len(begins) == sum(wanted.values())
    assert all(line.ours is not None and line.met is None for line in quick.lines), (
        "small figures are held against no target"
    )


@pytest.mark.slow
def test_the_others_are_measured_in_the_same_run_or_it_is_said_that_they_are_not(quick: Figures) -> None:
    for line in quick.lines[:2]:
        names = [reference.name for reference in line.references if reference.spread]
        for name, package in ((UNLEASH, "UnleashClient"), (OPENFEATURE, "openfeature-sdk")):
            there = any(metadata.distributions(name=package))
            assert (name in names) is there
            assert there or f"{name} not measured: pip install -e '.[bench-routing]'" in line.cells()[2]


@pytest.mark.slow
def test_what_does_not_depend_on_the_machine_is_within_its_target(quick: Figures) -> None:
    (memory,) = [line for line in quick.lines if line.figure.startswith("memory")]
    assert memory.ours is not None and memory.ours.worst <= 64
    (keys,) = [line for line in quick.lines if "99 degrees" in line.figure]
    assert keys.ours is not None and keys.ours.worst <= 143.2
    assert abs(bound(99, Z_99) - 134.642) < 0.1 and abs(bound(81, Z_99) - 113.512) < 0.1, "as the tables have them"
