"""What every place for journal and lease must do, asked of each kind by test_store_contract.py."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from places import Kept

from cutover.core.audit import audit
from cutover.core.clock import SystemClock
from cutover.core.errors import LeaseHeld, LeaseLost
from cutover.core.journal import Entry, Journal, State
from cutover.core.lease import Lease
from cutover.state.chain import JournalBroken

OPERATORS = 20

Rule = Callable[[Kept], None]


class Askew(SystemClock):
    """A machine's clock that is `seconds` off."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now(self) -> float:
        return super().now() + self._seconds


@contextmanager
def opened(*states: State) -> Iterator[None]:
    try:
        yield
    finally:
        for state in states:
            state.close()


def filled(kept: Kept, count: int) -> list[Entry]:
    """That many entries, by a holder who has given the lease back."""
    state = kept.state()
    with opened(state):
        lease = state.acquire(who="ann", operation="fill")
        entries = [state.append("r1", "note", {"n": n, "seen": "läuft ✓"}, lease) for n in range(count)]
        state.release(lease)
    return entries


def entries_come_back_as_they_were_written(kept: Kept) -> None:
    ann, bob = kept.state(), kept.state()
    with opened(ann, bob):
        assert bob.entries() == [] and bob.holder() is None
        lease = ann.acquire(who="ann", operation="test")
        written = [
            ann.append("r1", "a", {"x": 1, "deep": {"list": [1, 2.5, None, True], "odd": float("nan")}}, lease),
            ann.append("r2", "b", {}, lease),
            ann.append("r1", "c", {"é": "\n'\"\\"}, lease),
        ]
        for state in (ann, bob):
            assert list(state.entries()) == written
            assert list(state.entries("r1")) == [written[0], written[2]]
        assert [entry.token for entry in written] == [lease.token] * 3


def a_changed_or_missing_entry_is_found(kept: Kept) -> None:
    entries = filled(kept, 5)
    state = kept.state()
    with opened(state):
        assert len(state.entries()) == 5
        kept.change(entries[2].seq)
        with pytest.raises(JournalBroken, match=rf"entry {entries[2].seq} was changed, or one before it is missing"):
            state.entries()
        kept.remove(entries[2].seq)
        with pytest.raises(JournalBroken, match=rf"entry {entries[3].seq} was changed, or one before it is missing"):
            state.entries()


def an_audit_reads_what_entries_refuse(kept: Kept) -> None:
    entries = filled(kept, 5)
    state = kept.state()
    with opened(state):
        whole = audit(state.rows(), entries[2].hash)
        assert (whole.broken, whole.noted_at, whole.head) == (None, entries[2].seq, entries[4].hash)
        assert [entry for entry in whole.entries if entry.run] == entries
        kept.change(entries[2].seq)
        broken = audit(state.rows()).broken
        assert broken is not None and (broken.kind, broken.number) == ("edited", entries[2].seq)
        assert (broken.field("run"), broken.field("kind")) == ("r1", "other")
        kept.remove(entries[2].seq)
        broken = audit(state.rows()).broken
        assert broken is not None and (broken.kind, broken.number) == ("missing", entries[2].seq)
        assert broken.field("seq") == entries[3].seq


def an_audit_of_nothing_is_whole(kept: Kept) -> None:
    state = kept.state()
    with opened(state):
        nothing = audit(state.rows())
        assert (nothing.broken, nothing.entries, nothing.head) == (None, (), "0" * 64)


def an_audit_finds_a_tail_that_was_cut_off(kept: Kept) -> None:
    """Where the head is noted beside the lease; elsewhere a hash that somebody noted finds it."""
    entries = filled(kept, 4)
    for entry in entries[2:]:
        kept.remove(entry.seq)
    state = kept.state()
    with opened(state):
        broken, noted = audit(state.rows()).broken, audit(state.rows(), entries[3].hash[:12]).broken
    assert noted is not None and noted.number == entries[2].seq
    if kept.anchored:
        assert broken is not None and (broken.kind, broken.number) == ("truncated", entries[2].seq)
    else:
        assert broken is None and noted.kind == "noted-head-missing"


def a_tail_that_was_cut_off_is_found(kept: Kept) -> None:
    entries = filled(kept, 4)
    for entry in entries[2:]:
        kept.remove(entry.seq)
    state = kept.state()
    with opened(state):
        with pytest.raises(JournalBroken, match=rf"entry {entries[2].seq} is missing.* up to {entries[3].seq}"):
            state.entries()
        with pytest.raises(JournalBroken, match="missing"):
            Journal(state, state.acquire(who="bob", operation="go on"), "r1")


