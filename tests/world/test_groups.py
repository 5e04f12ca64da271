"""The tests' own scheduling: what shares a world or a pair of servers stays in one process."""

import os

import pytest


def test_the_group_of_a_test_is_known_to_the_scheduler(request: pytest.FixtureRequest) -> None:
    """Without it each process would start servers of its own, and nobody would hear of it."""
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    assert alone or request.node.nodeid.endswith("@world"), request.node.nodeid
