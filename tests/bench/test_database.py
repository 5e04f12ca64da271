"""Every part of `bench database --quick` is measured on real servers, growth at two of its points; what it finds is right, whatever time it took."""

import json
from dataclasses import replace

import pytest

from cutover.bench.comparing import damages
from cutover.bench.database import FULL, PARTS, QUICK, chosen, measure
from cutover.bench.figures import Figures
from cutover.bench.growth import Points
from cutover.core.errors import ConfigurationRefused
from cutover.world.bouncer import PROGRAM

# One run for all tests of it, which takes a minute or two.
pytestmark = [pytest.mark.xdist_group("bench"), pytest.mark.timeout(600)]


def test_the_parts_are_chosen_by_name() -> None:
    assert chosen("") == list(PARTS)
    assert chosen("pause, growth") == ["pause", "growth"]
    with pytest.raises(ConfigurationRefused, match="'pauses' is no part; known: pause, pgbouncer"):
        chosen("pause,pauses")


def test_fewer_rounds_are_fewer_everywhere_and_more_are_more_of_the_pause() -> None:
    assert (FULL.rounds(2).load.rounds, FULL.rounds(2).quiet, FULL.rounds(2).growth.rounds) == (2, 2, 2)
    assert (FULL.rounds(50).load.rounds, FULL.rounds(50).quiet, FULL.rounds(50).growth.rounds) == (50, 3, 3)


@pytest.fixture(scope="module")
def quick() -> Figures:
    if not PROGRAM.exists():
        pytest.skip("PgBouncer is not installed: apt-get install pgbouncer")
    fewer = replace(QUICK, points=Points(rows=(300,), tables=(), rate=(), databases=(2,)))
    return measure(list(PARTS), fewer, lambda line: None)


@pytest.mark.slow
def test_every_part_has_its_lines_and_nothing_failed(quick: Figures) -> None:
    assert [line.seen for line in (*quick.lines, *quick.growth) if line.failed] == []
    begins = [line.figure for line in quick.lines]
    wanted = {"write pause": 4, "added": 1, "write without a condition": 2, "slowest statement": 1, "failed statements": 1, "way back": 2, "comparing": 3 * (len(damages(1)) + 1),
              "changed rows": 2, "inside the fence": 1, "preflight": 1}  # fmt: skip
    assert {word: sum(figure.startswith(word) for figure in begins) for word in wanted} == wanted
    assert len(begins) == sum(wanted.values())
    # Nothing can have taken no time at all, and each but the memory of a missing reladiff stands beside something.
    assert all(line.ours and line.references and line.load >= 0 for line in quick.lines)
    assert all(line.ours.median > 0 for line in quick.lines if line.ours and line.figure.endswith("wall"))
    assert all(line.met is None for line in quick.lines), "small figures are held against no target"


@pytest.mark.slow
def test_nothing_was_lost_and_what_was_planted_was_found(quick: Figures) -> None:
    sound = [line.seen for line in (*quick.lines, *quick.growth) if "acknowledged" in line.seen]
    assert len(sound) >= 4 and all("0 lost, 0 doubled, the sides are equal" in seen for seen in sound)
    (failed,) = [line for line in quick.lines if line.figure.startswith("failed statements")]
    assert failed.ours is not None and failed.ours.worst == 0
    planted = [line.seen.partition(" planted")[0] for line in quick.lines if line.figure.endswith("wall")]
    assert planted == ["0", "1", "20", "20", "0"]  # the last are the narrow rows
    # reladiff is there, or it is said that it is not.
    assert all("reladiff" in line.cells()[2] for line in quick.lines if line.figure.startswith("comparing"))
    assert (
        "1 planted, 1 found" in {line.figure: line.seen for line in quick.lines}["changed rows inside the fence"][-20:]
    )


@pytest.mark.slow
def test_growth_has_each_point_both_ways(quick: Figures) -> None:
    assert [line.figure for line in quick.growth] == [
        "300 rows, forward", "300 rows, back", "2 databases, forward", "2 databases, back",
    ]  # fmt: skip
    assert all("lock" in line.seen and "open" in line.seen for line in quick.growth)
    assert json.loads(json.dumps(quick.document()))["growth"][0]["ours"]["unit"] == "ms"
