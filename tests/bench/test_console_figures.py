"""`bench console --quick` measures every part but the whole cutovers, which take minutes; what is counted is right."""

import sys
from itertools import islice
from pathlib import Path

import pytest

from cutover.app import open_environment
from cutover.bench import long_record, paced_run
from cutover.bench.chromium import chromium
from cutover.bench.console import FULL, PARTS, QUICK, chosen, measure
from cutover.bench.figures import Figures, NotMeasured, Spread
from cutover.bench.kept_pace import beside
from cutover.bench.onlookers import Received
from cutover.console.said import OTHER, said
from cutover.core.errors import ConfigurationRefused
from cutover.core.journal import Entry


def test_the_parts_are_chosen_by_name() -> None:
    assert chosen("") == list(PARTS) == ["steps", "cutover", "paint", "draw", "word"]
    assert chosen("draw, steps") == ["draw", "steps"]
    with pytest.raises(ConfigurationRefused, match="'step' is no part; known: steps, cutover"):
        chosen("step")


def test_fewer_rounds_are_fewer_everywhere_and_more_are_no_more_cutovers() -> None:
    few, many = FULL.rounds(2), FULL.rounds(50)
    assert (few.steps.rounds, few.whole.rounds, few.words, few.loads, few.draws) == (2, 2, 2, 2, 2)
    assert (many.steps.rounds, many.whole.rounds, many.draws) == (50, FULL.whole.rounds, 50)


def test_it_is_measured_at_what_was_promised() -> None:
    assert FULL.steps.streams == FULL.whole.streams == 200
    assert FULL.steps.runs * FULL.steps.hostnames * FULL.steps.shares == 400
    assert (FULL.entries, FULL.points) == (5000, 36_000)


def test_each_turn_is_held_against_its_own_reference() -> None:
    pace, more = beside("steps", "a step", (Spread.of([10.1, 22.0, 30.0]), Spread.of([10.0, 20.0, 30.0])), "")
    assert pace.ratios == {"the same without a console": 1.1}
    assert more.ours is not None and [round(one, 6) for one in more.ours.samples] == [1, 10, 0]
    assert more.met is True
    assert next(iter(beside("s", "", (Spread.of([1.03]), Spread.of([1.0])), ""))).met is None
    assert [*beside("s", "", (Spread.of([1.03]), Spread.of([1.0])), "")][1].met is False


def test_a_line_counts_wherever_its_number_is_cut() -> None:
    stream = b"retry: 1000\n\nevent: panels\ndata: {}\n\nevent: lines\nid: 117\ndata: {}\n\nevent: lines\nid: 118\ndata: {}\n\n"
    for cut in range(len(stream)):
        received = Received()
        received.take(stream[:cut])
        received.take(stream[cut:])
        assert (received.newest, received.greeted) == (118, True), cut
    received = Received()
    received.take(stream.partition(b"118")[0] + b"11")  # it may go on with an 8
    assert received.newest == 117


def test_a_record_has_as_many_entries_as_wanted_and_the_console_knows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path))
    paced_run.environment(tmp_path, tmp_path, hostnames=2, shares=3)
    app = open_environment(paced_run.NAME, directory=tmp_path)
    found = [*islice(long_record.entries(app, 500), 500)]
    app.close()
    assert len(found) == 500
    intents = [one for one in found if one[0] == "intent"]
    assert [sum(kind == one for kind, _ in found[found.index(intents[0]) :]) for one in ("intent", "converged")] == [
        6,
        6,
    ]
    assert found[-1][0] in ("converged", "waiting", "watched", "hold-broken", "hold-begun")
    assert OTHER not in {said(Entry(1, "long", 0.0, 1, kind, data, "", "")).group for kind, data in found}


def test_without_playwright_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    with pytest.raises(NotMeasured, match="apt-get install chromium"), chromium():
        pass


@pytest.fixture(scope="module")
def quick() -> Figures:
    return measure([name for name in PARTS if name != "cutover"], QUICK, lambda line: None)


@pytest.mark.slow
def test_every_part_has_its_lines_and_nothing_failed(quick: Figures) -> None:
    assert [line.seen for line in quick.lines if line.failed] == []
    assert [line.figure for line in quick.lines] == [
        "4 steps, each with a pause of 10 ms: a step",
        "4 steps, each with a pause of 10 ms: longer by",
        "4 steps without pause: a step",
        "4 steps without pause: longer by",
        "first paint of a run of 120 events",
        "its newest line is in the page",
        "360 points, a new chart",
        "360 points, new data in the same chart",
        "a new line of the journal at all of 20 streams",
    ]
    assert all(line.ours is not None and line.met is None for line in quick.lines)
    assert all(line.references for line in quick.lines if "longer by" not in line.figure)


@pytest.mark.slow
def test_a_step_takes_its_pause_at_least(quick: Figures) -> None:
    paced, quickly = quick.lines[0], quick.lines[2]
    for line, least in ((paced, 10.0), (quickly, 0.0)):
        assert line.ours is not None and line.references[0].spread is not None
        assert min(line.ours.samples) > least and min(line.references[0].spread.samples) > least
