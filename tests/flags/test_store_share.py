"""The share as a flag in a store: the step's contract, somebody else between look and write, and what is printed for a hand."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from shlex import quote

import pytest
from contract import Killed, holds
from flag_store_contract import FLAG, NOW, flag
from redis_server import Server

from cutover.core import killpoint
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed, Unreachable
from cutover.core.share import Share
from cutover.flags.share import SENT, StoreShare
from cutover.flags.stores import opened, prepare
from cutover.routing import Conflict, Flag, MemoryStore, Store, Unavailable

NAME = FLAG.name


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("redis"), password="")
    yield made
    made.kill()


@pytest.fixture(params=["file", "sqlite", "redis"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a store in which the flag is off, and another one stands."""
    if request.param == "redis":
        server: Server = request.getfixturevalue("redis")
        with server.client() as client:
            client.flushall()
        found = server.url
    else:
        (tmp_path / "it's").mkdir()
        found = f"{request.param}:{tmp_path}/it's/flags"
    with opened(found) as store:
        prepare(store)
        store.put(Flag(name="other", share=Decimal(7)), 0)
        store.put(replace(FLAG, enabled=False, share=Decimal(0)), 0)
    return found


def share(address: str, before: float = 0, after: float = 10, **more: object) -> StoreShare:
    known: dict[str, object] = {
        "name": f"shop-to-{after:g}", "before": Share.of(before), "after": Share.of(after), "flag": NAME,
        "store": lambda: opened(address), "place": quote(address),
    }  # fmt: skip
    return StoreShare(**{**known, **more})  # type: ignore[arg-type]


def run(step: StoreShare, seconds: float = 20.0) -> None:
    for command in step.commands(step.after):
        command.run(Deadline.after(seconds))


def stands(address: str, name: str = NAME) -> Flag:
    with opened(address) as store:
        return flag(store, name)


def write(address: str, changed: Callable[[Flag], Flag]) -> None:
    with opened(address) as store:
        now = flag(store, NAME)
        store.put(changed(now), now.version)


@pytest.mark.slow
def test_contract(address: str, tmp_path: Path) -> None:
    def set_to(percent: float, enabled: bool = True) -> None:
        write(address, lambda now: replace(now, share=Decimal(str(percent)), enabled=enabled))

    holds(
        lambda: share(address),
        state_dir=tmp_path,
        reset=partial(set_to, 0, False),
        strays=[partial(set_to, 25), partial(set_to, 99.99)],
    )


def test_everything_else_of_the_flag_survives(address: str) -> None:
    run(share(address, 0, 33.33))
    found = stands(address)
    assert (found.share, found.enabled, found.version) == (Decimal("33.33"), True, 2)
    assert (found.more, found.salt, found.description) == (FLAG.more, FLAG.salt, FLAG.description)
    assert found.reason == "step shop-to-33.33" and found.author and found.changed_at
    run(share(address, 0, 33.33))
    assert stands(address) == found, "a second run writes nothing"
    assert stands(address, "other").version == 1


def test_back_at_0_the_flag_is_off(address: str) -> None:
    run(share(address, 0, 100))
    run(share(address, 100, 0))
    found = stands(address)
    assert (found.share, found.enabled, found.version) == (Decimal(0), False, 3)


@pytest.mark.parametrize(("before", "after"), [(0, 10), (10, 0.5), (99.99, 100)])
def test_what_is_printed_reaches_the_state_that_it_claims(address: str, before: float, after: float) -> None:
    write(address, lambda now: now.at(before, reason="", author="", now=NOW))
    for step in (share(address, before, after), share(address, after, before).inverse().inverse()):
        was = stands(address)
        (command,) = step.commands(step.after)
        bash(command.shell())
        assert step.observe() == step.after
        assert bash(step.check_shell()) == f"{step.after}\n"
        found = stands(address)
        assert (found.version, found.reason) == (was.version + 1, f"step {step.name}")
        assert (found.more, found.salt, found.description) == (FLAG.more, FLAG.salt, FLAG.description)
        assert found.author and found.changed_at and found.changed_at > NOW
    assert stands(address, "other").version == 1


