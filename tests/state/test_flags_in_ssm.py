"""Flags in SSM parameters: the contract on an API without a condition, races put right by their history, lost answers.

Here, where the local AWS endpoint runs already.
"""

import socket
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import flag_store_contract
import pytest
from flag_store_faults import a_mistake_keeps_no_other_back

from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.routing import Conflict, Flag, Unavailable, open_store
from cutover.routing.ssm_history import Entry, note, restoring, standing
from cutover.routing.ssm_store import SsmStore


@pytest.fixture
def path(endpoint: str) -> str:
    return f"/shop/flags-{uuid4().hex[:8]}"


class Interrupted(SsmStore):
    """A write of somebody else comes right before ours."""

    def __init__(self, path: str, between: Callable[[], object]) -> None:
        super().__init__(path, region="us-east-1")
        self._between: list[Callable[[], object]] = [between]

    def _sent(self, name: str, text: str, told: str) -> int:
        while self._between:
            self._between.pop()()
        return super()._sent(name, text, told)


def opened(path: str, **more: Any) -> SsmStore:
    return SsmStore(path, region="us-east-1", poll=0.05, **more)


def put_by_hand(aws: Aws, name: str, value: str) -> None:
    aws.call("ssm", "PutParameter", Deadline.after(20), Name=name, Value=value, Type="String", Overwrite=True)


@pytest.mark.slow
def test_contract(path: str) -> None:
    flag_store_contract.holds(lambda: opened(path))


def test_more_flags_than_one_answer_holds(path: str) -> None:
    store = opened(path)
    for number in range(12):
        store.put(Flag(name=f"flag-{number}"), 0)
    assert len(store.all()) == 12


def test_the_one_who_was_first_stands_and_the_other_is_told(path: str) -> None:
    first = opened(path)
    first.put(Flag(name="a"), 0)
    late = Interrupted(path, lambda: first.put(Flag(name="a", author="first"), 1))
    with pytest.raises(Conflict) as refused:
        late.put(Flag(name="a", author="late"), 1)
    stands = first.all()["a"]
    assert isinstance(stands, Flag) and (stands.author, stands.version) == ("first", 2)
    assert refused.value.found == stands
    assert first.put(Flag(name="a", author="next"), 2).version == 3


def test_a_person_who_writes_between_our_look_and_our_write_has_their_value_back(path: str, aws: Aws) -> None:
    store = opened(path)
    store.put(Flag(name="a"), 0)
    theirs = '{"share": 0, "enabled": false, "reason": "by hand"}'
    late = Interrupted(path, lambda: put_by_hand(aws, f"{path}/a", theirs))
    with pytest.raises(Conflict) as refused:
        late.put(Flag(name="a", enabled=True, share=50), 1)  # type: ignore[arg-type]
    assert refused.value.found is not None and refused.value.found.reason == "by hand"
    stands = store.all()["a"]
    assert isinstance(stands, Flag) and stands.reason == "by hand"


def test_a_lost_answer_is_looked_up_and_not_sent_again(path: str, fault: Callable[..., None]) -> None:
    store = opened(path, patience=2.0)
    store.put(Flag(name="a"), 0)
    fault("PutParameter", lose_response=True)
    assert store.put(Flag(name="a", author="me"), 1).version == 2
    stands = store.all()["a"]
    assert isinstance(stands, Flag) and stands.author == "me"


def test_a_write_that_never_arrived_is_not_claimed(path: str, fault: Callable[..., None]) -> None:
    store = opened(path)
    stored = store.put(Flag(name="a"), 0)
    fault("PutParameter", code="ThrottlingException")
    with pytest.raises(Unavailable, match="Throttling"):
        store.put(Flag(name="a", author="me"), 1)
    assert store.all()["a"] == stored


def test_odd_content(path: str, aws: Aws) -> None:
    store = opened(path)
    store.put(Flag(name="well"), 0)
    put_by_hand(aws, f"{path}/broken", "[1]")
    a_mistake_keeps_no_other_back(store)


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    store = opened("/a", patience=0.5)

    for act in (store.mark, store.all, lambda: store.put(Flag(name="a"), 1), lambda: store.wait(None, 0.2)):
        with pytest.raises(Unavailable, match="ssm:/a in us-east-1: .*127.0.0.1:1"):
            act()


def test_a_server_that_hangs_ends_with_its_time(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        store = opened("/a", patience=0.5)
        for act in (store.mark, store.all, lambda: store.put(Flag(name="a"), 1)):
            with pytest.raises(Unavailable, match="[Rr]ead timeout"):
                act()


def test_what_a_loser_left_who_died_is_put_right_by_the_next(path: str) -> None:
    first = opened(path)
    first.put(Flag(name="a"), 0)
    late = Interrupted(path, lambda: first.put(Flag(name="a", author="first"), 1))

    def dies(name: str, until: float) -> Entry:
        raise KeyboardInterrupt

    late._put_right = dies  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        late.put(Flag(name="a", author="late"), 1)
    left = first.all()["a"]
    assert isinstance(left, Flag) and left.author == "late", "until then readers see it, as the class says"
    assert first.put(Flag(name="a", author="next"), 2).version == 3
    stands = first.all()["a"]
    assert isinstance(stands, Flag) and (stands.author, stands.version) == ("next", 3)


OVER_1, AGAIN_OVER_1, OVER_5 = note(1), note(1), note(5)
FIRST = [Entry(1, "one", note(0)), Entry(2, "A", OVER_1)]


@pytest.mark.parametrize(
    ("after", "stands"),
    [
        ([], 2),
        ([Entry(3, "B", AGAIN_OVER_1)], 2),  # written over 1, which did not stand any more
        ([Entry(3, "B", AGAIN_OVER_1), Entry(4, "A", restoring(2))], 4),
        ([Entry(3, "B", AGAIN_OVER_1), Entry(4, "C", note(3))], 2),  # over what never stood
        ([Entry(3, "B", AGAIN_OVER_1), Entry(4, "C", note(1)), Entry(5, "A", restoring(2)), Entry(6, "E", OVER_5)], 6),
        ([Entry(3, "B", AGAIN_OVER_1), Entry(4, "A", restoring(2)), Entry(5, "E", note(4)), Entry(6, "A", restoring(2))], 5),
        ([Entry(3, "by hand", "")], 3),
        ([Entry(3, "by hand", OVER_1)], 3),  # the note of the version before was kept
        ([Entry(3, "A", restoring(2)), Entry(4, "by hand", restoring(2))], 4),
        ([Entry(3, "by hand", ""), Entry(4, "B", note(2))], 3),
    ],
)  # fmt: skip
def test_what_stands_by_a_history(after: list[Entry], stands: int) -> None:
    found = standing([*FIRST, *after])
    assert found is not None and found.version == stands


def test_the_oldest_that_is_left_stands() -> None:
    assert standing([]) is None
    found = standing([Entry(41, "x", note(7)), Entry(42, "y", note(41))])
    assert found is not None and found.version == 42
    assert open_store("ssm:/shop/flags").where == "ssm:/shop/flags"
