"""Any text either loads or is refused with reasons; nothing else ever comes out."""

import random
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cutover.core.errors import ConfigurationRefused
from cutover.environment import parse, template
from cutover.environment.models import Environment

pytestmark = pytest.mark.slow  # long hunts; `invoke test --quick` leaves them out

SECRET = "hunter2-Tr0ub4dor"
WORDS = sorted(
    {*Environment.model_fields, "kind", "alb", "carrier", "host", "blue", "green", "shares", "ttl", "soak", "<<"}
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from([*WORDS, "env:X", "5s", "10"])
)  # fmt: skip
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=30,
)
PIECES = st.sampled_from(
    ["name: ", "\n", "\n  ", "- ", "? ", ": ", "[", "]", "{", "}", "&a ", "*a", "!!str ", "|\n", ">", "'", '"', "%YAML ", "---\n"]
    + ["#", "\t", "\\", "\x00", "\x85", "\ufeff", "\ud800", "1e3", "0755", "12:30", ".inf", "~", "<<: ", ",", "@", "`", "é", "\U0001f600"]
)  # fmt: skip


def _outcome(text: str) -> None:
    try:
        parse(text, name="fuzz", file="fuzz.yaml")
    except ConfigurationRefused as error:
        assert error.problems
        for problem in error.problems:
            assert problem.startswith("fuzz.yaml:")
            assert problem.isprintable()
            assert SECRET not in problem


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.text())
def test_any_text(text: str) -> None:
    _outcome(text)


@settings(deadline=None, max_examples=500, derandomize=True)
@given(st.lists(PIECES | st.text(max_size=3), max_size=40).map("".join))
def test_any_pile_of_yaml_pieces(text: str) -> None:
    _outcome(text)


@settings(deadline=None, max_examples=300, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(WORDS), TREES, max_size=8))
def test_any_tree(tree: dict[str, Any]) -> None:
    _outcome(yaml.safe_dump(tree, allow_unicode=True))


@settings(deadline=None, max_examples=200, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), TREES)
def test_a_good_environment_with_any_value_somewhere(seed: int, tree: Any) -> None:
    chance = random.Random(seed)
    data: Any = yaml.safe_load(template("fuzz"))
    at = data
    while True:
        key = chance.choice(list(at))
        if not isinstance(at[key], dict) or chance.random() < 0.3:
            break
        at = at[key]
    at[key] = tree
    _outcome(yaml.safe_dump(data, allow_unicode=True))


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.integers(0, 2**32), st.integers(1, 5))
def test_a_good_environment_with_broken_bytes(seed: int, cuts: int) -> None:
    chance = random.Random(seed)
    text = template("fuzz")
    for _ in range(cuts):
        at = chance.randrange(len(text))
        text = (
            text[:at]
            + chance.choice(["", "\t", ":", "- ", "{", "'", "&", "*", "\x1b", "\n"])
            + text[at + chance.randrange(4) :]
        )
    _outcome(text)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(
    st.integers(0, 2**32),
    st.sampled_from(["{}", "env:{}!", "postgresql://u:{}@h/d", "x password={}", "https://h/?token={}", "a: {}", "'{}"]),
    st.booleans(),
)
def test_a_secret_in_any_place_is_never_repeated(seed: int, form: str, quoted: bool) -> None:
    chance = random.Random(seed)
    secret = form.format(SECRET)
    lines = template("fuzz").splitlines()
    at = chance.choice([n for n, line in enumerate(lines) if ": " in line and not line.lstrip().startswith("#")])
    value = '"' + secret + '"' if quoted else secret
    lines[at] = lines[at].split(": ")[0] + ": " + value
    _outcome("\n".join(lines))
