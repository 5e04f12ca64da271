"""The first copy by several connections under one snapshot: everything arrives, whatever changes meanwhile or is killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from contract import holds
from every_kind import Writing, equal, rich
from moves import kits, publications, reverse, take, until
from pairs import Pair, serving

from cutover.core import killpoint
from cutover.core.clock import Deadline
from cutover.core.step import Step
from cutover.core.telling import heard
from cutover.postgres.copied_subscription import CopiedSubscription
from cutover.postgres.copy_parts import CopyOvertaken, Part, finish, mark, noted
from cutover.postgres.copying import CopyRefused, CopyRows, EndCopy, Rewritten
from cutover.postgres.keeper import KEEPER
from cutover.postgres.schema_steps import SchemaCompleted, SchemaTables

SMALL = 100_000  # bytes above which a table is copied in parts, here


def opening(pair: Pair) -> list[Step[Any]]:
    """What stands before the copy when green's schema is copied, too."""
    schema = SchemaTables(name="schema-tables", source=pair.blue, target=pair.green, keys=False, settle=60.0)
    blue, green = kits(pair.blue, pair.green)
    return [schema, blue, green, *publications(pair.blue, pair.green)]


def following(pair: Pair) -> CopiedSubscription:
    return CopiedSubscription(
        name="following", source=pair.blue, target=pair.green, before="absent", after="following", settle=60.0, jobs=3,
        above=SMALL, completes=True,
    )  # fmt: skip


def rows(pair: Pair) -> CopyRows:
    return CopyRows(pair.blue, pair.green, 3, SMALL)


def long() -> Deadline:
    return Deadline.after(120.0)


@contextmanager
def opened(pair: Pair, prefix: str) -> Iterator[Pair]:
    with rich(pair, prefix) as both:
        for step in opening(both):
            take(step)
        yield both
        for undo in (*reversed([*opening(both), following(both)]),):
            take(undo.inverse())
        assert left_over(both) == []


