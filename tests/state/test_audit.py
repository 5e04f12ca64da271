"""An audit of a journal that somebody has meddled with: hundreds of mutations, each found at its place, or named as not findable."""

import json
import random
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from test_sqlite_journal import UNGUARDED

from cutover.core.audit import Audit, audit
from cutover.core.journal import Entry
from cutover.core.plain import canonical
from cutover.state.chain import JournalBroken
from cutover.state.sqlite import SqliteState

COUNT = 40
ROUNDS = 40  # of each kind of meddling
KINDS = ("intent", "converged", "passed", "phase-entered", "leg-ended")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    """The entries of two runs, as they were written."""
    state = SqliteState(tmp_path_factory.mktemp("whole") / "journal.sqlite")
    try:
        lease = state.acquire(who="ann", operation="test")
        for number in range(COUNT):
            data = {"step": f"s{number}", "seen": "läuft ✓", "seconds": number / 7}
            state.append(f"r{1 + number // 25}", KINDS[number % len(KINDS)], data, lease)
        return list(state.entries())
    finally:
        state.close()


@dataclass
class Meddled:
    """The rows as somebody else would write them, and where the first trace of that has to be found."""

    entries: list[Entry]
    number: int
    kinds: tuple[str, ...]


def edited(entries: list[Entry], dice: random.Random) -> Meddled:
    """One field says something else."""
    at = dice.randrange(len(entries))
    one = entries[at]
    field = dice.choice(["run", "at", "token", "kind", "data", "prev", "hash"])
    values: dict[str, Any] = {
        "run": one.run + "x",
        "at": one.at + dice.choice([-1.0, 0.001]),
        "token": one.token + 1,
        "kind": dice.choice([kind for kind in KINDS if kind != one.kind]),
        "data": {**one.data, "seen": "läuft nicht"},
        "prev": entries[at - 2].hash,
        "hash": "f" * 64,
    }
    entries[at] = replace(one, **{field: values[field]})
    return Meddled(entries, at + 1, ("edited",))


def sealed_anew(entries: list[Entry], dice: random.Random) -> Meddled:
    """One entry says something else, and its own hash is right: the next one was written after another entry."""
    at = dice.randrange(len(entries) - 1)
    entries[at] = sealed(replace(entries[at], data={"step": "forged"}))
    return Meddled(entries, at + 2, ("exchanged",))


def taken_out(entries: list[Entry], dice: random.Random) -> Meddled:
    """Some entries that follow each other are gone."""
    at = dice.randrange(len(entries) - 1)
    end = min(len(entries) - 1, at + dice.randrange(1, 5))
    return Meddled(entries[:at] + entries[end:], at + 1, ("missing",))


def taken_out_and_numbered_anew(entries: list[Entry], dice: random.Random) -> Meddled:
    found = taken_out(entries, dice)
    return replace(found, entries=numbered(found.entries))


def put_in(entries: list[Entry], dice: random.Random) -> Meddled:
    """One more entry stands in between, sealed as if it belonged there; the later ones got other numbers."""
    at = dice.randrange(len(entries))
    prev = entries[at - 1].hash if at else "0" * 64
    more = sealed(replace(entries[at], seq=at + 1, prev=prev, data={"step": "forged"}))
    rest = [replace(one, seq=one.seq + 1) for one in entries[at:]]
    return Meddled([*entries[:at], more, *rest], at + 2, ("inserted",))


def put_in_unsealed(entries: list[Entry], dice: random.Random) -> Meddled:
    at = dice.randrange(len(entries))
    more = replace(entries[at], seq=at + 1, data={"step": "forged"}, hash=f"{dice.getrandbits(256):064x}")
    rest = [replace(one, seq=one.seq + 1) for one in entries[at:]]
    return Meddled([*entries[:at], more, *rest], at + 1, ("inserted",))


def moved(entries: list[Entry], dice: random.Random) -> Meddled:
    """Two entries stand in each other's place."""
    one, two = sorted(dice.sample(range(len(entries)), 2))
    entries[one], entries[two] = entries[two], entries[one]
    return Meddled(numbered(entries), one + 1, ("reordered",))


def cut_off(entries: list[Entry], dice: random.Random) -> Meddled:
    """The tail is gone: by itself the rest is whole."""
    at = dice.randrange(1, len(entries))
    return Meddled(entries[:at], at + 1, ("noted-head-missing",))


def written_anew(entries: list[Entry], dice: random.Random) -> Meddled:
    """From one entry on all of it was sealed again: by itself it is whole."""
    at = dice.randrange(len(entries))
    entries[at] = replace(entries[at], data={"step": "forged"})
    for number in range(at, len(entries)):
        prev = entries[number - 1].hash if number else "0" * 64
        entries[number] = sealed(replace(entries[number], prev=prev))
    return Meddled(entries, len(entries) + 1, ("noted-head-missing",))


def sealed(one: Entry) -> Entry:
    return replace(one, hash=Entry.seal(one.seq, one.run, one.at, one.token, one.kind, one.data, one.prev))


def numbered(entries: list[Entry]) -> list[Entry]:
    return [replace(one, seq=number) for number, one in enumerate(entries, 1)]


