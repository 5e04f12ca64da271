"""Keys and buckets: the same everywhere, exact at the ends, monotone in between, and evenly spread."""

import glob
import json
import math
import os
import random
import re
import subprocess
import sys
import uuid
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cutover.routing import Flag, Flags, MemoryStore, OddKey, Router, bucket_of
from cutover.routing.flag import BUCKETS
from cutover.routing.keys import LAST, prefix

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no finding
VECTORS = json.loads((Path(__file__).parents[2] / "cutover/routing/vectors.json").read_text())["vectors"]
KEYS = (
    st.text(st.characters(), max_size=40)
    | st.text(st.characters(categories=["Cs"]), max_size=3)
    | st.binary(max_size=40)
    | st.integers(-(2**127), 2**128 - 1)
    | st.booleans()
    | st.uuids()
    | st.none()
)
# What another process, and any Python that has blake2b, makes of the vectors; written for Python 3.6, without the library.
OTHERWISE = """
import hashlib, json, sys
for salt, data in json.loads(sys.stdin.read()):
    digest = hashlib.blake2b(salt.encode() + b"\\0" + bytes.fromhex(data), digest_size=8).digest()
    print(int.from_bytes(digest, "big") % 10000)
"""


def key_of(vector: dict[str, Any]) -> object:
    kind, key = vector["kind"], vector["key"]
    if kind == "bytes":
        return bytes.fromhex(key)
    if kind == "int":
        return int(key)
    if kind == "bool":
        return key == "true"
    if kind == "uuid":
        return uuid.UUID(key)
    if kind == "surrogate":
        return chr(int(key, 16))
    if kind == "repeated":
        text, times = key.split("*")
        return text * int(times)
    return key


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: f"{one['salt']}-{one['kind']}-{str(one['key'])[:12]!a}")
def test_the_vectors_hold(vector: dict[str, Any]) -> None:
    assert bucket_of(vector["salt"], key_of(vector)) == vector["bucket"]
    if vector["bytes"] is not None:
        hashed = prefix(vector["salt"])
        hashed.update(bytes.fromhex(vector["bytes"]))
        assert hashed.hexdigest() == vector["hash"]


def test_every_kind_has_a_vector() -> None:
    assert {one["kind"] for one in VECTORS} == {"text", "bytes", "int", "bool", "uuid", "none", "surrogate", "repeated"}


@pytest.mark.parametrize("seed", ["0", "1", "random"])
def test_another_process_agrees_whatever_its_hash_seed(seed: str) -> None:
    chosen = [one for one in VECTORS if one["kind"] == "text"]
    code = "import json, sys; from cutover.routing import bucket_of; print([bucket_of(*one) for one in json.load(sys.stdin)])"
    asked = json.dumps([(one["salt"], one["key"]) for one in chosen])
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, "-c", code], input=asked, capture_output=True, text=True, env=environment, check=True
    )
    assert json.loads(done.stdout) == [one["bucket"] for one in VECTORS if one["kind"] == "text"]


def pythons() -> list[str]:
    """Other versions of Python on this machine; the one that runs the tests always."""
    found = {sys.executable}
    for pattern in (
        "/usr/bin/python3.[0-9]*",
        "/usr/local/bin/python3.[0-9]*",
        f"{Path.home()}/.pyenv/versions/3.*/bin/python",
    ):
        found |= {path for path in glob.glob(pattern) if re.search(r"python(3\.\d+)?$", path)}
    return sorted(found)


@pytest.mark.parametrize("python", pythons())
def test_every_python_here_agrees(python: str) -> None:
    chosen = [one for one in VECTORS if one["bytes"] is not None]
    asked = json.dumps([(one["salt"], one["bytes"]) for one in chosen])
    done = subprocess.run([python, "-c", OTHERWISE], input=asked, capture_output=True, text=True, check=True)
    assert [int(line) for line in done.stdout.split()] == [one["bucket"] for one in chosen]


@patient
@given(st.text(max_size=20), KEYS)
def test_a_bucket_is_one_of_ten_thousand_and_always_the_same(salt: str, key: object) -> None:
    assert 0 <= bucket_of(salt, key) == bucket_of(salt, key) < BUCKETS


