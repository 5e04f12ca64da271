"""A small environment that loads, and what is said about changed copies of it."""

from collections.abc import Callable

import pytest
from small import SMALL

from cutover.core.errors import ConfigurationRefused
from cutover.environment import Environment, parse


def told_about(text: str) -> list[str]:
    """The problems of `text`; none when it loads."""
    try:
        parse(text, name="small", file="small.yaml")
    except ConfigurationRefused as error:
        assert error.problems
        assert error.exit_code == 3
        return list(error.problems)
    return []


@pytest.fixture
def told() -> Callable[..., list[str]]:
    """`told(old, new)`: the problems of the small environment with `old` replaced; `told(added)`: with lines added."""

    def told(*change: str) -> list[str]:
        if len(change) == 1:
            return told_about(SMALL + change[0])
        assert SMALL.count(change[0]) == 1, f"{change[0]!r} is not in the small environment exactly once"
        return told_about(SMALL.replace(change[0], change[1]))

    return told


@pytest.fixture
def loaded() -> Callable[..., Environment]:
    """Like `told`, for changes that are right."""

    def loaded(*change: str) -> Environment:
        text = SMALL.replace(change[0], change[1]) if len(change) == 2 else SMALL + "".join(change)
        return parse(text, name="small", file="small.yaml")

    return loaded


@pytest.fixture
def told_text() -> Callable[[str], list[str]]:
    """The problems of a whole text."""
    return told_about


@pytest.fixture
def small_text() -> str:
    """The small environment, which calls itself `small`."""
    return SMALL