SHOWN = (edited, sealed_anew, taken_out, taken_out_and_numbered_anew, put_in, put_in_unsealed, moved)
UNSEEN = (cut_off, written_anew)
Meddling = Callable[[list[Entry], random.Random], Meddled]


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[list[Entry], str], Audit]]:
    """Writes these entries into the file of a journal behind its back, and audits it as a person would."""
    path = tmp_path_factory.mktemp("copy") / "journal.sqlite"
    state = SqliteState(path)
    db = sqlite3.connect(path)
    db.executescript(UNGUARDED)

    def audited(entries: list[Entry], noted: str) -> Audit:
        with db:
            db.execute("DELETE FROM entries")
            for e in entries:
                row = (e.seq, e.run, e.at, e.token, e.kind, canonical(e.data), e.prev, e.hash)
                db.execute("INSERT INTO entries VALUES (?,?,?,?,?,?,?,?)", row)
        return audit(state.rows(), noted)

    yield audited
    db.close()
    state.close()


def test_the_untouched_journal_is_whole(whole: list[Entry], copied: Callable[[list[Entry], str], Audit]) -> None:
    found = copied(list(whole), whole[9].hash)
    assert (found.broken, found.noted_at, found.head) == (None, 10, whole[-1].hash)
    assert list(found.entries) == whole


@pytest.mark.parametrize("meddling", SHOWN, ids=lambda one: one.__name__)
def test_each_mutation_is_found_where_it_is(
    whole: list[Entry], copied: Callable[[list[Entry], str], Audit], meddling: Meddling
) -> None:
    for seed in range(ROUNDS):
        meddled = meddling(list(whole), random.Random(seed))
        found = copied(meddled.entries, "")
        assert found.broken is not None, (meddling.__name__, seed)
        assert (found.broken.number, found.broken.kind in meddled.kinds) == (meddled.number, True), (seed, found.broken)
        assert len(found.entries) == meddled.number - 1
        standing = meddled.entries[meddled.number - 1]
        assert [found.broken.field(name) for name in ("seq", "run", "at", "kind")] == [
            standing.seq,
            standing.run,
            standing.at,
            standing.kind,
        ]


@pytest.mark.parametrize("meddling", UNSEEN, ids=lambda one: one.__name__)
def test_what_is_whole_by_itself_is_found_by_the_hash_that_somebody_noted(
    whole: list[Entry], copied: Callable[[list[Entry], str], Audit], meddling: Meddling
) -> None:
    for seed in range(ROUNDS):
        meddled = meddling(list(whole), random.Random(seed))
        assert copied(meddled.entries, "").broken is None, "a chain alone does not show it"
        found = copied(meddled.entries, whole[-1].hash[:12].upper())
        assert found.broken is not None and (found.broken.kind, found.broken.number) == (
            "noted-head-missing",
            meddled.number,
        )


@pytest.mark.parametrize(
    ("sql", "place", "said"),
    [
        ("UPDATE entries SET data = 'no json' WHERE seq = 7", 7, "its data is no JSON"),
        ("UPDATE entries SET data = '[]' WHERE seq = 7", 7, "it is no entry"),
        (f"UPDATE entries SET data = '{'[' * 100_000}' WHERE seq = 7", 7, "nested too deeply"),
        ("UPDATE entries SET at = 'yesterday' WHERE seq = 7", 7, "it is no entry"),
        ("UPDATE entries SET run = x'00ff' WHERE seq = 7", 7, "it is no entry"),
        ("UPDATE entries SET kind = CAST(x'ff' AS TEXT) WHERE seq = 7", 7, "decode"),
    ],
)
def test_what_is_no_entry_any_more_has_its_place(tmp_path: Path, sql: str, place: int, said: str) -> None:
    state = SqliteState(tmp_path / "journal.sqlite")
    lease = state.acquire(who="ann", operation="test")
    for number in range(9):
        state.append("r1", "note", {"n": number}, lease)
    db = sqlite3.connect(tmp_path / "journal.sqlite")
    db.executescript(UNGUARDED + sql)
    db.close()
    found = audit(state.rows()).broken
    state.close()
    assert found is not None and (found.kind, found.number) == ("unreadable", place)
    assert said in found.seen
    json.dumps(found.seen)


@pytest.mark.parametrize(
    "data", ['{"seen": "\\ud800"}', '{"seen": ' + "[" * 900 + "]" * 900 + "}"], ids=["half", "deep"]
)
def test_what_was_never_sealed_like_that_is_edited(tmp_path: Path, data: str) -> None:
    state = SqliteState(tmp_path / "journal.sqlite")
    lease = state.acquire(who="ann", operation="test")
    for number in range(4):
        state.append("r1", "note", {"n": number}, lease)
    db = sqlite3.connect(tmp_path / "journal.sqlite")
    db.executescript(UNGUARDED)
    with db:
        db.execute("UPDATE entries SET data = ? WHERE seq = 3", (data,))
    db.close()
    found = audit(state.rows()).broken
    with pytest.raises(JournalBroken, match="entry 3 was changed"):
        state.entries()
    state.close()
    assert found is not None and (found.kind, found.number) == ("edited", 3)


def test_a_protection_that_somebody_took_away_is_missed(tmp_path: Path) -> None:
    state = SqliteState(tmp_path / "journal.sqlite")
    state.append("r1", "note", {}, state.acquire(who="ann", operation="test"))
    assert audit(state.rows()).note == ""
    db = sqlite3.connect(tmp_path / "journal.sqlite")
    db.executescript("DROP TRIGGER entries_kept")
    db.close()
    found = audit(state.rows())
    state.close()
    assert found.broken is None and "entries_kept" in found.note
