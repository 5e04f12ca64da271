"""The preflight as a whole: versions, limits, few statements on one session per side, and what cannot be seen."""

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from asked import asked_sides, run, session, speaking
from links import Link
from moves import until
from pairs import Pair, serving
from psycopg import conninfo

from cutover.cli.preflight import plain, table
from cutover.core.clock import Deadline
from cutover.core.gate import Verdict
from cutover.postgres.preflight import DatabaseCheck, look_together, preflight
from cutover.postgres.preflight.compare import SameOnBoth
from cutover.postgres.preflight.question import SideQuestion, Visit
from cutover.postgres.preflight.servers import Direction, Room, SameClock, Version
from cutover.postgres.preflight.wal import POSITION, WalForecast
from cutover.postgres.session import CONNECT, Database, Params, Session


@pytest.fixture(scope="module")
def sides(pair: Pair) -> Iterator[Pair]:
    with asked_sides(pair) as made:
        yield made


@pytest.fixture(scope="module")
def checks(sides: Pair) -> dict[str, DatabaseCheck]:
    return dict(preflight(sides.blue, sides.green))


def test_two_equal_sides_pass(checks: dict[str, DatabaseCheck]) -> None:
    found = dict(look_together(list(checks.items())))
    assert {name: f.seen for name, f in found.items() if f.verdict is not Verdict.PASS} == {}
    spoken = {name for name, f in found.items() if f.data["remarks"]}
    # Other tests of these servers may have left an origin or a session; nothing else speaks.
    shared = {"clients-blue", "subscriptions-blue", "subscriptions-green", "transactions-blue", "transactions-green"}
    assert spoken - shared == {"cache-green", "wal-blue", "wal-green", "ddl-guard-blue", "ddl-guard-green"}
    assert all(f.data["wanted"] for f in found.values())
    assert all(check.why() and check.shell().strip() for check in checks.values())


def test_what_a_person_pastes_asks_the_same(sides: Pair, checks: dict[str, DatabaseCheck]) -> None:
    run(sides, "green", "CREATE TABLE app.late (a int PRIMARY KEY DEFERRABLE)")
    try:
        environment = {"ASKED_BLUE_DSN": sides.dsns["blue"], "ASKED_GREEN_DSN": sides.dsns["green"]}
        ended = {}
        for name, check in checks.items():
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", check.shell()],
                env={**environment, "PATH": f"{sides.programs}:/usr/bin:/bin"},
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert done.stderr == "", name
            ended[name] = done.returncode
        assert {name for name, code in ended.items() if code} == {
            "identity-green",
            "tables",
            "columns",
            "keys",
        }
    finally:
        run(sides, "green", "DROP TABLE app.late")


def test_the_index_that_could_be_the_identity_is_named(sides: Pair, checks: dict[str, DatabaseCheck]) -> None:
    run(sides, "blue", "CREATE TABLE app.uniq (a int NOT NULL); CREATE UNIQUE INDEX uniq_a ON app.uniq (a)")
    try:
        mend = speaking(checks["identity-blue"].look(), "app.uniq")["mend"]
        assert mend == "ALTER TABLE app.uniq REPLICA IDENTITY USING INDEX uniq_a;"
    finally:
        run(sides, "blue", "DROP TABLE app.uniq")


def test_a_missing_table_is_said_once(sides: Pair, checks: dict[str, DatabaseCheck]) -> None:
    run(sides, "blue", "CREATE TABLE app.more (a int PRIMARY KEY, b int DEFAULT 3, CHECK (b > 0))")
    try:
        found = dict(look_together(list(checks.items())))
        assert {n for n, f in found.items() if any("app.more" in r["seen"] for r in f.data["remarks"])} == {"tables"}
    finally:
        run(sides, "blue", "DROP TABLE app.more")