@pytest.fixture
def both(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """The rich database on blue; on green its tables without keys, indexes and rows, fenced."""
    monkeypatch.setenv("PG_BIN", str(pair.programs))
    with opened(pair, "RICH") as found:
        yield found


def left_over(pair: Pair) -> list[Any]:
    """Slots and keepers that nobody needs any more."""
    slots = pair.sql("blue", "SELECT slot_name FROM pg_replication_slots WHERE slot_name = 'cut_old_new'")
    return slots + keepers(pair)


def keepers(pair: Pair) -> list[Any]:
    return pair.sql("blue", f"SELECT pid FROM pg_stat_activity WHERE application_name = '{KEEPER}'")


def test_every_row_arrives_while_all_of_them_change(both: Pair) -> None:
    with Writing(both.dsns["blue"]):
        take(following(both), 60.0)
    equal(both)
    assert both.sql("green", "SELECT bool_and(t NOT LIKE '%stamped stamped%') FROM parent") == [(True,)], (
        "no trigger has fired"
    )
    parts = both.sql("green", "SELECT leaf, count(*), sum(row_count) FROM cutover.copy_parts GROUP BY 1")
    found = {leaf: (count, copied) for leaf, count, copied in parts}
    assert found["public.child"][0] > 1 and found["public.empty"] == (1, 0)
    assert not keepers(both), "the snapshot is let go when the copy has ended"
    frozen = both.sql("green", "SELECT relname FROM pg_class WHERE relname = 'quiet' AND relallvisible > 0")
    assert frozen == [("quiet",)], "its rows were frozen as they came"


def test_into_a_schema_that_is_complete_already(both: Pair) -> None:
    """Foreign keys, indexes and triggers are there: nothing fires, and what is referenced is not emptied to be frozen."""
    whole = SchemaCompleted(name="completed", source=both.blue, target=both.green, jobs=2, settle=60.0)
    take(whole)
    step = replace(following(both), completes=False)
    with Writing(both.dsns["blue"]):
        take(step, 60.0)
    equal(both)
    assert both.sql("green", "SELECT bool_and(t NOT LIKE '%stamped stamped%') FROM parent") == [(True,)]
    evidence = step.evidence()
    assert (
        evidence["rows"] > 9000 and evidence["tables"] > 9 and evidence["bytes"] > 1_000_000 and evidence["seconds"] > 0
    )


@pytest.mark.parametrize("sides", [("15", "16")])
def test_from_15(sides: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    with serving("OLDER", *sides, count=10) as pair:
        monkeypatch.setenv("PG_BIN", str(pair.programs.parents[1] / "pginstall" / "bin"))
        with opened(pair, "RICH15") as both:
            with Writing(both.dsns["blue"]):
                take(following(both), 60.0)
            equal(both)


@pytest.mark.sampled
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_contract(both: Pair, tmp_path: Path) -> None:
    holds(lambda: following(both), state_dir=tmp_path, kills=8)
    assert left_over(both) == []


class Died(BaseException):
    """The copier is dead."""


def die_at(point: str) -> Callable[[str], None]:
    def hook(name: str) -> None:
        if name == point:
            raise Died

    return hook


def killed(pair: Pair, point: str) -> None:
    killpoint.install(die_at(point))
    try:
        with pytest.raises(Died):
            CopyRows(pair.blue, pair.green, 1, SMALL).run(long())
    finally:
        killpoint.install(None)


def test_what_is_copied_is_not_copied_again_while_the_snapshot_lives(both: Pair) -> None:
    with Writing(both.dsns["blue"]):
        killed(both, "copy: the first part is copied")
        done = both.sql("green", "SELECT id, done FROM cutover.copy_parts WHERE done IS NOT NULL")
        began = both.sql("green", "SELECT began FROM cutover.copy_run")
        assert len(done) == 1 and keepers(both) and following(both).observe() == "copying"
        said: list[str] = []
        with heard(said.append):
            take(following(both), 60.0)
    assert both.sql("green", "SELECT began FROM cutover.copy_run") == began
    for number, at in done:
        assert both.sql("green", "SELECT done FROM cutover.copy_parts WHERE id = %s", number) == [(at,)]
    assert any("MB, " in word and "left" in word for word in said) and not any("anew" in word for word in said)
    equal(both)


DYING = """import os, signal
from cutover.core import killpoint
from cutover.core.clock import Deadline
from cutover.postgres.copy_parts import CopyOvertaken, Part, finish, mark, noted
from cutover.postgres.copying import CopyRows
from cutover.postgres.session import Database
def die(name):
    if name == "copy: the first part is copied":
        os.kill(os.getpid(), signal.SIGKILL)
killpoint.install(die)
side = lambda name, dsn: Database(name, dsn, lambda: os.environ[dsn])
CopyRows(side("old", "RICH_BLUE_DSN"), side("new", "RICH_GREEN_DSN"), 2, 100_000).run(Deadline.after(60.0))
"""


def test_a_copier_that_was_killed_dead_is_gone_on_for(both: Pair) -> None:
    with Writing(both.dsns["blue"]):
        died = subprocess.run([sys.executable, "-c", DYING], capture_output=True, text=True, timeout=120, check=False)
        assert died.returncode == -signal.SIGKILL, died.stderr
        assert len(keepers(both)) == 1
        began = both.sql("green", "SELECT began FROM cutover.copy_run")
        take(following(both), 60.0)
    assert both.sql("green", "SELECT began FROM cutover.copy_run") == began and not keepers(both)
    equal(both)


def test_without_its_snapshot_a_copy_begins_anew(both: Pair) -> None:
    killed(both, "copy: the first part is copied")
    both.sql("blue", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{KEEPER}'")
    until(lambda: not keepers(both))
    began = both.sql("green", "SELECT began FROM cutover.copy_run")
    said: list[str] = []
    with heard(said.append):
        take(following(both), 60.0)
    assert both.sql("green", "SELECT began FROM cutover.copy_run") != began
    assert "the snapshot of the earlier copy is gone: it begins anew" in said
    equal(both)


def test_a_copier_that_was_overtaken_finishes_nothing(both: Pair) -> None:
    killed(both, "copy: all parts are copied")
    with both.green.open("test") as session:
        old, _ = noted(session)
        assert old is not None
        both.sql("blue", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{KEEPER}'")
        killed(both, "copy: the first part is copied")  # by another one, which has begun anew
        with pytest.raises(CopyOvertaken, match="another copy has begun since"):
            finish(session, old)
        part = Part(1, session.value("SELECT leaf FROM cutover.copy_parts WHERE id = 1"), "", 0, None, True, 0, 0, 0)
        with pytest.raises(CopyOvertaken, match="somebody else has copied this part"):
            mark(session, part, 1)
    assert following(both).observe() == "copying"
    take(following(both), 60.0)
    equal(both)


def test_a_table_that_is_rewritten_meanwhile_is_not_pieced_together(both: Pair) -> None:
    killed(both, "copy: the parts are noted")
    both.sql("blue", "VACUUM FULL child")
    with pytest.raises(Rewritten, match=r"public\.child was rewritten"):
        rows(both).run(long())
    assert not keepers(both)
    take(following(both), 60.0)
    equal(both)


def test_the_copy_is_not_sent_back(both: Pair) -> None:
    back = reverse(both.blue, both.green)
    take(back)
    with pytest.raises(CopyRefused, match="slot cut_new_old on new would send the copy back"):
        rows(both).run(long())
    assert following(both).observe() == "absent" and left_over(both) == []
    take(back.inverse())


def test_who_listens_may_end_it_and_it_can_be_gone_on_with(both: Pair) -> None:
    def enough(seen: str) -> None:
        raise Died

    with heard(enough), pytest.raises(Died):
        rows(both).run(long())
    assert following(both).observe() == "copying"
    EndCopy(both.blue, both.green).run(long())
    assert left_over(both) == []


def test_an_open_transaction_is_named_and_the_slot_is_dropped(both: Pair) -> None:
    said: list[str] = []
    with psycopg.connect(both.dsns["blue"]) as connection:
        connection.execute("INSERT INTO keyless VALUES ('open', 1)")
        with heard(said.append), pytest.raises(Exception, match="it waits for 1 transactions that are open on old"):
            rows(both).run(Deadline.after(2.5))
        connection.rollback()
    assert any("waits for 1 transactions" in word for word in said)
    until(lambda: left_over(both) == [])


def test_what_a_person_pastes_does_the_same(both: Pair) -> None:
    step = following(both)
    with Writing(both.dsns["blue"]):
        for command in step.commands("following"):
            paste(both, command.shell())
            paste(both, command.shell())
    until(lambda: step.observe() == "following", 20.0)
    assert paste(both, step.check_shell()).strip() == "following"
    equal(both)
    for command in step.commands("absent"):
        paste(both, command.shell())
        paste(both, command.shell())
    assert step.observe() == "absent" and left_over(both) == []
    assert both.sql("green", "SELECT count(*) FROM parent") == [(0,)]


def paste(pair: Pair, text: str) -> str:
    environ = {
        "PATH": f"{pair.programs}:{os.environ['PATH']}",
        "RICH_BLUE_DSN": pair.dsns["blue"],
        "RICH_GREEN_DSN": pair.dsns["green"],
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout
