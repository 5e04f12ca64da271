"""A real Prometheus for all tests of this folder, and servers that misbehave."""

import socket
from collections.abc import Callable, Iterator

import pytest
from odd_server import OddServer
from real_prometheus import Scraped, scraping

Behaviour = Callable[[OddServer, socket.socket], None]


@pytest.fixture(scope="session")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    with scraping(tmp_path_factory.mktemp("prometheus")) as found:
        yield found


@pytest.fixture
def odd() -> Iterator[Callable[[Behaviour], OddServer]]:
    """`odd(hangs)`: a server that does; it ends with the test."""
    made: list[OddServer] = []

    def make(behave: Behaviour) -> OddServer:
        made.append(OddServer(behave))
        return made[-1]

    yield make
    for server in made:
        server.close()
