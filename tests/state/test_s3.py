"""Journal and lease on S3: what its conditions, lost answers, throttling and a sleeper between two writes may do."""

import json
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest
import store_contract
from places import Kept

from cutover.aws.objects import S3Objects
from cutover.aws.session import Aws
from cutover.core import killpoint
from cutover.core.clock import Deadline
from cutover.core.errors import LeaseHeld, LeaseLost, Unreachable
from cutover.state.chain import JournalBroken
from cutover.state.s3 import LEASE, S3State

Fault = Callable[..., None]


@pytest.fixture
def objects(s3: Kept, aws: Aws) -> S3Objects:
    """The objects under the same prefix, past the state."""
    bucket, _, prefix = s3.address.removeprefix("s3://").partition("/")
    return S3Objects(aws, bucket, f"{prefix}/test")


@pytest.mark.parametrize("place", ["before put of entry", "before late:s"])
def test_a_holder_stopped_between_looking_and_writing_writes_nothing(s3: Kept, place: str) -> None:
    store_contract.a_holder_that_was_stopped_wakes_up_to_nothing(s3, place)


def test_an_append_under_way_stands_before_the_takeover_or_nowhere(s3: Kept) -> None:
    """Bob has swapped the lease and not yet marked the journal when Ann's put arrives: Bob reads it, Ann is told."""
    ann, bob = s3.state(), s3.state()
    first = ann.acquire(who="ann", operation="a")
    ann.append("r1", "a", {}, first)
    came: list[str] = []

    def between(name: str) -> None:
        if name == "before lease-taken" and not came:
            came.append(name)
            with pytest.raises(LeaseLost):
                ann.append("r1", "raced", {}, first)

    killpoint.install(between)
    try:
        second = bob.acquire(who="bob", operation="b", take_over=first.id)
    finally:
        killpoint.install(None)
    assert came
    bob.append("r1", "b", {}, second)
    with pytest.raises(LeaseLost):
        ann.append("r1", "late", {}, first)
    assert [entry.kind for entry in bob.entries()] == ["a", "raced", "b"]


def test_who_dies_between_lease_and_mark_is_taken_over_and_stays_out(s3: Kept) -> None:
    ann, bob, eve = s3.state(), s3.state(), s3.state()
    first = ann.acquire(who="ann", operation="a")

    class Dead(BaseException):
        pass

    def die(name: str) -> None:
        if name == "before put of entry":
            raise Dead

    killpoint.install(die)
    try:
        with pytest.raises(Dead):
            bob.acquire(who="bob", operation="b", take_over=first.id)
    finally:
        killpoint.install(None)
    third = eve.acquire(who="eve", operation="c")  # he gave it back on his way out
    with pytest.raises(LeaseLost):
        ann.append("r1", "late", {}, first)
    eve.append("r1", "c", {}, third)
    assert [entry.kind for entry in eve.entries()] == ["c"]


def test_one_lease_in_two_hands_of_one_process_takes_turns(s3: Kept) -> None:
    one, two = s3.state(), s3.state()
    lease = one.acquire(who="ann", operation="a")
    for n in range(3):
        one.append("r1", "a", {"n": n}, lease)
        two.append("r1", "b", {"n": n}, lease)
    assert [entry.kind for entry in one.entries()] == ["a", "b"] * 3


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_lost_answer_is_read_back_and_nothing_is_there_twice(
    s3: Kept, fault: Fault, waiting: Callable[[], list[Any]], lost: int
) -> None:
    state = s3.state()
    fault("PutObject", lose_response=True, times=lost)
    lease = state.acquire(who="ann", operation="a")
    assert not waiting(), "no answer was lost"
    fault("PutObject", lose_response=True, times=lost)
    state.append("r1", "a", {}, lease)
    fault("PutObject", lose_response=True, times=lost)
    state.wish("r1", "hold", {})
    state.append("r1", "b", {}, lease)
    assert [entry.kind for entry in state.entries()] == ["a", "b"]
    assert len(state.wishes("r1")) == 1
    fault("PutObject", lose_response=True, times=lost)
    state.release(lease)
    assert state.holder() is None


def test_a_lost_answer_after_which_somebody_took_over(s3: Kept, objects: S3Objects) -> None:
    """Our put was refused because theirs was there first: theirs is not taken for ours."""
    ann, bob = s3.state(), s3.state()
    first = ann.acquire(who="ann", operation="a")
    bob.acquire(who="bob", operation="b", take_over=first.id)

    class Answers(S3Objects):
        def put_new(self, key: str, body: bytes) -> str | None:
            return self._is_ours(key, body)

    late = S3State(Answers(objects.aws, objects.bucket, objects.prefix), "late")
    late._heads.update(ann._heads)  # type: ignore[attr-defined]
    with pytest.raises(LeaseLost):
        late.append("r1", "late", {}, first)


