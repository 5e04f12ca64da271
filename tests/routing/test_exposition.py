"""The text that Prometheus scrapes: judged by promtool, and read back line by line."""

import re
import shutil
import subprocess

import pytest
from counted import side, snapshot
from hypothesis import given
from hypothesis import strategies as st

from cutover.routing.exposition import BOUNDS, LE, exposition
from cutover.routing.histogram import BINS, LONGEST, SHORTEST
from cutover.routing.snapshot import Snapshot

SAMPLE = re.compile(r'(?P<name>[a-zA-Z_:][\w:]*)(?P<labels>\{(?:\w+="(?:[^"\\\n]|\\.)*",?)*\})? (?P<value>\S+)')
TWO = [
    snapshot(
        legacy=side([0.010, 0.020], errors=1), candidate=side([0.1], fallbacks=2, spared=1), compared=3, mismatches=1
    ),
    snapshot("checkout", share="100.00"),
]


def read(text: str) -> dict[str, float]:
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            matched = SAMPLE.fullmatch(line)
            assert matched, line
            assert line.rsplit(" ", 1)[0] not in found, line
            found[line.rsplit(" ", 1)[0]] = float(matched["value"])
    return found


def test_promtool_finds_nothing_to_object_to() -> None:
    program = shutil.which("promtool")
    assert program, "there is no promtool: apt-get install prometheus"
    text = exposition(TWO, gauges={"cutover.processes": ("Processes.", 2)}, remarks=["1.jsonl: not JSON"])
    done = subprocess.run(
        [program, "check", "metrics"], check=False, input=text, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_each_family_has_its_help_and_type_and_stands_together() -> None:
    families = [line.split()[2] for line in exposition(TWO).splitlines() if line.startswith("# TYPE")]
    assert len(families) == len(set(families))
    assert families[:4] == ["cutover_rollout_percentage", "cutover_requests_total", "cutover_errors_total", "cutover_timeouts_total"]  # fmt: skip


def test_counts_stand_under_flag_and_side() -> None:
    seen = read(exposition(TWO))
    assert seen['cutover_rollout_percentage{flag="search"}'] == 25
    assert seen['cutover_rollout_percentage{flag="checkout"}'] == 100
    assert seen['cutover_requests_total{flag="search",side="legacy"}'] == 2
    assert seen['cutover_errors_total{flag="search",side="legacy"}'] == 1
    assert seen['cutover_fallbacks_total{flag="search",side="candidate"}'] == 2
    assert seen['cutover_spared_total{flag="search",side="candidate"}'] == 1
    assert seen['cutover_mismatches_total{flag="search"}'] == 1
    assert seen['cutover_requests_total{flag="checkout",side="candidate"}'] == 0
    assert seen['cutover_response_time_count{flag="search",side="legacy"}'] == 2
    assert seen['cutover_response_time_sum{flag="search",side="legacy"}'] == pytest.approx(0.03)


@given(st.lists(st.floats(SHORTEST, LONGEST * 2), max_size=50))
def test_a_bucket_counts_what_took_no_longer_than_its_bound(times: list[float]) -> None:
    seen = read(exposition([snapshot(legacy=side(times))]))
    for number, le in zip(BOUNDS, LE, strict=True):
        below = seen[f'cutover_response_time_bucket{{flag="search",side="legacy",le="{le}"}}']
        bound = float(le)
        assert (
            sum(one <= bound * (1 - 1e-5) for one in times) <= below <= sum(one <= bound * (1 + 1e-5) for one in times)
        )
        assert number < BINS - 1
    assert seen['cutover_response_time_bucket{flag="search",side="legacy",le="+Inf"}'] == len(times)


def test_bounds_are_the_same_whatever_was_counted_and_rise() -> None:
    assert [float(le) for le in LE] == sorted({float(le) for le in LE})
    one, other = (set(read(exposition([snapshot(legacy=side(times))]))) for times in ([], [1e-9, 0.5, 1e9]))
    assert one == other


def test_a_flag_that_no_living_process_has_keeps_its_counters_and_has_no_share() -> None:
    seen = read(exposition(TWO, gone={"search"}))
    assert 'cutover_rollout_percentage{flag="search"}' not in seen and 'cutover_hanging{flag="search"}' not in seen
    assert seen['cutover_requests_total{flag="search",side="legacy"}'] == 2
    assert seen['cutover_rollout_percentage{flag="checkout"}'] == 100


def test_a_name_that_no_flag_could_have_breaks_no_line() -> None:
    odd = Snapshot(flag='a"b\\c\nd', share=TWO[0].share, began_at=0.0, taken_at=0.0)
    assert 'cutover_rollout_percentage{flag="a\\"b\\\\c\\nd"}' in read(exposition([odd], remarks=["two\nlines"]))


def test_nothing_to_tell_is_no_error() -> None:
    assert read(exposition([])) == {}