def test_versions(sides: Pair) -> None:
    assert "PostgreSQL 16" in Version(sides.blue).look().seen
    found = Version(sides.blue, oldest=170000).look()
    assert found.verdict is Verdict.FAIL and "wanted 17 or newer" in found.seen and found.hint
    assert Direction(sides.blue, sides.green).look().seen == "majors: 16 → 18"
    assert "18 → 16 is a downgrade" in Direction(sides.green, sides.blue).look().seen


def test_fifteen_and_eighteen_are_asked_and_compared() -> None:
    """What majors write differently is no difference: identity of partitions, NOT NULL constraints, columns of views."""
    with serving("ASKED_15", blue="15", count=1000) as pair, asked_sides(pair) as asked:
        for sides in (pair, asked):
            found = dict(look_together(preflight(sides.blue, sides.green)))
            assert found["version-blue"].seen.startswith("version: PostgreSQL 15.")
            assert {
                name: f.seen for name, f in found.items() if f.verdict is not Verdict.PASS or f.data.get("warning")
            } == {}
        run(asked, "green", "CREATE OR REPLACE VIEW app.paid AS SELECT id, price FROM app.orders")
        assert "app.paid is VIEW" in dict(preflight(asked.blue, asked.green))["views"].look().seen


def test_a_prepared_pair_passes_again(prepared: Pair) -> None:
    """The next cutover after a rollback finds kit, publications and subscriptions of ours, and green full and fenced."""
    found = dict(look_together(preflight(prepared.blue, prepared.green)))
    assert {name: f.seen for name, f in found.items() if f.verdict is not Verdict.PASS} == {}
    assert not found["slots-blue"].data["remarks"] and not found["publications-green"].data["remarks"]


