"""Flags for flagd: read and evaluated by flagd's own evaluator for Python."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails, Reason

from cutover.routing import Flag, FlagWrong, bucket_of
from cutover.routing.flag import BUCKETS
from cutover.routing.flagd import flagd_definitions, flagd_text

KEYS = [f"user-{number}" for number in range(2000)]
STANDING = {"legacy": False, "candidate": True}


def flag(share: float, **more: Any) -> Flag:
    return Flag.of({"name": "search", "enabled": True, "share": share, **more})


def evaluator(found: Flag) -> FlagdCore:
    core = FlagdCore()
    core.set_flags(flagd_text({found.name: found}))
    return core


def asked(core: FlagdCore, key: str | None, default: bool = True) -> FlagResolutionDetails[bool]:
    return core.resolve_boolean_value("search", default, EvaluationContext(targeting_key=key))


def on_candidate(found: Flag) -> set[str]:
    core = evaluator(found)
    return {key for key in KEYS if asked(core, key).value}


@pytest.mark.parametrize("more", [{}, {"salt": "wave-2"}])
@pytest.mark.parametrize("share", [1, 25, 33.33, 50, 99.99])
def test_flagd_gives_the_candidate_its_share(share: float, more: dict[str, str]) -> None:
    found = len(on_candidate(flag(share, **more)))
    wanted = len(KEYS) * share / 100
    assert abs(found - wanted) <= 4.5 * (len(KEYS) * share / 100 * (1 - share / 100)) ** 0.5 + 1


@pytest.mark.parametrize("more", [{}, {"salt": "wave-2"}])
def test_a_rising_share_moves_no_key_back(more: dict[str, str]) -> None:
    """Also from whole percents, out of 100, to parts of them, out of 10,000."""
    before: set[str] = set()
    for share in (1, 1.5, 10, 10.01, 25, 25.25, 50, 99, 100):
        now = on_candidate(flag(share, **more))
        assert before <= now
        before = now
    assert before == set(KEYS)


def test_its_keys_are_others_than_ours() -> None:
    """What the docstring and the metadata say."""
    ours = {key for key in KEYS if bucket_of("search", key) < BUCKETS // 2}
    assert 0.4 < len(ours ^ on_candidate(flag(50))) / len(KEYS) < 0.6
    assert "MurmurHash3" in flagd_definitions({})["metadata"]["bucketing"]


@pytest.mark.parametrize("default", [True, False])
@pytest.mark.parametrize(
    ("found", "value"),
    [(flag(0), False), (flag(100), True), (flag(100, enabled=False), False), (flag(40, enabled=False), False)],
)
def test_ends_and_flags_that_are_off_hold_whatever_the_callers_default_is(
    found: Flag, value: bool, default: bool
) -> None:
    seen = asked(evaluator(found), "x", default)
    assert (seen.value, seen.reason) == (value, Reason.STATIC)


@pytest.mark.parametrize("more", [{}, {"salt": "wave-2"}])
def test_nobody_known_is_on_legacy(more: dict[str, str]) -> None:
    seen = asked(evaluator(flag(99.99, **more)), None)
    assert (seen.value, seen.reason) == (False, Reason.DEFAULT)


def test_two_flags_of_one_salt_give_a_key_the_same_side() -> None:
    one, other = flag(50, salt="both"), replace(flag(50, salt="both"), name="checkout")
    core = FlagdCore()
    core.set_flags(flagd_text({one.name: one, other.name: other}))
    for key in KEYS[:200]:
        context = EvaluationContext(targeting_key=key)
        sides = {core.resolve_boolean_value(name, False, context).value for name in ("search", "checkout")}
        assert len(sides) == 1


def test_who_said_so_last_comes_along() -> None:
    moved = flag(5, description="New search").at(
        25, reason="no complaints", author="ada", now=datetime(2026, 11, 26, 12, tzinfo=UTC)
    )
    seen = asked(evaluator(moved), "x")
    assert dict(seen.flag_metadata) == {
        "exportedBy": "cutover",
        "source": "cutover.flag/1",
        "bucketing": flagd_definitions({})["metadata"]["bucketing"],
        "enabled": True,
        "share": 25.0,
        "version": 1,
        "description": "New search",
        "reason": "no complaints",
        "author": "ada",
        "changedAt": "2026-11-26T12:00:00Z",
    }


def test_a_flag_that_cannot_be_read_is_named_and_keeps_no_other_back() -> None:
    found = flagd_definitions({"search": flag(25), "broken": FlagWrong("broken: share is no number")})
    assert list(found["flags"]) == ["search"]
    assert found["metadata"]["notExported"] == "broken: broken: share is no number"


@given(st.decimals(0, 100, places=2), st.booleans(), st.sampled_from(["", "search", "wave-2"]))
def test_every_definition_keeps_the_rules_of_the_schema(share: Any, enabled: bool, salt: str) -> None:
    """flags.json and targeting.json of open-feature/flagd-schemas, in our words; weights are whole numbers."""
    document = json.loads(flagd_text({"search": Flag(name="search", enabled=enabled, share=share, salt=salt)}))
    assert set(document) == {"$schema", "metadata", "flags"}
    definition = document["flags"]["search"]
    assert set(definition) - {"targeting"} == {"state", "variants", "defaultVariant", "metadata"}
    assert definition["state"] in ("ENABLED", "DISABLED") and definition["variants"] == STANDING
    assert definition["defaultVariant"] in STANDING
    for metadata in (document["metadata"], definition["metadata"]):
        assert all(isinstance(value, (str, int, float, bool)) for value in metadata.values())
    targeting = definition.get("targeting")
    assert (targeting is None) == (not enabled or share in (0, 100))
    if targeting is not None:
        rule = targeting if salt in ("", "search") else targeting["if"][1]
        candidate, legacy = rule["fractional"][-2:]
        assert (candidate[0], legacy[0]) == ("candidate", "legacy") and type(candidate[1]) is type(legacy[1]) is int
        assert candidate[1] > 0 < legacy[1]
        total = candidate[1] + legacy[1]
        assert Fraction(candidate[1], total) == Fraction(share) / 100
        assert total == (100 if share == int(share) else BUCKETS)
