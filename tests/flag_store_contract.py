"""What every store of flags promises (cutover/routing/store.py), as one test for all of them."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from cutover.routing.flag import Flag
from cutover.routing.store import Conflict, Store

NOW = datetime(2026, 11, 26, 22, 0, tzinfo=UTC)
FLAG = Flag(name="suggestions", description="Wörter \u2028 \U0001f600", enabled=True, share=Decimal("12.34"), salt="s",
            reason="a 'reason' with \"quotes\"; --", author="mia", changed_at=NOW, more={"owner": {"team": [1, 2.5, None]}})  # fmt: skip


def holds(opened: Callable[[], Store], writers: int = 4) -> None:
    """`opened` gives another handle on the same, still empty store, as another process would have it."""
    store, other = opened(), opened()
    assert not store.all()

    before = other.mark()
    stored = store.put(FLAG, 0)
    assert stored == replace(FLAG, version=1)
    assert other.mark() != before, "another process does not see that something changed"
    assert dict(other.all()) == {FLAG.name: stored}
    while other.mark() != other.mark():  # it settles, though not at once
        pass

    with pytest.raises(Conflict) as refused:
        other.put(replace(FLAG, share=Decimal(50)), 0)
    assert refused.value.found == stored
    with pytest.raises(Conflict):
        other.put(replace(FLAG, share=Decimal(50)), 2)
    with pytest.raises(Conflict) as refused:
        other.put(Flag(name="unknown"), 1)
    assert refused.value.found is None
    assert dict(store.all()) == {FLAG.name: stored}, "a refused change was written"

    second = other.put(Flag(name="second"), 0)
    moved = other.put(stored.at(50, reason="soak is over", author="ben", now=NOW), 1)
    assert moved.version == 2 and moved.more == FLAG.more
    assert dict(store.all()) == {FLAG.name: moved, "second": second}

    before = store.mark()
    changed = threading.Thread(target=lambda: other.put(moved.rolled_back(reason="p95", author="mia", now=NOW), 2))
    changed.start()
    while store.mark() == before:  # returns early or late, and never hangs
        store.wait(before, 5.0)
    changed.join()
    assert flag(store, FLAG.name).buckets == 0

    _one_wins(opened, writers)


def flag(store: Store, name: str) -> Flag:
    found = store.all()[name]
    assert isinstance(found, Flag), found
    return found


def _one_wins(opened: Callable[[], Store], writers: int) -> None:
    """Of several that write over the same version at the same time, one does and the others are told."""
    version, won, lost = flag(opened(), "second").version, list[Flag](), list[Conflict]()
    ready = threading.Barrier(writers)

    def write(number: int) -> None:
        store = opened()
        ready.wait()
        try:
            won.append(store.put(Flag(name="second", author=f"writer {number}"), version))
        except Conflict as conflict:
            lost.append(conflict)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, writers - 1)
    assert flag(opened(), "second") == won[0]