def test_encodings(sides: Pair, checks: dict[str, DatabaseCheck]) -> None:
    run(sides, "green", "CREATE DATABASE other TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        other = Database("green", "X", lambda: sides.dsns["green"].replace("asked", "other"))
        found = dict(preflight(sides.blue, other))
        assert found["encoding"].look().verdict is Verdict.FAIL
        assert "encoding is UTF8 on blue, SQL_ASCII on green" in found["encoding"].look().seen
        assert "lc_collate is C.UTF-8 on blue, C on green" in found["locale"].look().seen
    finally:
        run(sides, "green", "DROP DATABASE other WITH (FORCE)")


def with_limit(checks: dict[str, DatabaseCheck], name: str, old: str, new: str) -> SideQuestion:
    """The question with another limit, where the server's own setting would need a restart."""
    check = checks[name]
    assert isinstance(check, SideQuestion) and check.sql.count(old) >= 1
    return replace(check, sql=check.sql.replace(old, new))


def test_settings_lock_table_and_room(sides: Pair, checks: dict[str, DatabaseCheck]) -> None:
    found = with_limit(checks, "settings-blue", "('max_logical_replication_workers', 4)",
                       "('max_logical_replication_workers', 400)").look()  # fmt: skip
    assert found.verdict is Verdict.FAIL and "max_logical_replication_workers is 20, wanted at least 400" in found.seen
    assert found.hint == "ALTER SYSTEM SET max_logical_replication_workers = 400; then restart the server"
    found = with_limit(checks, "settings-green", "setting <> 'logical'", "setting <> 'other'").look()
    assert "wal_level is logical" in found.seen
    locks = with_limit(checks, "lock-table-green", "n * 3 >", "n * 30000 >")
    found = replace(locks, sql=locks.sql.replace("n * 4 >", "n * 40000 >")).look()
    assert found.verdict is Verdict.FAIL and "places" in found.seen and "max_locks_per_transaction" in found.hint
    run(sides, "green", "ALTER DATABASE asked CONNECTION LIMIT 1")
    try:
        with session(sides), session(sides):
            found = Room(sides.blue, sides.green).look()
        assert found.verdict is Verdict.FAIL and "green has 1 free places" in found.seen and found.hint
    finally:
        run(sides, "green", "ALTER DATABASE asked CONNECTION LIMIT -1")


def test_clocks_and_wal(sides: Pair) -> None:
    near = SameClock(sides.blue, sides.green).look()
    assert near.verdict is Verdict.PASS and "±" in near.seen and not near.data["remarks"]
    odd = SameClock(sides.blue, sides.green, limit=-1.0).look()
    assert odd.data["warning"] and odd.hint
    run(sides, "blue", "ALTER SYSTEM SET max_slot_wal_keep_size = '20GB'; SELECT pg_reload_conf()")
    try:
        until(lambda: sides.sql("blue", "SHOW max_slot_wal_keep_size") == [("20GB",)])
        assert "24 h of retention would need" in WalForecast(sides.blue).look().seen
        check = WalForecast(sides.blue, day=10.0**9)
        with Visit() as visit:
            check.begin(visit)
            run(sides, "blue", "CREATE TABLE app.filler AS SELECT repeat('x', 1000) FROM generate_series(1, 2000)")
            found = check.look_on(visit)
        assert found.data["warning"] and "loses its slot" in found.seen
        assert "max_slot_wal_keep_size = '" in found.hint
    finally:
        run(
            sides,
            "blue",
            "ALTER SYSTEM RESET max_slot_wal_keep_size; SELECT pg_reload_conf(); DROP TABLE IF EXISTS app.filler",
        )


class Listening(Session):
    """A session that notes what it is asked."""

    def __init__(self, inner: Session, asked: list[str]) -> None:
        super().__init__(inner.side, inner._connection)
        self.asked = asked

    def rows(self, sql: str, params: Params = None, *, timeout: float | None = None) -> list[tuple[Any, ...]]:
        self.asked.append(sql)
        return super().rows(sql, params, timeout=timeout)


@dataclass(frozen=True)
class Watched(Database):
    """A side whose sessions note what they are asked, the position of the WAL apart: that is looked at once or twice."""

    opened: list[list[str]] = field(default_factory=list, compare=False)

    def connect(
        self, purpose: str = "", *, settings: Mapping[str, str] | None = None, patience: float = CONNECT
    ) -> Session:
        self.opened.append([])
        return Listening(super().connect(purpose, settings=settings, patience=patience), self.opened[-1])

    def asked(self) -> list[str]:
        """What the one session was asked; there may be no other."""
        (asked,) = self.opened
        return [sql for sql in asked if sql != POSITION]


def statements(sides: Pair) -> tuple[int, str]:
    """How many statements one preflight sends to both sides over one session each, and what it says of the tables."""
    blue = Watched("blue", "ASKED_BLUE_DSN", lambda: sides.dsns["blue"])
    green = Watched("green", "ASKED_GREEN_DSN", lambda: sides.dsns["green"])
    found = dict(look_together(preflight(blue, green)))
    assert {name for name, f in found.items() if f.verdict is not Verdict.PASS} == set()
    return len(blue.asked()) + len(green.asked()), found["tables"].seen


def test_one_session_for_each_side_and_no_more_statements_with_more_tables(sides: Pair) -> None:
    few, seen = statements(sides)
    assert seen == "tables: 4, the same on both sides"
    many = """DO $$ BEGIN FOR i IN 1..300 LOOP EXECUTE format('CREATE TABLE app.many_%s (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text DEFAULT ''x'', b int CHECK (b > 0))', i); END LOOP; END $$"""
    none = "DO $$ BEGIN FOR i IN 1..300 LOOP EXECUTE format('DROP TABLE IF EXISTS app.many_%s', i); END LOOP; END $$"
    try:
        for side in ("blue", "green"):
            sides.sql(side, many)
        assert statements(sides) == (few, "tables: 304, the same on both sides")
    finally:
        for side in ("blue", "green"):
            sides.sql(side, none)


def test_the_table_shows_what_is_wanted_and_mended_below_what_is_odd(
    sides: Pair, checks: dict[str, DatabaseCheck]
) -> None:
    for side in ("blue", "green"):
        sides.sql(
            side,
            "DO $$ BEGIN FOR i IN 1..12 LOOP EXECUTE format('CREATE TABLE app.bare_%s (a int)', i); END LOOP; END $$",
        )
    try:
        asked = {name: checks[name] for name in ("version-blue", "identity-blue")}
        lines = {name: {"check": name, **plain(finding)} for name, finding in look_together(list(asked.items()))}
        (fine,) = table(lines["version-blue"])
        assert fine.startswith("  ✓ version-blue             version: PostgreSQL 16")
        odd = table(lines["identity-blue"])
        assert odd[0].startswith("  ✗ identity-blue ") and odd[0].endswith(": app.bare_1")
        assert "and 2 more (--json has all)" in odd[10] and "wanted: a primary key" in odd[11]
        assert odd[12] == "      mend:   ALTER TABLE app.bare_1 REPLICA IDENTITY FULL;" and len(odd) == 22
        assert len(lines["identity-blue"]["remarks"]) == 12
        assert (lines["identity-blue"]["result"], lines["version-blue"]["result"]) == ("refused", "passed")
    finally:
        for side in ("blue", "green"):
            sides.sql(
                side, "DO $$ BEGIN FOR i IN 1..12 LOOP EXECUTE format('DROP TABLE app.bare_%s', i); END LOOP; END $$"
            )


def test_what_cannot_be_seen_is_blind(sides: Pair) -> None:
    nowhere = Database("blue", "X", lambda: "host=127.0.0.1 port=1 connect_timeout=2")
    checks = list(preflight(nowhere, sides.green))
    found = dict(look_together(checks))
    blind = {name for name, f in found.items() if f.verdict is Verdict.BLIND}
    assert blind == {name for name in found if not name.endswith("-green")}
    assert all(found[name].hint for name in blind)


def test_a_link_that_hangs_is_waited_for_once(sides: Pair) -> None:
    link = Link(int(conninfo.conninfo_to_dict(sides.dsns["green"])["port"] or 0))
    dsn = conninfo.make_conninfo(sides.dsns["green"], port=link.port)
    checks = dict(preflight(sides.blue, Database("green", "X", lambda: dsn)))
    try:
        with Visit(Deadline.after(2.0)) as visit:
            assert checks["version-green"].look_on(visit).verdict is Verdict.PASS
            link.swallowing = True
            found = {name: check.look_on(visit) for name, check in checks.items() if name.endswith("-green")}
    finally:
        link.close()
    assert "no answer within" in found["settings-green"].seen
    # What was answered before is known; nothing else is asked of a side that has fallen silent.
    assert {name for name, f in found.items() if f.verdict is not Verdict.BLIND} == {"version-green"}
    assert {f.seen for name, f in found.items() if name != "version-green"} == {found["settings-green"].seen}


def test_a_side_that_ends_our_session_in_the_middle_is_blind_from_there_on(
    sides: Pair, checks: dict[str, DatabaseCheck]
) -> None:
    ending = SideQuestion(sides.blue, "end", "SELECT pg_terminate_backend(pg_backend_pid())", "nothing")
    names = [
        *((f"before-{n}", c) for n, c in checks.items()),
        ("end", ending),
        *((f"after-{n}", c) for n, c in checks.items()),
    ]
    asked = [(n, c) for n, c in names if n == "end" or isinstance(c, SideQuestion | SameOnBoth)]
    # The same question is asked once a visit, so the ones behind need a wording of their own.
    asked = [(n, replace(c, sql=f"{c.sql} ", newer=()) if n.startswith("after") and isinstance(c, SideQuestion) else c)
             for n, c in asked]  # fmt: skip
    found = dict(look_together(asked))
    assert found["end"].verdict is Verdict.BLIND
    assert all(f.verdict is Verdict.PASS for n, f in found.items() if n.startswith("before"))
    after = {n: f.verdict for n, f in found.items() if n.startswith("after") and n.endswith("-blue")}
    assert after and set(after.values()) == {Verdict.BLIND}
