"""The same world as for the whole cutovers, with environments whose runs are short."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from whole import shared
from whole.stage import Stage


@pytest.fixture(scope="session")
def world_stage() -> Iterator[Stage]:
    try:
        yield shared.stage()
    finally:
        shared.close()


@pytest.fixture(scope="session")
def bare_stage(world_stage: Stage) -> Stage:
    """With the environment `bare`: no smoke tests, which take most of a run's time."""
    world_stage.environment("bare", smoke=None, checklist=None)
    return world_stage


@pytest.fixture
def stage(bare_stage: Stage) -> Iterator[Stage]:
    """The stage with blue serving; a run that a test leaves is taken back after it."""
    bare_stage.back_on_blue()
    yield bare_stage
    bare_stage.back_on_blue()
