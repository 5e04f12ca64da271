"""Which share holds in a process: the store's, the last that was read while it is in trouble, or the override."""

import gc
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from stores_in_trouble import GONE, Fickle

from cutover.routing import FileStore, Flag, Flags, MemoryStore, use_flags, usual_flags
from cutover.routing.override import override, variable

NOW = datetime(2026, 11, 26, 22, 0, tzinfo=UTC)
HALF = Flag(name="a", enabled=True, share=Decimal(50), version=1)


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.005)


@pytest.mark.parametrize("inline", [True, False])
def test_what_was_last_read_holds_while_the_store_is_gone(inline: bool) -> None:
    store = Fickle(HALF, inline=inline)
    flags = Flags(store, every=0.0 if inline else 0.02, environ={}, patience=60)
    assert flags.standing("a").share == 50 and flags.standing("a").trouble == ""
    store.trouble = GONE
    eventually(lambda: flags.standing("a").trouble == "postgres:flags: connection refused")
    then = flags.age()
    assert flags.standing("a").share == 50 and then is not None
    eventually(lambda: (flags.age() or 0) > then)
    store.put(HALF.rolled_back(reason="r", author="m", now=NOW), 1)
    store.trouble = None
    eventually(lambda: flags.standing("a").share == 0)
    assert flags.standing("a").trouble == ""
    flags.close()


def test_a_store_that_never_answered_leaves_everything_with_legacy() -> None:
    store = Fickle(HALF)
    store.trouble = GONE
    flags = Flags(store, environ={})
    standing = flags.standing("a")
    assert (standing.share, standing.flag, standing.age) == (Decimal(0), None, None)
    assert "refused" in standing.trouble


