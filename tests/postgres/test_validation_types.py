"""Every tricky value, on two real servers of different majors: what differs is found, and nothing else is reported."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from markers import database, drop, followed_markers
from pairs import Pair
from tricky_values import CASES, SHAPES, TYPES, TYPES_OTHERWISE

from cutover.postgres.rowhash import Hashing, RowHash
from cutover.postgres.validation import Wanted, validate
from cutover.world import servers

DEBIAN = Path("/usr/lib/postgresql/15")


def fill(pair: Pair, *, debian: bool) -> None:
    pair.sql("blue", TYPES)
    pair.sql("green", TYPES_OTHERWISE)
    if debian:
        pair.sql(
            "blue", "CREATE COLLATION public.nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
        )
        pair.sql("green", 'CREATE COLLATION public.nocase FROM "C"')
        for side in ("blue", "green"):
            pair.sql(side, "CREATE EXTENSION citext SCHEMA public")
    for case in CASES:
        if case.debian and not debian:
            continue
        for side, value in (("blue", case.blue), ("green", case.green)):
            pair.sql(side, f"CREATE TABLE {case.table} (id int PRIMARY KEY, v {case.kind})")
            pair.sql(side, f"INSERT INTO {case.table} VALUES (1, {value}), (2, {case.blue})")
    for shape in SHAPES:
        pair.sql("blue", shape.blue)
        pair.sql("green", shape.green)


@pytest.fixture(scope="session")
def wheel_values(pair: Pair) -> Iterator[Pair]:
    """16 and 18 of the wheel."""
    blue, green = (database(pair.dsns[side], "tricky_values") for side in ("blue", "green"))
    made = followed_markers(blue, green, "tricky_markers")
    fill(made, debian=False)
    yield made
    drop(made, "tricky_markers")


def debian_server(stack: ExitStack) -> str:
    """A server of Debian's 15, which has ICU and extensions; the connection string of its database postgres."""
    if not (DEBIAN / "bin" / "postgres").exists():
        pytest.skip("PostgreSQL 15 with ICU is not installed: apt-get install postgresql-15")
    scratch = Path(tempfile.mkdtemp(prefix="cutover-test-"))
    stack.callback(shutil.rmtree, scratch, ignore_errors=True)
    scratch.chmod(0o755)
    programs = scratch / "programs"
    programs.mkdir()
    os.symlink(DEBIAN, programs / servers.INSTALLATIONS["blue"])
    server = servers.create("blue", scratch=scratch, log=scratch / "log", account=servers.unprivileged(),
                            programs=programs, extra={"fsync": "off"})  # fmt: skip
    stack.callback(servers.halt, servers.start(server))
    return server.dsn(database="postgres")


@pytest.fixture(scope="session")
def mixed_values(pair: Pair) -> Iterator[Pair]:
    """15 of Debian and 18 of the wheel."""
    with ExitStack() as stack:
        blue = database(debian_server(stack), "tricky_values")
        made = followed_markers(blue, database(pair.dsns["green"], "tricky_values_15"), "tricky_markers_15")
        stack.callback(drop, made, "tricky_markers_15")
        fill(made, debian=False)
        yield made


@pytest.fixture(scope="session")
def debian_values() -> Iterator[Pair]:
    """Twice 15 of Debian, with ICU and extensions."""
    with ExitStack() as stack:
        blue, green = (database(debian_server(stack), "tricky_values") for _ in range(2))
        made = followed_markers(blue, green, "tricky_markers")
        stack.callback(drop, made, "tricky_markers")
        fill(made, debian=True)
        yield made


FIXTURES = {"16 and 18": "wheel_values", "15 and 18": "mixed_values", "15 and 15": "debian_values"}


@pytest.fixture(params=FIXTURES)
def values(request: pytest.FixtureRequest) -> tuple[str, Pair]:
    return request.param, request.getfixturevalue(FIXTURES[request.param])


@pytest.mark.parametrize("form", Hashing, ids=lambda form: form.value)
def test_what_differs_is_found_and_nothing_else(values: tuple[str, Pair], form: Hashing) -> None:
    """One comparison answers for all cases; a wrong answer is listed by the case's name."""
    name, pair = values
    report = validate(pair.blue, pair.green, Wanted(row_hash=RowHash(form), max_report=1000))
    seen: dict[str, set[tuple[str, str]]] = {}
    for difference in report.differences:
        seen.setdefault(difference.table, set()).add((difference.key, difference.seen))
    cases = [case for case in CASES if not case.debian or name == "15 and 15"]
    wanted = {case.name: {("1", "different")} if case.differs else set() for case in cases}
    answers = {case.name: seen.get(case.table, set()) for case in cases}
    wanted |= {shape.name: set(shape.found) for shape in SHAPES}
    answers |= {shape.name: seen.get(shape.table, set()) for shape in SHAPES}
    assert {name: answer for name, answer in answers.items() if answer != wanted[name]} == {}
    assert report.tables == len(cases) + len(SHAPES) and not report.unproven


def test_the_servers_choose_the_fastest_hash_they_agree_on(values: tuple[str, Pair]) -> None:
    _, pair = values
    assert validate(pair.blue, pair.green, tables=["public.nothing"]).hashing == "S4"


def test_servers_of_two_encodings_are_compared_by_what_they_send(pair: Pair) -> None:
    made = followed_markers(
        database(pair.dsns["blue"], "latin", encoding="LATIN1"),
        database(pair.dsns["green"], "unicode"),
        "latin_markers",
    )
    try:
        for side, last in (("blue", "ö"), ("green", "ü")):
            made.sql(side, "CREATE TABLE public.words (id int PRIMARY KEY, w text)")
            made.sql(side, "INSERT INTO public.words VALUES (1, 'grün'), (2, %s)", last)
        report = validate(made.blue, made.green)
        assert report.hashing == "S2" and [d.key for d in report.differences] == ["2"]
    finally:
        drop(made, "latin_markers")
