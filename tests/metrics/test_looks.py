"""Figures read beside the walk: together, not too often, and a source that hangs is a gap and holds up nobody."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping

import pytest

from cutover.core.clock import Deadline
from cutover.core.series import Gap, Reading, Sample, Span
from cutover.looks import IDLE, Looks
from cutover.metrics.figures import Asked


class Sources:
    """Counts what is asked; `hold` stops its answers."""

    def __init__(self) -> None:
        self.rounds: list[Mapping[tuple[str, str], Span]] = []
        self.go = threading.Event()
        self.go.set()

    def read_all(self, wanted: Mapping[tuple[str, str], Span], deadline: Deadline) -> dict[tuple[str, str], Reading]:
        self.rounds.append(dict(wanted))
        self.go.wait(30)
        return {asked: Reading((Sample(span.until, span.until - span.since),)) for asked, span in wanted.items()}


@pytest.fixture
def sources() -> Sources:
    return Sources()


@pytest.fixture
def looks(sources: Sources) -> Iterator[Looks]:
    made = Looks(lambda: sources, lambda: {"p95": 7.0})  # type: ignore[arg-type, return-value]
    yield made
    sources.go.set()
    made.close()


def span(seconds: float) -> Span:
    now = time.time()
    return Span(now - seconds, now, 15.0)


def test_what_will_be_asked_is_read_together_and_once(looks: Looks, sources: Sources) -> None:
    looks.want([Asked("p95", "green", span(60)), Asked("p95", "blue", span(60)), Asked("p95", "green", span(300))])
    assert looks.read("p95", "green", span(60)).samples[0].value == pytest.approx(60)
    assert looks.read("p95", "green", span(300)).samples[0].value == pytest.approx(300)
    for _ in range(50):
        looks.read("p95", "blue", span(60))
    assert [sorted(one) for one in sources.rounds] == [[("p95", "blue"), ("p95", "green")], [("p95", "green")]]


def test_a_source_that_hangs_is_unreachable_after_a_while(
    looks: Looks, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cutover.looks.WITHIN", 0.2)
    sources.go.clear()
    began = time.monotonic()
    found = looks.read("p95", "green", span(60))
    assert found.gap is Gap.UNREACHABLE and "not read within" in found.seen
    assert time.monotonic() - began < 10


def test_what_was_read_long_ago_says_nothing(looks: Looks, sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    assert looks.read("p95", "green", span(60)).gap is None
    sources.go.clear()
    now = time.monotonic()
    monkeypatch.setattr("cutover.looks.time.monotonic", lambda: now + 300)
    found = looks.read("p95", "green", span(60))
    assert found.gap is Gap.UNREACHABLE and "last read" in found.seen


def test_the_baseline_is_what_was_recorded(looks: Looks) -> None:
    assert looks.baseline("p95") == 7.0 and looks.baseline("p99") is None


def test_after_the_end_no_thread_is_left(looks: Looks, sources: Sources) -> None:
    looks.read("p95", "green", span(60))
    looks.close()
    for thread in [one for one in threading.enumerate() if one.name == "looks"]:
        thread.join(10)
        assert not thread.is_alive()


def test_whoever_does_not_look_any_more_asks_nothing(
    looks: Looks, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks.read("p95", "green", span(60))
    now: Callable[[], float] = time.monotonic
    monkeypatch.setattr("cutover.looks.time.monotonic", lambda: now() + IDLE + 100)
    due, _ = looks._due()
    assert due == []


def test_many_first_looks_at_what_hangs_wait_once_together(
    looks: Looks, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cutover.looks.WITHIN", 0.3)
    sources.go.clear()
    looks.read("p95", "green", span(60))
    end = looks._patient
    assert end is not None and end <= time.monotonic()
    for number in range(20):
        assert looks.read(f"figure-{number}", "green", span(60)).gap is Gap.UNREACHABLE
    assert looks._patient == end, "nobody waited anew"


def test_a_later_first_look_waits_for_its_figure_where_nobody_has_waited_in_vain(
    looks: Looks, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks.read("p95", "green", span(60))
    now: Callable[[], float] = time.monotonic
    monkeypatch.setattr("cutover.looks.time.monotonic", lambda: now() + 15)
    assert looks.read("takings", "blue", span(600)).samples[0].value == pytest.approx(600)
