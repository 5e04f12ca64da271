"""Events: one JSON line for each call, and a request never waits for the disk."""

import io
import json
import os
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cutover.routing import Events, Flag, Flags, MemoryStore, Router, dual_run


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def router(share: int, events: Events, candidate: Any = str, **options: Any) -> Any:
    flags = Flags(MemoryStore(Flag(name="a", enabled=True, share=Decimal(share), version=3)), environ={})
    return Router(
        "a", legacy=repr, candidate=candidate, key=lambda one: "secret", flags=flags, events=events, **options
    )


def fails(one: object) -> str:
    raise LookupError("secret")


def test_success_failure_and_fallback_are_told(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    events = Events(path)
    router(0, events)("x")
    router(100, events)("x")
    router(100, events, fails)("x")
    failing = Router("a", legacy=fails, candidate=fails, key=id, flags=Flags(MemoryStore(), environ={}), events=events)
    with pytest.raises(LookupError):
        failing("x")
    assert events.flush(60) and events.dropped == 0
    found = lines(path.read_text())
    assert [(one["component"], one["outcome"], one["metadata"]["side"]) for one in found] == [
        ("a", "success", "legacy"), ("a", "success", "candidate"), ("a", "fallback", "legacy"), ("a", "failure", "legacy"),
    ]  # fmt: skip
    assert found[2]["metadata"] == {
        "side": "legacy",
        "share": 100.0,
        "version": 3,
        "why": "error",
        "error": "LookupError",
    }
    assert all(
        one["duration_ms"] >= 0 and one["at"].endswith("Z") and one["schema"] == "cutover.event/1" for one in found
    )
    assert "secret" not in path.read_text()


def test_a_mismatch_is_told() -> None:
    stream = io.StringIO()
    events = Events(stream)
    dual = router(0, events, dual_run=dual_run(sample=1.0, budget=60.0))
    dual("x")
    while not dual.snapshot().compared:
        pass
    assert events.flush(60)
    told = [one for one in lines(stream.getvalue()) if one["outcome"] == "mismatch"]
    assert [one["metadata"]["why"] for one in told] == ["$: str of 3 ≠ str of 1, from position 0"]


class Stuck(io.StringIO):
    """A disk that hangs."""

    def __init__(self) -> None:
        super().__init__()
        self.go, self.reached = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        self.go.wait()
        return super().write(text)


def test_a_disk_that_hangs_holds_no_request_and_what_is_dropped_is_counted() -> None:
    stream = Stuck()
    events = Events(stream, most=10)
    events.put("a", "success", 0.1)
    stream.reached.wait()
    for _ in range(25):
        events.put("a", "success", 0.1)
    assert events.dropped == 15 and not events.flush(0.01)
    stream.go.set()
    assert events.flush(60)
    assert len(lines(stream.getvalue())) == 11


def test_what_cannot_be_written_is_counted_and_the_next_is_tried(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    events = Events(folder / "events.jsonl")
    events.put("a", "success", 0.1)
    assert events.flush(60) and events.dropped == 1
    folder.mkdir()
    events.put("a", "success", 0.1, odd=object(), many=["x\n"])
    assert events.flush(60) and events.dropped == 1
    assert lines((folder / "events.jsonl").read_text())[0]["metadata"] == {"odd": "object", "many": ["x\n"]}


def test_a_log_that_is_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    events = Events(path)
    for number in range(2):
        events.put("a", "success", number)
        assert events.flush(60)
        path.rename(tmp_path / f"events.{number}")
    assert all(len(lines((tmp_path / f"events.{number}").read_text())) == 1 for number in range(2))


def test_a_forked_child_tells_its_own_and_counts_from_nothing(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    events = Events(path)
    one = router(100, events, budget=60.0)
    one("parent")
    assert events.flush(60)
    child = os.fork()
    if not child:
        try:
            one("child")
            events.flush(60)
            path.with_suffix(".child").write_text(str(one.snapshot().candidate.requests))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert path.with_suffix(".child").read_text() == "1"
    assert [each["outcome"] for each in lines(path.read_text())] == ["success", "success"]
