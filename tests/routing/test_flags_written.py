"""A flag in JSON: read and written back it is the same, and what is none is refused with its place and reason."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cutover.routing.flag import BUCKETS, Flag, FlagWrong

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no finding
NOW = datetime(2026, 11, 26, 22, 0, tzinfo=UTC)
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
FIELDS = {"schema", "name", "description", "enabled", "share", "salt", "reason", "author", "changed_at", "version"}
FLAGS = st.builds(
    Flag,
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True),
    description=WORDS,
    enabled=st.booleans(),
    share=st.integers(0, BUCKETS).map(lambda number: Decimal(number) / 100),
    salt=WORDS,
    reason=WORDS,
    author=WORDS,
    changed_at=st.none() | st.datetimes(min_value=datetime(1990, 1, 1), timezones=st.just(UTC)),
    version=st.integers(1, 2**40),
    more=st.dictionaries(WORDS.filter(lambda word: word not in FIELDS), JSON, max_size=3),
)


@patient
@given(FLAGS)
def test_a_flag_read_and_written_back_is_the_same(flag: Flag) -> None:
    again = Flag.parse(flag.text(), name=flag.name)
    assert again == flag and again.text() == flag.text() and again.buckets == flag.buckets


@patient
@given(st.integers(0, BUCKETS))
def test_a_share_is_exact_to_the_hundredth(hundredths: int) -> None:
    flag = Flag(name="one", enabled=True, share=Decimal(hundredths) / 100)
    assert flag.buckets == Flag.parse(flag.text()).buckets == hundredths


def test_fields_of_a_newer_schema_survive() -> None:
    flag = Flag.parse('{"schema": "cutover.flag/2", "name": "a", "share": 5, "owner": {"team": "x"}, "version": 3}')
    moved = flag.at(10, reason="soak is over", author="mia", now=NOW)
    assert json.loads(moved.text())["owner"] == {"team": "x"}


def test_half_a_flag_sends_nobody_anywhere() -> None:
    assert Flag.parse('{"name": "a"}').buckets == 0
    assert Flag.parse('{"name": "a", "share": 100}').buckets == 0
    assert Flag.parse('{"name": "a", "enabled": true}').buckets == 0


def test_a_bare_number_is_a_share_and_another_number_another_version() -> None:
    ten, none = Flag.parse("10.5", name="a"), Flag.parse("0", name="a")
    assert (ten.buckets, ten.enabled, none.buckets, none.enabled) == (1050, True, 0, False)
    assert ten.version != none.version


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"name": "a", "share": 100.01}', "0 to 100"),
        ('{"name": "a", "share": -1}', "0 to 100"),
        ('{"name": "a", "share": 0.001}', "steps of 0.01"),
        ('{"name": "a", "share": 1e999}', "1e999 is too large"),
        ('{"name": "a", "share": 1e300}', "0 to 100"),
        ('{"name": "a", "share": true}', "no number"),
        ('{"name": "a", "share": NaN}', "not JSON"),
        ('{"name": "a", "enabled": 1}', "neither true nor false"),
        ('{"name": "a", "name": "b"}', "stands twice"),
        ('{"name": "b"}', "calls itself 'b'"),
        ('{"name": 7}', "calls itself 7"),
        ('{"name": "a", "version": -1}', "no count"),
        ('{"name": "a", "changed_at": "yesterday"}', "no time"),
        ('{"name": "a", "changed_at": "2026-01-01T00:00:00"}', "with its zone"),
        ('{"name": "a", "schema": "other/1"}', "schema"),
        ('{"name": "a", "salt": "x\\u0000"}', "NUL"),
        ('{"name": "a", "reason": {"x": 1}}', "no text"),
        ("[1]", "neither an object nor a number"),
        ("true", "neither an object nor a number"),
        ('{"name": "a"', "not JSON"),
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_is_no_flag_is_refused(text: str, why: str) -> None:
    with pytest.raises(FlagWrong, match=why):
        Flag.parse(text, name="a")


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(FlagWrong, match="not JSON"):
        Flag.parse(b'{"name": "\xff"}')


@pytest.mark.parametrize("name", ["", "-a", "a b", "a/b", "a\n", "ä", "a" * 129])
def test_a_name_goes_into_keys_of_stores_and_variables(name: str) -> None:
    with pytest.raises(FlagWrong, match="no name of a flag"):
        Flag(name=name)


def test_rolling_back_sets_zero_and_disables_and_keeps_the_reason() -> None:
    flag = Flag(name="a", share=Decimal(50), enabled=True).rolled_back(reason="p95", author="mia", now=NOW)
    assert (flag.share, flag.enabled, flag.reason) == (Decimal(0), False, "p95")
    assert (flag.author, flag.changed_at) == ("mia", NOW)


def test_disabling_keeps_the_share() -> None:
    flag = Flag(name="a", share=Decimal(50), enabled=True).disabled(reason="r", author="m", now=NOW)
    assert (flag.share, flag.buckets) == (Decimal(50), 0)
