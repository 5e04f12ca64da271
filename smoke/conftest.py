"""Smoke tests against any side of the shop; they run alone, too: `SMOKE_URL=https://… pytest smoke/`.

SMOKE_URL        base URL of the side
SMOKE_HOST       Host header to send, for a side that is asked directly or through a load balancer's own name
SMOKE_VERSION    version of the shop that must answer
SMOKE_KEY        idempotency key of the first order, so that its row can be looked up afterwards
SMOKE_READ_ONLY  1: tests that write are skipped with the words "not run in dry-run"
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

TIMEOUT = (3.05, 15)  # seconds to connect, and between two bytes of the answer


@dataclass(frozen=True)
class Side:
    """The side of the shop under test; every request has a timeout and follows no redirect."""

    url: str
    session: requests.Session = field(repr=False)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.session.get(self.url + path, timeout=TIMEOUT, allow_redirects=False, **options)

    def post(self, path: str, body: object) -> requests.Response:
        return self.session.post(self.url + path, json=body, timeout=TIMEOUT, allow_redirects=False)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "writes: leaves something behind in the shop; not run in dry-run")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("SMOKE_READ_ONLY") == "1":
        for item in items:
            if item.get_closest_marker("writes"):
                item.add_marker(pytest.mark.skip(reason="not run in dry-run"))


@pytest.fixture(scope="session")
def url() -> str:
    """The base URL of the side under test."""
    given = os.environ.get("SMOKE_URL", "").rstrip("/")
    if not given.startswith(("http://", "https://")):
        pytest.fail("SMOKE_URL must say which side to test, as in SMOKE_URL=https://green.example.com", pytrace=False)
    return given


@pytest.fixture(scope="session")
def side(url: str) -> Iterator[Side]:
    """The side under test, with the Host header of SMOKE_HOST."""
    with requests.Session() as session:
        session.trust_env = False  # a proxy of this machine must not answer in the side's place
        session.headers["User-Agent"] = "cutover-smoke"
        if host := os.environ.get("SMOKE_HOST"):
            session.headers["Host"] = host
        yield Side(url, session)


@pytest.fixture(scope="session")
def version() -> str | None:
    """The version that must answer; None: any."""
    return os.environ.get("SMOKE_VERSION") or None
