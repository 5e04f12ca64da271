"""What every store of flags with a process or a server behind it must outlive: writers killed anywhere, and odd content."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cutover.routing import Conflict, Flag, FlagWrong, Store, Unavailable, open_store

WRITER = """
import sys
from cutover.routing import Flag, open_store
store, version = open_store(sys.argv[1]), 0
while True:
    version = store.put(Flag(name="killed", description="x" * 2000, reason=f"change {version + 1}"), version).version
    print(version, flush=True)
"""


def survives_kills(url: str, times: int = 3) -> None:
    """A writer that is killed leaves the last flag that it reported or the next one, whole, and the next writer goes on."""
    for changes in (1, 4, 9)[:times]:
        with open_process(url) as process:
            assert process.stdout is not None
            told = 0
            while told < changes:
                line = process.stdout.readline()
                assert line, process.communicate()
                told = int(line)
            process.kill()
            told = int((process.stdout.read().split() or [told])[-1])
        store = open_store(url)
        found = store.all()["killed"]
        assert isinstance(found, Flag), found
        assert found.version in (told, told + 1) and found.reason == f"change {found.version}"
        again = store.put(Flag(name="killed"), found.version)
        assert store.all()["killed"] == again
        assert store.put(Flag(name="other"), version_of(store, "other"))
        forget(store, url)
        closed(store)


def open_process(url: str) -> "subprocess.Popen[str]":
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True, env=environ)


def version_of(store: Store, name: str) -> int:
    found = store.all().get(name)
    return found.version if isinstance(found, Flag) else 0


def forget(store: Store, url: str) -> None:
    """The flag `killed` becomes one that cannot be read: the next writer begins at 0 again."""
    FORGETS[url.partition(":")[0]](url)
    assert isinstance(store.all()["killed"], FlagWrong)


def closed(store: Store) -> None:
    close = getattr(store, "close", None)
    if close is not None:
        close()


def _in_sqlite(url: str) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(url.partition(":")[2])) as db, db:
        db.execute("UPDATE cutover_flags SET flag = 'nothing' WHERE name = 'killed'")


def _in_postgres(url: str) -> None:
    import psycopg

    with psycopg.connect(url) as db:
        db.execute("UPDATE cutover_flags SET flag = 'nothing' WHERE name = 'killed'")


def _in_redis(url: str) -> None:
    import redis

    with redis.Redis.from_url(url) as client:
        client.hset("cutover:flags", "killed", "nothing")


FORGETS = {"sqlite": _in_sqlite, "postgresql": _in_postgres, "redis": _in_redis}


def unavailable(store: Store, saying: str) -> None:
    """Looking and writing end, and say why."""
    for act in (store.mark, store.all, lambda: store.put(Flag(name="a"), 1), lambda: store.wait(None, 0.01)):
        with pytest.raises(Unavailable, match=saying):
            act()


def a_mistake_keeps_no_other_back(store: Store) -> None:
    """`broken` stands there and is no flag: the others are read and written, and it is written anew by whoever expects none."""
    found = store.all()
    assert isinstance(found["broken"], FlagWrong), found
    assert isinstance(found["well"], Flag)
    with pytest.raises(Conflict):
        store.put(Flag(name="broken"), 5)
    assert store.put(Flag(name="broken", reason="mended"), 0).version == 1
    assert store.all()["broken"] == Flag(name="broken", reason="mended", version=1)
