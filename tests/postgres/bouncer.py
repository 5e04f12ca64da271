"""A real PgBouncer in front of a pair of servers."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pairs import Pair
from psycopg import conninfo

from cutover.world.bouncer import PROGRAM, Bouncer, bouncer


@contextmanager
def running(pair: Pair, database: str, *more: str) -> Iterator[Bouncer]:
    """PgBouncer in front of `database` (and `more`) of the pair, directed to blue."""
    if not PROGRAM.exists():
        pytest.skip("PgBouncer is not installed: apt-get install pgbouncer")
    ports = {side: int(str(conninfo.conninfo_to_dict(pair.dsns[side])["port"])) for side in ("blue", "green")}
    with bouncer(ports, database, *more) as found:
        yield found
