"""Lines for CloudWatch Logs: held against the rules of the Embedded Metric Format, and adding up to what was counted."""

import io
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader
from counted import side, snapshot
from hypothesis import given
from hypothesis import strategies as st

from cutover.routing.embedded_metrics import EmbeddedMetrics
from cutover.routing.histogram import ERROR, LONGEST, SHORTEST
from cutover.routing.snapshot import Snapshot

UNITS = set(Loader().load_service_model("cloudwatch", "service-2")["shapes"]["StandardUnit"]["enum"])
TIMES = st.lists(st.floats(SHORTEST * 1.01, LONGEST / 1.01), max_size=300)


def conforms(line: str) -> dict[str, Any]:
    """CloudWatch user guide, "Specification: Embedded metric format": one object a line, and every target at its root."""
    document: dict[str, Any] = json.loads(line)
    assert len(line.encode()) <= 256 * 1024
    head = document["_aws"]
    assert set(head) == {"Timestamp", "CloudWatchMetrics"} and type(head["Timestamp"]) is int
    for directive in head["CloudWatchMetrics"]:
        assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
        assert 1 <= len(directive["Namespace"]) <= 255
        assert directive["Dimensions"] and all(len(one) <= 30 for one in directive["Dimensions"])
        for name in (name for one in directive["Dimensions"] for name in one):
            assert isinstance(document[name], str) and 1 <= len(document[name]) <= 1024 and 1 <= len(name) <= 255
        assert 1 <= len(directive["Metrics"]) <= 100
        for metric in directive["Metrics"]:
            assert set(metric) == {"Name", "Unit"} and metric["Unit"] in UNITS and 1 <= len(metric["Name"]) <= 255
            is_a_target(document[metric["Name"]])
    return document


def is_a_target(value: Any) -> None:
    if isinstance(value, dict):
        assert set(value) == {"Values", "Counts", "Min", "Max", "Count", "Sum"}
        assert 1 <= len(value["Values"]) == len(value["Counts"]) <= 100
        assert value["Min"] <= min(value["Values"]) and max(value["Values"]) <= value["Max"]
        assert value["Count"] == sum(value["Counts"]) and min(value["Counts"]) > 0
    else:
        assert isinstance(value, (int, float)) and not isinstance(value, bool)


class Written:
    """What was written, and the snapshot that is read next."""

    def __init__(self, **options: Any) -> None:
        self.stream = io.StringIO()
        self.now: list[Snapshot] = []
        self.metrics = EmbeddedMetrics(self.stream, read=lambda: self.now, **options)

    def lines(self, *now: Snapshot) -> list[dict[str, Any]]:
        self.now = list(now)
        begin = self.stream.tell()
        self.metrics.write()
        return [conforms(line) for line in self.stream.getvalue()[begin:].splitlines()]


def totals(lines: list[dict[str, Any]], name: str, side: str) -> int:
    return sum(line.get(name, 0) for line in lines if line.get("side") == side)


def test_one_line_for_the_flag_and_one_for_each_side_that_did_anything() -> None:
    about, legacy = Written(dimensions={"service": "shop"}).lines(snapshot(legacy=side([0.1, 0.2], errors=1)))
    assert (about["cutover.rollout_percentage"], about["cutover.mismatches_total"]) == (25.0, 0)
    assert about["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service", "flag"]]
    assert about["_aws"]["Timestamp"] == 1_060_000
    assert (legacy["flag"], legacy["side"], legacy["service"]) == ("search", "legacy", "shop")
    assert legacy["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service", "flag", "side"]]
    assert (legacy["cutover.requests_total"], legacy["cutover.errors_total"]) == (2, 1)
    assert legacy["cutover.fallbacks_total"] == 0
    assert legacy["cutover.response_time"]["Counts"] == [1, 1]
    assert legacy["cutover.response_time"]["Sum"] == pytest.approx(0.3, rel=ERROR)


@given(st.lists(TIMES, min_size=1, max_size=4))
def test_the_lines_of_all_times_add_up_to_what_was_counted(batches: list[list[float]]) -> None:
    written, times, lines = Written(), list[float](), list[dict[str, Any]]()
    for batch in batches:
        times += batch
        lines += written.lines(snapshot(candidate=side(times, fallbacks=len(times) // 2)))
    assert totals(lines, "cutover.requests_total", "candidate") == len(times)
    assert totals(lines, "cutover.fallbacks_total", "candidate") == len(times) // 2
    found: Counter[float] = Counter()
    for line in lines:
        if (seen := line.get("cutover.response_time")) is not None:
            found.update(dict(zip(seen["Values"], seen["Counts"], strict=True)))
    assert found.total() == len(times)
    for true, seen in zip(sorted(times), sorted(found.elements()), strict=True):
        assert abs(seen - true) <= (ERROR + 1e-9) * true


def test_more_than_a_hundred_values_are_split_and_counts_stand_in_the_first_line_only() -> None:
    lines = Written().lines(snapshot(legacy=side([1e-5 * 1.05**n for n in range(250)])))[1:]
    assert len(lines) == 3
    assert [line.get("cutover.requests_total") for line in lines] == [250, None, None]
    assert sum(line["cutover.response_time"]["Count"] for line in lines) == 250


def test_nothing_new_is_told_of_a_side_that_did_nothing() -> None:
    written, one = Written(), snapshot(legacy=side([0.1]), compared=1)
    assert len(written.lines(one)) == 2
    (about,) = written.lines(one)
    assert (about["cutover.compared_total"], about["cutover.rollout_percentage"]) == (0, 25.0)


@pytest.mark.parametrize(
    "anew",
    [
        replace(snapshot(legacy=side([0.1])), began_at=2000.0),
        snapshot(legacy=side([0.5])),
        snapshot(legacy=side([0.1], errors=0), candidate=side()),
    ],
)
def test_counts_that_began_anew_are_told_whole(anew: Snapshot) -> None:
    written = Written()
    written.lines(snapshot(legacy=side([0.1, 0.1], errors=1)))
    lines = written.lines(anew)
    assert totals(lines, "cutover.requests_total", "legacy") == 1
    assert totals(lines, "cutover.errors_total", "legacy") == 0


def test_what_could_not_be_written_is_written_the_next_time(tmp_path: Path) -> None:
    now = [snapshot(legacy=side([0.1]))]
    metrics = EmbeddedMetrics(tmp_path / "none" / "log", read=lambda: now)
    with pytest.raises(FileNotFoundError):
        metrics.write()
    (tmp_path / "none").mkdir()
    metrics.close()
    now = [snapshot(legacy=side([0.1, 0.2]))]
    metrics.write()
    lines = [conforms(line) for line in (tmp_path / "none" / "log").read_text(encoding="utf-8").splitlines()]
    assert [line["cutover.requests_total"] for line in lines if "side" in line] == [1, 1]


def test_standard_output_is_where_it_goes_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    EmbeddedMetrics(read=lambda: [snapshot()]).write()
    assert conforms(capsys.readouterr().out.strip())["flag"] == "search"


def test_a_thread_writes_and_the_end_does(tmp_path: Path) -> None:
    now = [snapshot(legacy=side([0.1]))]
    metrics = EmbeddedMetrics(tmp_path / "log", read=lambda: now, every=3600)
    metrics.close()
    metrics.close()
    assert len((tmp_path / "log").read_text(encoding="utf-8").splitlines()) == 2


@pytest.mark.parametrize("namespace", ["", "AWS/Lambda", "with blank", "x" * 256, "tab\t"])
def test_a_namespace_that_would_be_refused(namespace: str) -> None:
    with pytest.raises(ValueError, match="is no namespace"):
        EmbeddedMetrics(namespace=namespace)


@pytest.mark.parametrize(
    ("dimensions", "why"),
    [
        ({"flag": "x"}, "no name of a dimension"),
        ({"_aws": "x"}, "no name of a dimension"),
        ({"cutover.requests_total": "x"}, "no name of a dimension"),
        ({":colon": "x"}, "no name of a dimension"),
        ({"": "x"}, "no name of a dimension"),
        ({"service": ""}, "no value"),
        ({"service": " "}, "no value"),
        ({"service": "é"}, "no value"),
        ({"service": "x" * 1025}, "no value"),
        ({"service": 5}, "no value"),
        ({f"d{n}": "x" for n in range(29)}, "29 dimensions"),
    ],
)
def test_dimensions_that_would_be_refused(dimensions: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        EmbeddedMetrics(dimensions=dimensions)
    assert Written(dimensions={f"d{n}": "x" for n in range(28)}).lines(snapshot())