def bash(script: str, *, ok: bool = True) -> str:
    # `python3` is the one that has the library, as on an operator's machine.
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=environment, check=False, timeout=60, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode == 0) is ok, f"{script}\nended with {done.returncode}: {done.stderr}"
    return done.stdout


def test_what_is_printed_fails_where_there_is_no_such_flag(address: str) -> None:
    step = share(address, flag="it's none")
    (command,) = step.commands(step.after)
    bash(command.shell(), ok=False)
    assert share(address).observe() == Share.of(0)
    assert step.observe() == "there is no flag it's none"


def test_an_address_in_a_variable_goes_through_the_library(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAGS", address)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    step = share(address, place='"$FLAGS"')
    (command,) = step.commands(step.after)
    bash(command.shell())
    assert bash(step.check_shell()) == "10 %\n" and step.observe() == step.after


class Interrupted(MemoryStore):
    """Somebody else acts right before our write, or its answer is lost."""

    def __init__(self, act: Callable[["Interrupted"], object], *, lost: bool = False) -> None:
        super().__init__(replace(FLAG, enabled=False, share=Decimal(0), version=1))
        self._acts, self._lost = [act], lost
        self.writes = 0

    def put(self, flag: Flag, expected_version: int) -> Flag:
        while self._acts:
            self._acts.pop()(self)
        stored = super().put(flag, expected_version)
        self.writes += 1
        if self._lost:
            self._lost = False
            raise Unavailable("the answer was lost")
        return stored

    def opened(self) -> AbstractContextManager[Store]:
        @contextmanager
        def handed() -> Iterator[Store]:
            yield self

        return handed()


def in_memory(store: Interrupted, after: float = 10) -> StoreShare:
    return share("memory", 0, after, store=store.opened)


def test_somebody_who_moves_the_share_meanwhile_keeps_their_change() -> None:
    store = Interrupted(lambda it: MemoryStore.put(it, flag(it, NAME).at(70, reason="", author="mia", now=NOW), 1))
    with pytest.raises(StepFailed, match="changed under our hands: 70 %; nothing was written"):
        run(in_memory(store))
    assert (flag(store, NAME).buckets, store.writes) == (7000, 0)


def test_somebody_who_changes_something_else_loses_nothing_and_stops_nobody() -> None:
    store = Interrupted(lambda it: MemoryStore.put(it, replace(flag(it, NAME), description="new"), 1))
    run(in_memory(store))
    found = flag(store, NAME)
    assert (found.buckets, found.description, found.version) == (1000, "new", 3)


def test_a_lost_answer_is_read_back_and_not_sent_again() -> None:
    store = Interrupted(lambda it: None, lost=True)
    run(in_memory(store))
    assert (flag(store, NAME).buckets, store.writes) == (1000, 1)


def test_a_store_that_does_not_answer_is_unreachable(tmp_path: Path) -> None:
    step = share(f"sqlite:{tmp_path}/nowhere")
    with pytest.raises(Unreachable, match="is not there"):
        step.observe()
    with pytest.raises(Unreachable, match="is not there"):
        run(step, seconds=0.1)


def test_a_flag_that_cannot_be_read_is_said_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_text('{"suggestions": {"share": 101}}')
    step = share(f"file:{path}")
    assert str(step.observe()).startswith("the flag cannot be read: suggestions: share is 101")
    with pytest.raises(StepFailed, match="nothing was written"):
        run(step)


def test_a_run_that_died_right_after_its_write_is_gone_on_with() -> None:
    store = Interrupted(lambda it: None)

    def die(point: str) -> None:
        assert point == SENT
        raise Killed(point)

    killpoint.install(die)
    try:
        with pytest.raises(Killed):
            run(in_memory(store))
    finally:
        killpoint.install(None)
    run(in_memory(store))
    assert (flag(store, NAME).buckets, store.writes) == (1000, 1)


def test_a_conflict_is_what_the_memory_store_raises() -> None:
    with pytest.raises(Conflict):
        Interrupted(lambda it: None).put(FLAG, 7)