def who_looks_again_and_again_gets_what_is_new(kept: Kept) -> None:
    state, other = kept.state(), kept.state()
    with opened(state, other):
        assert other.newer(None) == []
        lease = state.acquire(who="ann", operation="test")
        first = state.append("r1", "a", {}, lease)
        seen = other.newer(None)
        assert seen[-1] == first and list(other.newer(first)) == []
        more = [state.append(run, "b", {"n": n}, lease) for n, run in enumerate(("r1", "r2", "r1"))]
        assert list(other.newer(first)) == more and list(other.newer(more[1])) == more[2:]
        assert [entry for entry in other.newer(None) if entry.run] == [first, *more]
        state.release(lease)
    kept.change(more[0].seq)
    with opened(again := kept.state()):
        with pytest.raises(JournalBroken, match=rf"entry {more[0].seq} was changed"):
            again.newer(first)
        with pytest.raises(JournalBroken, match=rf"entry {more[2].seq} is missing, or is not"):
            again.newer(replace(more[2], hash="0" * 64))


def wishes_need_no_lease(kept: Kept) -> None:
    ann, bob = kept.state(), kept.state()
    with opened(ann, bob):
        lease = ann.acquire(who="ann", operation="test")
        bob.wish("r1", "hold", {"who": "bob"})
        bob.wish("r2", "hold", {})
        bob.wish("r1", "hold", {"who": "bob"})
        bob.wish("r1", "resume", {})
        found = [(kind, dict(data)) for kind, data in ann.wishes("r1")]
        assert found == [("hold", {"who": "bob"}), ("hold", {"who": "bob"}), ("resume", {})]
        assert ann.wishes("r3") == []
        ann.append("r1", "a", {}, lease)


def the_second_one_is_told_who_where_since_when_what_for_and_what_to_type(kept: Kept) -> None:
    ann, bob = kept.state(), kept.state()
    with opened(ann, bob):
        first = ann.acquire(who="ann", operation="cutover prod")
        with pytest.raises(LeaseHeld) as held:
            bob.acquire(who="bob", operation="rollback")
        for part in ("ann", socket.gethostname(), f"pid {os.getpid()}", "since 20", "cutover prod"):
            assert part in held.value.message
        assert f"invoke unlock --lease {first.id}" in held.value.next_command
        assert bob.holder() == first
        ann.release(first)
        assert bob.holder() is None
        second = bob.acquire(who="bob", operation="b")
        ann.release(first)  # an old lease gives nothing back
        bob.check(second)
        assert second.token > first.token and ann.holder() == second


def a_takeover_needs_the_id_of_the_very_lease(kept: Kept) -> None:
    ann, bob = kept.state(), kept.state()
    with opened(ann, bob):
        first = ann.acquire(who="ann", operation="a")
        with pytest.raises(LeaseHeld):
            bob.acquire(who="bob", operation="b", take_over="another")
        second = bob.acquire(who="bob", operation="b", take_over=first.id)
        with pytest.raises(LeaseHeld):
            ann.acquire(who="eve", operation="c", take_over=first.id)
        assert ann.holder() == second and second.token > first.token


def an_old_token_writes_nothing(kept: Kept) -> None:
    ann, bob = kept.state(), kept.state()
    with opened(ann, bob):
        old = ann.acquire(who="ann", operation="test")
        ann.append("r1", "a", {}, old)
        new = bob.acquire(who="bob", operation="supervise", take_over=old.id)
        for _ in range(2):
            with pytest.raises(LeaseLost, match=r"bob on .* \(pid \d+, supervise\) took over; nothing more is written"):
                ann.append("r1", "b", {}, old)
        with pytest.raises(LeaseLost):
            ann.check(old)
        bob.append("r1", "c", {}, new)
        with pytest.raises(LeaseLost):
            ann.append("r1", "d", {}, old)
        assert [entry.kind for entry in ann.entries()] == ["a", "c"]
        bob.release(new)
        with pytest.raises(LeaseLost):
            bob.append("r1", "e", {}, new)
        with pytest.raises(LeaseLost):
            ann.append("r1", "f", {}, old)
        assert [entry.kind for entry in bob.entries()] == ["a", "c"]


def a_dead_holder_is_free_on_this_host_only(kept: Kept) -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as child:
        child.wait(timeout=60)
    state = kept.state()
    with opened(state):
        mine = state.acquire(who="ann", operation="a")
        far = replace(mine, host="elsewhere.test", pid=child.pid, since=0.0)
        kept.pretend(far)
        with pytest.raises(LeaseHeld, match="ann on elsewhere.test"):
            state.acquire(who="bob", operation="b")
        assert state.holder() == far
        kept.pretend(replace(mine, pid=child.pid))
        assert state.holder() is None
        after = state.acquire(who="bob", operation="b")
        assert after.token > mine.token
        kept.pretend(replace(after, started=after.started - 1))  # its pid is another process's now
        last = state.acquire(who="eve", operation="c")
        kept.pretend(replace(last, host="elsewhere.test"))
        assert state.acquire(who="bob", operation="d", take_over=last.id).who == "bob"


