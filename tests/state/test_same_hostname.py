"""Two machines, or two containers, may have one hostname: a pid that is not there is dead only where it would be seen."""

import json
from dataclasses import asdict, replace

import pytest

from cutover.core.lease import Lease
from cutover.state import holding

KERNEL, NAMESPACE = "9e1f7a52-0000-4000-8000-000000000001", "pid:[4026531836]"


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> Lease:
    """The lease of a process that was one of ours and is gone."""
    monkeypatch.setattr(holding, "machine", lambda: f"{KERNEL} {NAMESPACE}")
    return replace(holding.claimed(0, 1.0, who="ann", operation="a"), started=-7)


@pytest.mark.parametrize(
    ("machine", "shared", "local"),
    [
        (f"{KERNEL} {NAMESPACE}", False, False),
        (f"{KERNEL} pid:[4026532999]", True, True),  # another container
        (f"another {NAMESPACE}", True, False),  # another machine; or this one before it was started anew
        ("", True, False),  # written by an earlier version
    ],
)
def test_who_may_be_alive(gone: Lease, machine: str, shared: bool, local: bool) -> None:
    holder = replace(gone, machine=machine)
    assert holding.may_be_alive(holder) is shared
    assert holding.may_be_alive(holder, local=True) is local
    assert holding.may_be_alive(replace(holder, host="elsewhere.test"), local=True)


def test_a_machine_that_cannot_be_told_assumes_nobody_dead(gone: Lease, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "machine", lambda: "")
    assert holding.may_be_alive(gone)


def test_this_machine_is_told(gone: Lease, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert len(holding.machine().split()) == 2
    assert holding.claimed(0, 1.0, who="ann", operation="a").machine == holding.machine()


def test_leases_of_earlier_versions_are_read(gone: Lease) -> None:
    said = asdict(gone)
    del said["machine"]
    assert Lease(**json.loads(json.dumps(said))).machine == ""
