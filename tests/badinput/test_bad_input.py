"""Every target of `invoke fuzz`, with hard input, changed good input, and any bytes: nothing but the project's own errors."""

import random

import pytest
from hard import everywhere
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_bytes import everywhere as every_change
from journal_bytes import tried
from targets import TARGETS

OFTEN = {"environment-value": 3, "dns": 3, "journal": 3, "environment": 5}
SMALL = 60_000  # bytes; the command tries the large ones, too
PLACES = 60


@pytest.mark.parametrize("name", TARGETS)
def test_hard_input_is_refused_in_our_words(name: str) -> None:
    target = TARGETS[name]
    hard = [one for one in everywhere() if len(one) < SMALL] if name in OFTEN else everywhere()
    for data in (*target.begun_from, *hard[:: OFTEN.get(name, 1)]):
        target.run(data)


@pytest.mark.parametrize("name", TARGETS)
def test_good_input_that_was_changed(name: str) -> None:
    chance, target = random.Random(1), TARGETS[name]
    for _ in range(60 // OFTEN.get(name, 1)):
        data = bytearray(chance.choice(target.begun_from))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data) + 1)
            data[at : at + chance.randrange(3)] = chance.choice(
                (b"", b"\x00", b"[", b'"', b"\n", b"9", b"\xff", b"NaN", b"-")
            )
        target.run(bytes(data))


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes(name: str) -> None:
    @settings(
        deadline=None, max_examples=40 // OFTEN.get(name, 1), derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(st.binary(max_size=200) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
    def run(data: bytes) -> None:
        TARGETS[name].run(data)

    run()


def test_a_journal_that_lost_or_changed_bytes_is_a_true_record_or_refused() -> None:
    """A sample of what `invoke fuzz --only journal-bytes` tries at every byte; the sample moves with no clock."""
    changes = list(every_change())
    found = {tried(*changes[at]) for at in range(PLACES // 2, len(changes), len(changes) // (PLACES * 4))}
    assert found == {"whole", "prefix", "refused"}


@pytest.mark.parametrize("how", [("db", "cut", 0), ("db", "flip", 3883)])
def test_a_record_is_never_silently_empty(how: tuple[str, str, int]) -> None:
    assert tried(*how) == "refused"