@pytest.mark.parametrize("code", ["SlowDown", "ConditionalRequestConflict", "InternalError"])
def test_throttling_and_conflicts_are_waited_out(s3: Kept, fault: Fault, code: str) -> None:
    status = {"SlowDown": 503, "ConditionalRequestConflict": 409, "InternalError": 500}[code]
    state = s3.state()
    for operation in ("PutObject", "GetObject", "ListObjectsV2"):
        if operation == "PutObject" or code != "ConditionalRequestConflict":
            fault(operation, code=code, status=status, times=2)
    lease = state.acquire(who="ann", operation="a")
    fault("PutObject", code=code, status=status, times=3)
    state.append("r1", "a", {}, lease)
    assert [entry.kind for entry in state.entries()] == ["a"]


def test_who_cannot_reach_the_store_is_told_within_the_deadline(s3: Kept, objects: S3Objects, fault: Fault) -> None:
    impatient = S3State(replace(objects, patience=0.3), s3.address)
    lease = impatient.acquire(who="ann", operation="a")
    fault("PutObject", code="SlowDown", status=503, times=1000)
    with pytest.raises(Unreachable, match="SlowDown"):
        impatient.append("r1", "a", {}, lease)


def test_an_entry_whose_fate_was_not_known_is_passed_once_it_is(s3: Kept, objects: S3Objects, fault: Fault) -> None:
    """The answer to `a` stays lost until patience ends; the next append finds it there and comes after it."""
    impatient = S3State(replace(objects, patience=0.3), s3.address)
    lease = impatient.acquire(who="ann", operation="a")
    fault("PutObject", lose_response=True)
    fault("PutObject", code="InternalError", status=500, times=1000)
    with pytest.raises(Unreachable):
        impatient.append("r1", "a", {}, lease)
    fault("")
    impatient.append("r1", "b", {}, lease)
    assert [entry.kind for entry in impatient.entries()] == ["a", "b"]


def test_long_journals_are_listed_page_by_page(s3: Kept, objects: S3Objects) -> None:
    for number in range(7):
        objects.put_new(f"pages/{number}", b"x")

    class Small(Aws):
        def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
            if operation == "ListObjectsV2":
                parameters["MaxKeys"] = 3
            return super().call(service, operation, deadline, **parameters)

    small = S3Objects(Small("us-east-1"), objects.bucket, objects.prefix)
    assert [key for key, _ in small.list("pages/")] == [f"pages/{number}" for number in range(7)]


@pytest.mark.parametrize(
    ("key", "body", "told"),
    [
        ("journal/00000003.json", b"no json", "journal/00000003.json"),
        ("journal/00000003.json", b'{"seq": 3}', "journal/00000003.json"),
        ("journal/notes.txt", b"hello", "journal/notes.txt"),
        (LEASE, b"[]", LEASE),
        (LEASE, b'{"token": 1}', LEASE),
    ],
)
def test_what_is_not_ours_is_named(s3: Kept, objects: S3Objects, key: str, body: bytes, told: str) -> None:
    store_contract.filled(s3, 4)
    there = objects.get(key)
    assert objects.replace(key, body, there[1]) if there is not None else objects.put_new(key, body)
    with pytest.raises(JournalBroken, match=told):
        s3.state().entries()


def test_a_lease_object_that_is_gone_is_not_made_anew(s3: Kept, objects: S3Objects, aws: Aws) -> None:
    store_contract.filled(s3, 2)
    aws.call("s3", "DeleteObject", Deadline.after(10), Bucket=objects.bucket, Key=f"{objects.prefix}/{LEASE}")
    for attempt in (s3.state().entries, lambda: s3.state().acquire(who="ann", operation="a")):
        with pytest.raises(JournalBroken, match="lease is missing"):
            attempt()


def test_threads_of_one_process_take_turns(s3: Kept) -> None:
    state = s3.state()
    lease = state.acquire(who="ann", operation="a")

    def write() -> None:
        for _ in range(5):
            state.append("r1", "a", {}, lease)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(state.entries()) == 20


def test_a_read_only_session_looks_and_writes_nothing(s3: Kept, objects: S3Objects) -> None:
    store_contract.filled(s3, 2)
    looking = S3State(replace(objects, aws=Aws("us-east-1", read_only=True)), s3.address)
    assert len(looking.entries()) == 2
    with pytest.raises(Exception, match="read-only"):
        looking.wish("r1", "hold", {})


def test_the_lease_says_who_and_nothing_of_the_run(s3: Kept, objects: S3Objects) -> None:
    lease = s3.state().acquire(who="ann", operation="a")
    found = objects.get(LEASE)
    assert found is not None
    assert json.loads(found[0])["holder"] == asdict(lease)
    with pytest.raises(LeaseHeld):
        s3.state().acquire(who="bob", operation="b")