@patient
@given(KEYS, st.lists(st.integers(0, BUCKETS), min_size=2, max_size=6).map(sorted))
def test_a_rising_share_never_moves_a_key_back(key: object, shares: list[int]) -> None:
    store = MemoryStore(Flag(name="a", version=1))
    router = routing(store)
    seen = []
    for number, hundredths in enumerate(shares):
        store.put(Flag(name="a", enabled=True, share=Decimal(hundredths) / 100), number + 1)
        seen.append(router(key))
    assert seen == sorted(seen)


@patient
@given(KEYS)
def test_nobody_at_0_and_everybody_at_100(key: object) -> None:
    assert not routing(MemoryStore(Flag(name="a", enabled=True, share=Decimal(0))))(key)
    assert not routing(MemoryStore(Flag(name="a", enabled=False, share=Decimal(100))))(key)
    assert routing(MemoryStore(Flag(name="a", enabled=True, share=Decimal(100))))(key)


def test_a_share_of_a_hundredth_is_one_bucket() -> None:
    router = routing(MemoryStore(Flag(name="a", enabled=True, share=Decimal("0.01"))))
    inside = [key for key in range(50_000) if router(key)]
    assert inside == [key for key in range(50_000) if bucket_of("a", key) == 0] and inside


def test_nobody_known_changes_sides_at_100_only() -> None:
    assert bucket_of("a", None) == LAST
    assert not routing(MemoryStore(Flag(name="a", enabled=True, share=Decimal("99.99"))))(None)


def routing(store: MemoryStore) -> Router[[object], bool]:
    flags = Flags(store, every=0.0, environ={})
    return Router("a", legacy=lambda key: False, candidate=lambda key: True, key=lambda key: key, flags=flags)


class Colour(str, Enum):
    RED = "red"

    def __str__(self) -> str:
        return "another"


class Number(IntEnum):
    SEVEN = 7


def test_of_an_enum_the_value_counts() -> None:
    assert bucket_of("a", Colour.RED) == bucket_of("a", "red")
    assert bucket_of("a", Number.SEVEN) == bucket_of("a", 7) == bucket_of("a", "7")


@pytest.mark.parametrize(
    "odd", [1.0, (1, 2), [1], {"a": 1}, object(), Decimal(1), bytearray(b"a"), 2**128, -(2**127) - 1, str]
)
def test_a_key_that_may_be_written_in_two_ways_is_refused(odd: object) -> None:
    with pytest.raises(OddKey, match="is no key"):
        bucket_of("a", odd)


@pytest.mark.parametrize("salt", ["suggestions", "new-search", "", "x" * 300])
def test_keys_are_spread_evenly(salt: str) -> None:
    assert chi_squared([bucket_of(salt, f"user-{number}") // 100 for number in range(50_000)], 100) < limit(99)


def test_consecutive_numbers_are_spread_evenly() -> None:
    assert chi_squared([bucket_of("a", number) // 100 for number in range(50_000)], 100) < limit(99)


def test_two_flags_choose_independently() -> None:
    cells = [bucket_of("one", key) // 1000 * 10 + bucket_of("two", key) // 1000 for key in range(50_000)]
    assert chi_squared(cells, 100) < limit(99)


def chi_squared(values: list[int], cells: int) -> float:
    expected = len(values) / cells
    counts = [0] * cells
    for value in values:
        counts[value] += 1
    return sum((count - expected) ** 2 / expected for count in counts)


def limit(freedom: int) -> float:
    """The 99.99 % bound of χ² (Wilson and Hilferty 1931): the keys are fixed, so that a test that passes passes always."""
    return float(freedom * (1 - 2 / (9 * freedom) + 3.719 * math.sqrt(2 / (9 * freedom))) ** 3)


def test_the_bound_would_notice_a_poor_spread() -> None:
    dice = random.Random(5)
    uneven = [min(dice.randrange(103), 99) for _ in range(50_000)]
    assert chi_squared(uneven, 100) > limit(99)
