"""Publications and subscriptions: by the program and by the runbook's commands; and the checks that look at them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from moves import caught_up, forward, kits, met, planted, publications, reverse, take, until
from pairs import Pair, paste

from cutover.core.errors import Unexpected
from cutover.core.gate import Verdict
from cutover.core.step import Step
from cutover.postgres.invariants import FitsTheWindow, Follows, OneWriter, WayBackWarm
from cutover.postgres.pair import DatabasePair
from cutover.postgres.replication import PUBLICATION
from cutover.postgres.sides import FENCE


@pytest.fixture
def bare(tiny: Pair) -> Iterator[Pair]:
    """The small database with nothing of ours, before and after."""
    yield tiny
    for step in reversed(steps(tiny)):
        take(step.inverse())
    tiny.sql("green", 'SET session_replication_role = replica; TRUNCATE things, "Parts"')


def steps(pair: Pair) -> list[Step[str]]:
    blue, green = pair.blue, pair.green
    return [*kits(blue, green), *publications(blue, green), forward(blue, green), reverse(blue, green)]


def test_the_commands_of_the_runbook_do_what_the_steps_do(bare: Pair) -> None:
    for step in steps(bare):
        for _ in range(2):  # a person may paste it twice
            for command in step.commands(step.after):
                paste(bare, command.shell())
        until(lambda step=step: step.observe() == step.after, 20.0, step.name)  # type: ignore[misc]
        assert paste(bare, step.check_shell()).strip()
    caught_up(bare.blue, bare.green)
    assert bare.sql("green", "SELECT count(*) FROM things") == [(50,)]
    for step in reversed(steps(bare)):
        for _ in range(2):
            for command in step.commands(step.before):
                paste(bare, command.shell())
        assert step.observe() == step.before


def test_an_orphan_slot_is_dropped_and_the_subscription_made(bare: Pair) -> None:
    for step in steps(bare)[:4]:
        take(step)
    name = "cut_left_right"
    bare.sql("blue", f"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')")
    take(forward(bare.blue, bare.green))
    assert bare.sql("blue", f"SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{name}'") == [(1,)]
    assert bare.sql("green", "SELECT count(*) FROM things") == [(50,)]


def test_a_subscription_that_somebody_disabled_is_seen(bare: Pair) -> None:
    for step in steps(bare):
        take(step)
    step = forward(bare.blue, bare.green)
    bare.sql("green", "ALTER SUBSCRIPTION cut_left_right DISABLE")
    assert step.observe() == "disabled"
    assert Follows(bare.blue, bare.green).look().verdict is Verdict.INSUFFICIENT
    take(step)
    until(lambda: Follows(bare.blue, bare.green).look().verdict is Verdict.PASS)


def test_what_is_said_about_a_disabled_subscription_lets_it_go_on(bare: Pair, tmp_path: Path) -> None:
    for step in (forward(bare.blue, bare.green), reverse(bare.blue, bare.green)):
        assert step.mend("disabled") == "", "without a slot nothing was kept"
    for step in steps(bare):
        take(step)
    for step, side, name in (
        (forward(bare.blue, bare.green), "green", "cut_left_right"),
        (reverse(bare.blue, bare.green), "blue", "cut_right_left"),
    ):
        bare.sql(side, f"ALTER SUBSCRIPTION {name} DISABLE")
        assert step.observe() == "disabled" and not step.mend("copying")
        with pytest.raises(Unexpected) as raised:
            met(step, tmp_path / f"{side}.db")
        mend = step.mend("disabled")
        assert f"So that it can go on:\n{mend}\nLook: " in raised.value.message
        paste(bare, mend)
        until(lambda step=step: step.observe() == step.after)  # type: ignore[misc]


def test_a_publication_that_lacks_something_is_incomplete(bare: Pair) -> None:
    for step in steps(bare)[:4]:
        take(step)
    step = publications(bare.blue, bare.green)[0]
    bare.sql("blue", "CREATE TABLE added (id int PRIMARY KEY)")
    assert step.observe() == "incomplete"
    bare.sql("blue", "DROP TABLE added")
    assert step.observe() == "present"
    bare.sql("blue", f"ALTER PUBLICATION {PUBLICATION} DROP TABLE cutover.marker")
    assert step.observe() == "incomplete"
    take(step)
    bare.sql("blue", f"ALTER PUBLICATION {PUBLICATION} SET (publish = 'insert, update')")
    assert step.observe() == "incomplete"
    take(step)
    for part in ("things (id)", "things WHERE (id > 3)"):
        bare.sql("blue", f"ALTER PUBLICATION {PUBLICATION} SET TABLE {part}, public.parts_1, cutover.marker")
        assert step.observe() == "incomplete"
        take(step)


def test_no_change_runs_in_a_circle(prepared: Pair) -> None:
    """One row in a table without key stays one row on both sides, whichever side wrote it."""

    def counts() -> list[int]:
        return [
            prepared.sql(side, "SELECT count(*) FROM public.notes WHERE body = 'once'")[0][0]
            for side in ("blue", "green")
        ]

    prepared.sql("blue", "INSERT INTO public.notes VALUES ('once', 1)")
    prepared.sql("green", f"ALTER TABLE public.notes DISABLE TRIGGER {FENCE}")
    try:
        prepared.sql("green", "INSERT INTO public.notes VALUES ('once', 1)")
    finally:
        prepared.sql("green", f"ALTER TABLE public.notes ENABLE TRIGGER {FENCE}")
    for _ in range(4):
        caught_up(prepared.blue, prepared.green)
        caught_up(prepared.green, prepared.blue)
        assert counts() == [2, 2]
    prepared.sql("blue", "DELETE FROM public.notes WHERE body = 'once'")
    caught_up(prepared.blue, prepared.green)
    assert counts() == [0, 0]


def test_the_window_waits_for_what_would_not_fit(prepared: Pair) -> None:
    check = FitsTheWindow(prepared.blue, prepared.green, 1_000_000)
    until(lambda: check.look().verdict is Verdict.PASS, 20.0, "a quiet moment")
    prepared.sql("green", "ALTER SUBSCRIPTION cut_blue_green DISABLE")
    try:
        seen = check.look()
        assert seen.verdict is Verdict.INSUFFICIENT and "disabled" in seen.seen
        assert Follows(prepared.blue, prepared.green).look().verdict is Verdict.INSUFFICIENT
    finally:
        prepared.sql("green", "ALTER SUBSCRIPTION cut_blue_green ENABLE")
    until(lambda: check.look().verdict is Verdict.PASS, 20.0, "a quiet moment again")
    assert OneWriter((DatabasePair(prepared.blue, prepared.green),)).look().verdict is Verdict.PASS


def test_two_writable_sides_are_told(prepared: Pair) -> None:
    tables = [
        name for (name,) in prepared.sql("green", f"SELECT tgrelid::regclass FROM pg_trigger WHERE tgname = '{FENCE}'")
    ]
    try:
        prepared.sql("green", ";".join(f"ALTER TABLE ONLY {table} DISABLE TRIGGER {FENCE}" for table in tables))
        assert OneWriter((DatabasePair(prepared.blue, prepared.green),)).look().verdict is Verdict.FAIL
    finally:
        prepared.sql("green", ";".join(f"ALTER TABLE ONLY {table} ENABLE TRIGGER {FENCE}" for table in tables))


def test_an_apply_error_is_not_caught_up(prepared: Pair) -> None:
    with planted(
        prepared.green, "INSERT INTO public.queue VALUES (-7, 'here')", "DELETE FROM public.queue WHERE id = -7"
    ):
        prepared.sql("blue", "INSERT INTO public.queue VALUES (-7, 'there')")
        check = Follows(prepared.blue, prepared.green)
        until(lambda: check.look().verdict is Verdict.INSUFFICIENT, 10.0)
    caught_up(prepared.blue, prepared.green)
    prepared.sql("blue", "DELETE FROM public.queue WHERE id = -7")


def test_a_slot_that_is_gone_is_named_with_what_brings_the_rows_over(prepared: Pair) -> None:
    drop = "SELECT pg_drop_replication_slot('cut_green_blue')"
    prepared.sql("blue", "ALTER SUBSCRIPTION cut_green_blue DISABLE")
    until(
        lambda: prepared.sql(
            "green", "SELECT 1 FROM pg_replication_slots WHERE slot_name = 'cut_green_blue' AND NOT active"
        )
    )
    prepared.sql("green", drop)
    prepared.sql("blue", "ALTER SUBSCRIPTION cut_green_blue ENABLE")
    try:
        seen = Follows(prepared.green, prepared.blue).look()
        assert seen.verdict is Verdict.INSUFFICIENT
        assert "slot cut_green_blue on green, by which blue follows, is gone" in seen.seen, seen
        assert "invoke validate --repair FILE" in seen.hint
        assert "is gone" in WayBackWarm(prepared.blue, prepared.green, 10**9).look().seen
    finally:
        made = re.search(r"SELECT pg_create_logical_replication_slot[^;]*", seen.hint)
        prepared.sql(
            "green", made.group() if made else "SELECT pg_create_logical_replication_slot('cut_green_blue', 'pgoutput')"
        )
    until(lambda: Follows(prepared.green, prepared.blue).look().verdict is Verdict.PASS, 20.0)