def of_many_racing_operators_one_gets_it(kept: Kept, *, after_a_dead_one: bool) -> None:
    state = kept.state()
    token = 0
    with opened(state):
        if after_a_dead_one:
            mine = state.acquire(who="ann", operation="a")
            token = mine.token
            kept.pretend(replace(mine, started=1))
        won: list[Lease] = []
        refused: list[str] = []
        start = threading.Barrier(OPERATORS)

        def race(number: int) -> None:
            own = kept.state()
            with opened(own):
                start.wait(timeout=60)
                try:
                    won.append(own.acquire(who=f"operator {number}", operation="race"))
                except LeaseHeld as held:
                    refused.append(held.message)

        threads = [threading.Thread(target=race, args=(number,)) for number in range(OPERATORS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=120)
        assert len(won) == 1 and len(refused) == OPERATORS - 1
        assert state.holder() == won[0] and won[0].token > token
        assert all(won[0].who in message for message in refused)


def racing_takeovers_leave_one_writer(kept: Kept) -> None:
    """All take over from the same dead operator and append; only the winner's entries are there."""
    ann = kept.state()
    with opened(ann):
        first = ann.acquire(who="ann", operation="a")
        ann.append("r1", "begun", {}, first)
        start = threading.Barrier(6)
        wrote: list[str] = []

        def take_over(number: int) -> None:
            own = kept.state()
            with opened(own):
                start.wait(timeout=60)
                try:
                    lease = own.acquire(who=str(number), operation="race", take_over=first.id)
                    for _ in range(3):
                        own.append("r1", "went on", {"who": str(number)}, lease)
                    wrote.append(str(number))
                except LeaseHeld:
                    pass

        threads = [threading.Thread(target=take_over, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=120)
        assert len(wrote) == 1
        assert [entry.data.get("who") for entry in ann.entries()] == [None, *wrote * 3]
        with pytest.raises(LeaseLost):
            ann.append("r1", "late", {}, first)


def a_clock_that_is_wrong_harms_nobody(kept: Kept) -> None:
    fast, right, slow = kept.state(Askew(3600)), kept.state(), kept.state(Askew(-3600))
    with opened(fast, right, slow):
        tokens = []
        for state in (fast, right, slow, fast, slow):
            holder = right.holder()
            lease = state.acquire(who="ann", operation="a", take_over=holder.id if holder else None)
            state.append("r1", "a", {}, lease)
            tokens.append(lease.token)
        assert tokens == sorted(set(tokens))
        assert [entry.token for entry in right.entries()] == tokens
        with pytest.raises(LeaseLost):
            right.check(replace(lease, token=tokens[0]))


STOPPED = """
import os, signal, sys
from pathlib import Path
from cutover.aws.session import Aws
from cutover.core import killpoint
from cutover.core.errors import LeaseLost
from cutover.core.journal import Journal
from cutover.stores import Place

state = Place("test", lambda: sys.argv[1], Path(sys.argv[2]), Aws("us-east-1")).open()
lease = state.acquire(who="stopped", operation="cutover")
journal = Journal(state, lease, "r1")
journal.append("first")

def hook(name):
    if name == sys.argv[3]:
        killpoint.install(None)
        print(lease.id, flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)

killpoint.install(hook)
for attempt in (lambda: journal.append("late", step="s"), lambda: journal.append("later"), lambda: state.check(lease)):
    try:
        attempt()
        print("went through", flush=True)
    except LeaseLost:
        print("lost", flush=True)
state.release(lease)
"""


def a_holder_that_was_stopped_wakes_up_to_nothing(kept: Kept, place: str) -> None:
    """Stopped by SIGSTOP at `place`, between what it looked at and what it writes; taken over; and continued."""
    with subprocess.Popen(
        [sys.executable, "-c", STOPPED, kept.address, str(kept.file), place], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        try:
            lease_id = child.stdout.readline().strip()
            os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
            state = kept.state()
            with opened(state):
                with pytest.raises(LeaseHeld):  # stopped is not dead
                    state.acquire(who="bob", operation="b")
                lease = state.acquire(who="bob", operation="unlock", take_over=lease_id)
                child.send_signal(signal.SIGCONT)
                assert child.stdout.read().split() == ["lost"] * 3
                state.append("r1", "second", {}, lease)
                assert [entry.kind for entry in state.entries()] == ["first", "second"]
                assert state.holder() == lease
        finally:
            child.kill()
