"""The word `state`: where journal and lease are kept."""

from collections.abc import Callable

import pytest

from cutover.environment import Environment

Told = Callable[..., list[str]]
Loaded = Callable[..., Environment]


@pytest.mark.parametrize(
    "word",
    [
        "sqlite",
        "s3://shop-cutovers/state",
        "s3://shop.cutovers/team_a/prod-1",
        "postgresql://state.example.com/cutover",
        "postgres://cutover@state.example.com:5433/cutover?sslmode=verify-full",
        "env:STATE_DSN",
        "secretsmanager:shop/prod/state-dsn",
    ],
)
def test_places(loaded: Loaded, word: str) -> None:
    assert str(loaded(f"state: {word}\n").state) == word


def test_without_a_word_it_is_a_file_of_this_machine(loaded: Loaded) -> None:
    assert str(loaded().state) == "sqlite"


@pytest.mark.parametrize(
    "word",
    [
        "postgresql://cutover:hunter2@state.example.com/cutover",
        "postgresql://state.example.com/cutover?password=hunter2",
        "host=state.example.com password=hunter2",
        "s3://shop-cutovers",
        "s3://Shop/state",
        "s3://shop-cutovers/../other",
        "mysql://state.example.com/hunter2",
        "sqlite:///hunter2",
        "''",
        "5",
    ],
)
def test_what_is_no_place_is_refused_and_not_repeated(told: Told, word: str) -> None:
    problems = told(f"state: {word}\n")
    assert len(problems) == 1 and "state" in problems[0]
    assert "hunter2" not in problems[0]


def test_a_side_of_the_cutover_cannot_keep_the_state(told: Told) -> None:
    problems = told("state: env:BLUE\n")
    assert len(problems) == 1 and "keep the state elsewhere" in problems[0], problems