def test_what_was_kept_holds_from_a_start_while_the_store_is_gone(tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    flags = Flags(Fickle(HALF, inline=False), environ={}, patience=60, kept=kept)
    eventually(kept.exists)
    flags.close()
    gone = Fickle(inline=False)
    gone.trouble = GONE
    again = Flags(gone, environ={}, patience=0.01, kept=kept)
    eventually(lambda: again.standing("a").trouble != "")
    assert (again.standing("a").share, again.standing("a").age) == (Decimal(50), None)
    gone.trouble = None
    eventually(lambda: again.standing("a").share == 0)
    eventually(lambda: kept.read_text() == "{}")
    again.close()


def test_what_cannot_be_kept_disturbs_nobody(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text('{"a": ')
    for kept in (tmp_path / "broken.json", tmp_path / "missing" / "kept.json"):
        flags = Flags(Fickle(HALF, inline=False), environ={}, patience=60, kept=kept)
        assert flags.standing("a").share == 50
        flags.close()


def test_a_text_of_an_unknown_exception_is_not_told_for_it_may_hold_a_password() -> None:
    store = Fickle(HALF)
    store.trouble = RuntimeError("postgres://shop:secret@db")
    assert Flags(store, environ={}).standing("a").trouble == "RuntimeError"


def test_a_start_does_not_wait_for_a_store_that_hangs() -> None:
    store = Fickle(HALF, inline=False)
    store.gate.clear()
    flags = Flags(store, environ={}, patience=0.01)
    assert flags.standing("a").share == 0
    store.gate.set()
    eventually(lambda: flags.standing("a").share == 50)
    flags.close()


def test_one_request_looks_and_the_others_go_on_with_what_is_known() -> None:
    """An inline store that hangs against its promise holds one request, not all."""
    store = Fickle(HALF)
    flags = Flags(store, every=0.0, environ={})
    flags.cell("a")
    store.gate.clear()
    held = threading.Thread(target=flags.look, args=(time.perf_counter(),))
    before = store.looks
    held.start()
    eventually(lambda: store.looks > before)
    assert flags.standing("a").share == 50
    store.gate.set()
    held.join()


def test_a_notification_is_heard_before_the_next_look() -> None:
    store = MemoryStore(HALF)
    store.inline = False
    flags = Flags(store, every=3600, environ={}, patience=60)
    assert flags.standing("a").share == 50
    store.put(HALF.at(75, reason="r", author="m", now=NOW), 1)
    eventually(lambda: flags.standing("a").share == 75)
    flags.close()
    store.put(HALF, 2)


def test_a_change_of_the_file_holds_from_the_next_look(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "flags.json")
    store.put(HALF, 0)
    flags = Flags(store, every=0.0, environ={})
    for number, share in enumerate(("12.34", "0", "100", "0.01")):
        store.put(HALF.at(share, reason="r", author="m", now=NOW), number + 1)
        assert flags.standing("a").share == Decimal(share)


@pytest.mark.parametrize("broken", ["", '{"a": {"sha', "[]", None])
def test_a_file_that_is_half_written_or_gone_changes_nothing_and_heals(tmp_path: Path, broken: str | None) -> None:
    path = tmp_path / "flags.json"
    store = FileStore(path)
    stored = store.put(HALF, 0)
    flags = Flags(store, every=0.0, environ={})
    if broken is None:
        path.unlink()
    else:
        path.write_text(broken)
    flags.due = 0.0
    assert flags.standing("a").share == 50 and "flags.json" in flags.standing("a").trouble
    path.write_text(f'{{"a": {stored.at(75, reason="r", author="m", now=NOW).text()}}}')
    eventually(lambda: flags.standing("a").share == 75)


def test_a_flag_that_cannot_be_read_stays_as_it_was_and_the_others_move(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_text('{"a": 50, "b": 50}')
    flags = Flags(FileStore(path), every=0.0, environ={})
    assert flags.standing("a").share == flags.standing("b").share == 50
    path.write_text('{"a": 500, "b": 0}')
    assert (int(flags.standing("a").share), int(flags.standing("b").share)) == (50, 0)
    assert "0 to 100" in flags.standing("a").trouble and flags.standing("b").trouble == ""


def test_a_flag_that_a_healthy_store_no_longer_has_is_off(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_text('{"a": 50}')
    flags = Flags(FileStore(path), every=0.0, environ={})
    assert flags.standing("a").share == 50
    path.write_text("{}")
    assert flags.standing("a").share == 0


def test_an_override_holds_and_ends_without_a_new_start() -> None:
    environ: dict[str, str] = {}
    flags = Flags(MemoryStore(HALF), every=0.0, environ=environ)
    seen = []
    for value in ("true", "FALSE ", "unset", "maybe", ""):
        environ["CUTOVER_FLAG_A"] = value
        standing = flags.standing("a")
        seen.append((int(standing.share), standing.override, standing.odd_override))
    assert seen == [(100, True, ""), (0, False, ""), (50, None, ""), (50, None, "maybe"), (50, None, "")]


def test_an_override_holds_for_a_flag_that_no_store_has_and_for_a_disabled_one() -> None:
    environ = {"CUTOVER_FLAG_NEW_SEARCH": "true", "CUTOVER_FLAG_OFF": "true"}
    flags = Flags(MemoryStore(Flag(name="off", version=1)), environ=environ)
    assert flags.standing("new-search").share == flags.standing("off").share == 100


def test_variables_are_named_after_the_flag() -> None:
    assert variable("new-search.v2") == "CUTOVER_FLAG_NEW_SEARCH_V2"
    assert override({"V": "TrUe"}, "V") == (True, "")
    assert override({"V": "1"}, "V") == (None, "1")


def test_trouble_is_logged_once_a_second_and_not_for_each_request(caplog: pytest.LogCaptureFixture) -> None:
    store = Fickle(HALF, where="postgres:once-a-second")
    flags = Flags(store, every=0.0, environ={})
    store.trouble = GONE
    with caplog.at_level(logging.WARNING, "cutover.routing"):
        for _ in range(100):
            flags.due = 0.0
            flags.look(time.perf_counter())
    assert 1 <= sum("once-a-second" in one.message for one in caplog.records) < 50


def test_flags_are_let_go() -> None:
    flags = Flags(MemoryStore(HALF), environ={})
    seen = weakref.ref(flags)
    del flags
    gc.collect()
    assert seen() is None


def test_the_flags_of_the_process_come_from_the_file_that_a_variable_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flags.json").write_text('{"a": 50}')
    monkeypatch.setenv("CUTOVER_FLAGS", str(tmp_path / "flags.json"))
    use_flags(None)
    try:
        assert usual_flags().standing("a").share == 50 and usual_flags() is usual_flags()
    finally:
        use_flags(None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_follows_the_store_by_itself() -> None:
    """The thread stays behind in the parent, as under a server that loads the application before it forks."""
    reading, writing = os.pipe()
    store = MemoryStore(HALF)
    store.inline = False
    flags = Flags(store, every=3600, environ={}, patience=60)
    assert flags.standing("a").share == 50
    child = os.fork()
    if not child:
        try:
            store.put(HALF.at(75, reason="r", author="m", now=NOW), 1)
            eventually(lambda: flags.standing("a").share == 75)
            os.write(writing, b"followed")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    assert os.read(reading, 100) == b"followed"
    os.close(reading)
    flags.close()
    store.put(HALF, 1)
