"""One world for all tests of the session; every test begins and ends with blue serving and no run open."""

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


@pytest.fixture
def stage(world_stage: Stage) -> Iterator[Stage]:
    """The stage with blue serving; a run that a test leaves is taken back after it."""
    world_stage.back_on_blue()
    yield world_stage
    world_stage.back_on_blue()
