"""A figure that nobody has seen since the run began is not too little to judge: its source is asked for something that is not there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from cutover.core.clock import Deadline
from cutover.core.series import Gap, Reading, Sample, Span, judged
from cutover.looks import AGAIN, GRACE, QUICK, WITHIN, Looks, _Wanted

BEGAN = 1_000_000.0
KEY = ("orders", "green")


@dataclass
class Source:
    """Has samples at `there`; `dead` while it does not answer."""

    there: list[float] = field(default_factory=list)
    dead: bool = False
    spans: list[Span] = field(default_factory=list)
    within: list[float] = field(default_factory=list)

    def read_all(self, wanted: Mapping[tuple[str, str], Span], deadline: Deadline) -> dict[tuple[str, str], Reading]:
        self.spans += wanted.values()
        self.within.append(deadline.remaining())
        return {key: self._one(span) for key, span in wanted.items()}

    def _one(self, span: Span) -> Reading:
        if self.dead:
            return Reading.unreachable("no answer")
        found = [Sample(BEGAN + at, 1.0) for at in self.there if span.since <= BEGAN + at <= span.until]
        return judged(found, span, delay=0.0, remembers=False)


@dataclass
class Looking:
    """Looks once at a time, at moments of our own."""

    source: Source
    monkeypatch: pytest.MonkeyPatch
    began: float | None = BEGAN
    at: float = 0.0

    def __post_init__(self) -> None:
        self.looks = Looks(
            lambda: self.source,  # type: ignore[arg-type, return-value]
            dict,
            now=lambda: BEGAN + self.at,
            began=lambda: self.began,
        )
        self.monkeypatch.setattr("cutover.looks.time.monotonic", lambda: 5.0 + self.at)

    def look(self, at: float, seconds: float = 20.0) -> Gap | None:
        self.at = at
        wanted = _Wanted("orders", "green", seconds, 1.0)
        self.looks._one_round([wanted])
        return self.looks._read[wanted][1].gap


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> Looking:
    return Looking(Source(), monkeypatch)


def test_after_its_time_it_was_never_there_and_it_may_still_come(looking: Looking) -> None:
    source = looking.source
    assert [looking.look(at) for at in (10, 30, 10 + GRACE - 1)] == [Gap.NO_DATA] * 3
    assert all(span.until - span.since < 60 for span in source.spans)
    assert looking.look(10 + GRACE) is Gap.NEVER_THERE
    assert (source.spans[-1].since, source.spans[-1].until) == (BEGAN, BEGAN + 10 + GRACE)
    asked = len(source.spans)
    assert looking.look(20 + GRACE) is Gap.NEVER_THERE and len(source.spans) == asked + 1, "it was asked a moment ago"
    assert looking.look(10 + GRACE + AGAIN) is Gap.NEVER_THERE and len(source.spans) == asked + 3
    source.there = [80 + GRACE]
    assert looking.look(81 + GRACE) is None
    assert [looking.look(GRACE + later) for later in (400, 900)] == [Gap.NO_DATA] * 2, "it was there once"


def test_a_longer_condition_waits_for_longer(looking: Looking) -> None:
    long = 2 * GRACE
    assert looking.look(0, long) is Gap.NO_DATA
    assert looking.look(long - 1, long) is Gap.NO_DATA
    assert looking.look(long, long) is Gap.NEVER_THERE


def test_what_was_there_before_this_process_began_is_known_from_the_source(looking: Looking) -> None:
    looking.source.there = [5.0]
    assert looking.look(5000) is Gap.NO_DATA and looking.look(5000 + GRACE) is Gap.NO_DATA
    assert looking.look(9000) is Gap.NO_DATA
    before_the_run = Looking(Source([-100.0]), looking.monkeypatch)
    assert before_the_run.look(150) is Gap.NO_DATA and before_the_run.look(150 + GRACE) is Gap.NEVER_THERE


def test_a_source_that_does_not_say_so_has_not_said_so(looking: Looking) -> None:
    looking.look(0)
    looking.source.dead = True
    assert looking.look(GRACE) is Gap.UNREACHABLE
    looking.source.dead = False
    assert looking.look(GRACE + 1) is Gap.NEVER_THERE
    assert looking.source.within[-1] <= QUICK < WITHIN, "the others' figures grow old meanwhile"


def test_without_a_run_there_is_no_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    looking = Looking(Source(), monkeypatch, began=None)
    assert looking.look(0) is Gap.NO_DATA and looking.look(10_000) is Gap.NO_DATA
