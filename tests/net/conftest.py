"""Name servers for one test."""

from collections.abc import Callable, Iterator

import pytest
from name_servers import Server


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def make(ttl: int, **more: object) -> Server:
        servers.append(Server(ttl, **more))  # type: ignore[arg-type]
        return servers[-1]

    yield make
    for server in servers:
        server.close()
