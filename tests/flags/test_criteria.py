"""When a candidate may get more keys: limits, too little, too old, too near, and counts of processes added up."""

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from cutover.flags.counts import Counted, counted
from cutover.flags.criteria import Answer, Limits, judged, verdict
from cutover.routing.histogram import Histogram, bin_of
from cutover.routing.snapshot import Side, Snapshot

NOW = 1_800_000_000.0
LIMITS = Limits(at_least=100)


def times(milliseconds: float, count: int) -> Histogram:
    return Histogram({bin_of(milliseconds / 1000): count}, milliseconds * count / 1000)


def snapshot(**candidate: int) -> Snapshot:
    side = Side(requests=1000, response_time=times(60, 1000))
    return Snapshot(
        flag="a", share=Decimal(25), began_at=NOW - 900, taken_at=NOW - 10,
        legacy=Side(requests=3000, response_time=times(50, 3000)), candidate=replace(side, **candidate),  # type: ignore[arg-type]
    )  # fmt: skip


def of(one: Snapshot | None, **more: object) -> Counted:
    taken = one.taken_at if one else None
    known = Counted(one, taken, {"process": float(one.share)} if one else {}, {})
    return replace(known, **more)  # type: ignore[arg-type]


def said(
    found: Counted, share: float | None = 25.0, complaints: str | None = "none", limits: Limits = LIMITS
) -> tuple[str, dict[str, str]]:
    rows = judged(found, share, limits, complaints, "application", NOW)
    return verdict(rows), {row.name: row.answer.value for row in rows if row.answer is not Answer.WELL}


def test_all_well_is_ready() -> None:
    assert said(of(snapshot())) == ("READY", {})


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"errors": 50}, "error rate"),  # 5 % is not below 5 %
        ({"fallbacks": 10}, "fallback rate"),
        ({"fallbacks": 10, "shadows": 0}, "fallback rate"),
    ],
)
def test_a_limit_that_is_reached_is_a_rollback(changed: dict[str, int], name: str) -> None:
    assert said(of(snapshot(**changed))) == ("ROLL BACK", {name: "failed"})
    less = {word: count - 1 for word, count in changed.items() if count}
    assert said(of(snapshot(**less))) == ("READY", {})


@pytest.mark.parametrize(
    ("milliseconds", "wanted"),
    [(140, ("READY", {})), (160, ("ROLL BACK", {"p95": "failed"})), (150, ("HOLD", {"p95": "insufficient"}))],
)
def test_slower_than_legacy_by_the_limit(milliseconds: float, wanted: tuple[str, dict[str, str]]) -> None:
    slow = replace(snapshot(), candidate=Side(requests=1000, response_time=times(milliseconds, 1000)))
    assert said(of(slow)) == wanted


def test_with_too_little_nothing_fails_and_nothing_is_well() -> None:
    few = replace(snapshot(), candidate=Side(requests=99, errors=99, fallbacks=99, response_time=times(9000, 99)))
    ending, rows = said(of(few))
    assert (ending, rows) == ("HOLD", dict.fromkeys(("requests", "error rate", "fallback rate", "p95"), "insufficient"))
    ending, rows = said(of(replace(snapshot(), legacy=Side(requests=3, response_time=times(50, 3)))))
    assert (ending, rows) == ("HOLD", {"p95": "insufficient"})


@pytest.mark.parametrize(
    ("found", "share", "rows"),
    [
        (of(snapshot(), oldest=NOW - 301), 25.0, {"fresh"}),
        (of(replace(snapshot(), taken_at=NOW + 301), oldest=NOW), 25.0, {"fresh"}),
        (of(snapshot(), unread={"http://b": "does not answer"}), 25.0, {"counts"}),
        (of(snapshot(), shares={"a": 25.0, "b": 5.0}), 25.0, {"in force"}),
        (of(snapshot()), None, {"in force"}),
        (of(None), 25.0, {"counts", "fresh", "in force", "requests", "error rate", "fallback rate", "p95"}),
    ],
)
def test_what_is_not_known_holds(found: Counted, share: float | None, rows: set[str]) -> None:
    assert said(found, share) == ("HOLD", dict.fromkeys(rows, "insufficient"))


def test_complaints_are_attested_and_one_of_them_is_enough() -> None:
    assert said(of(snapshot()), complaints=None) == ("HOLD", {"complaints": "insufficient"})
    assert said(of(None), complaints="search finds nothing")[0] == "ROLL BACK"


@pytest.fixture
def shown(tmp_path: Path) -> Callable[[str, object], str]:
    def write(name: str, document: object) -> str:
        path = tmp_path / name
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return str(path)

    return write


def test_processes_are_added_up_and_the_oldest_counts(shown: Callable[[str, object], str]) -> None:
    one, other = snapshot(errors=3), replace(snapshot(errors=4), taken_at=NOW - 100, share=Decimal(5))
    unrelated = replace(snapshot(), flag="b").document()
    places = [shown("one", one.document()), shown("two", [unrelated, other.document()])]
    found = counted("a", places)
    assert found.total is not None and (found.total.candidate.requests, found.total.candidate.errors) == (2000, 7)
    assert (found.oldest, found.shares, found.unread) == (NOW - 100, {places[0]: 25.0, places[1]: 5.0}, {})


ODD = {
    "no file": None,
    "no JSON": "{",
    "no snapshot": {"flag": "a"},
    "a list of nothing": [1],
    "another flag": {"flag": "b"},
    "text for a count": {**snapshot().document(), "compared": "7"},
    "less than none": {**snapshot().document(), "mismatches": -1},
    "a share beyond": {**snapshot().document(), "share": 101},
    "no time": {**snapshot().document(), "taken_at": None},
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("name", ODD)
def test_what_cannot_be_read_is_said_and_counts_nothing(name: str, shown: Callable[[str, object], str]) -> None:
    place = "/nowhere/at/all" if ODD[name] is None else shown("odd", ODD[name])
    good = shown("good", snapshot().document())
    found = counted("a", [place, good])
    assert list(found.unread) == [place] and found.unread[place]
    assert found.total == snapshot() and list(found.shares) == [good]


def test_nobody_answers_at_an_address() -> None:
    found = counted("a", ["http://127.0.0.1:1/router"])
    assert found.total is None and "does not answer" in found.unread["http://127.0.0.1:1/router"]
