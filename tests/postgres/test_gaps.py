"""Somebody drops the slot that blue follows by and makes it again: the way back does not begin until the rows are the same again."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import preloading
import pytest
from moves import PLAIN, VALIDATING, blue_switch, caught_up, planted, until
from pairs import Pair
from test_switch_script import run as by_hand

from cutover.core.gate import Finding, Verdict
from cutover.environment import template
from cutover.postgres.gaps import gap, overtaken
from cutover.postgres.invariants import Follows, WayBackWarm
from cutover.postgres.moving import SwitchRefused
from cutover.postgres.sides import BEFORE, SWITCHED, read_sides

SLOT = "cut_green_blue"
LOST = "INSERT INTO public.queue VALUES (-70, 'while nobody followed')"
NEXT = "INSERT INTO public.queue VALUES (-71, 'when everything arrived again')"


def warm(pair: Pair) -> Finding:
    return WayBackWarm(pair.blue, pair.green, 1 << 40).look()


def dropped(pair: Pair) -> None:
    pair.sql("blue", f"ALTER SUBSCRIPTION {SLOT} DISABLE")
    until(lambda: pair.sql("green", f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{SLOT}' AND NOT active"))
    pair.sql("green", f"SELECT pg_drop_replication_slot('{SLOT}')")
    pair.sql("blue", f"ALTER SUBSCRIPTION {SLOT} ENABLE")


def made_again(pair: Pair) -> None:
    pair.sql("green", f"SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')")
    until(lambda: Follows(pair.green, pair.blue).look().verdict is Verdict.PASS, 20.0)


def repaired(pair: Pair) -> None:
    with planted(pair.blue, LOST, "SELECT 1"):
        pass


@pytest.fixture
def switched(prepared: Pair) -> Iterator[Pair]:
    """Green serves, in another DateStyle, and blue follows; afterwards blue serves again, and both hold what they held."""
    prepared.sql("green", "ALTER DATABASE shop SET datestyle TO 'SQL, DMY'")
    blue_switch(prepared.blue, prepared.green)
    until(lambda: warm(prepared).verdict is Verdict.PASS)
    yield prepared
    side = "green" if read_sides(prepared.blue, prepared.green) == SWITCHED else "blue"
    prepared.sql(side, "DELETE FROM public.queue WHERE id < 0")
    if side == "green":
        caught_up(prepared.green, prepared.blue)
        blue_switch(prepared.green, prepared.blue)
    prepared.sql("green", "ALTER DATABASE shop RESET datestyle")


@pytest.fixture
def lacking(switched: Pair) -> Iterator[Pair]:
    """A row that green took while nobody followed is not on blue, and one that it took later is."""
    dropped(switched)
    switched.sql("green", LOST)
    seen = warm(switched)
    assert seen.verdict is Verdict.INSUFFICIENT and f"slot {SLOT} on green" in seen.seen and "is gone" in seen.seen
    made_again(switched)
    switched.sql("green", NEXT)
    caught_up(switched.green, switched.blue)
    assert switched.sql("blue", "SELECT id FROM public.queue WHERE id < 0") == [(-71,)]
    yield switched
    switched.sql("green", "DELETE FROM cutover.marker")


@pytest.mark.parametrize("noted", [True, False], ids=["the switch is noted", "it died before it noted it"])
def test_the_way_back_does_not_begin_before_the_rows_are_the_same(lacking: Pair, noted: bool) -> None:
    if not noted:
        lacking.sql("green", "DELETE FROM cutover.switches")
    until(lambda: "never arrived on blue" in warm(lacking).seen, what="once a later marker is clearly the younger one")
    for fence in (PLAIN, VALIDATING):
        with pytest.raises(
            SwitchRefused, match="never arrived on blue: rows that were written then may be missing"
        ) as told:
            blue_switch(lacking.green, lacking.blue, fence)
        assert "invoke validate" in told.value.next_command
    code, words = by_hand(lacking, lacking.green, lacking.blue)
    assert code == 1 and "markers never arrived" in words
    assert read_sides(lacking.blue, lacking.green) == SWITCHED, "green serves on"


def test_validate_says_what_is_missing_and_then_lets_the_writes_go(lacking: Pair, tmp_path: Path) -> None:
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "desk.yaml").write_text(template("desk"), encoding="utf-8")
    (tmp_path / "tasks.py").write_text("from cutover.cli import namespace\n\nns = namespace()\n", encoding="utf-8")

    def validate(*flags: str) -> "subprocess.CompletedProcess[str]":
        dsns = {"BLUE_DSN": lacking.dsns["blue"], "GREEN_DSN": lacking.dsns["green"]}
        return subprocess.run(
            [preloading.invoke(), "validate", "--env", "desk", *flags],
            cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **dsns},
        )  # fmt: skip

    until(lambda: "never arrived on blue" in warm(lacking).seen)
    differs = validate()
    assert differs.returncode == 1 and "-70" in differs.stdout
    assert "Only when a comparison of everything says equal are the writes moved to blue" in differs.stderr
    repaired(lacking)
    part = validate("--tables", "public.queue")
    assert part.returncode == 0 and "Only when a comparison of everything" in part.stderr, "a part proves nothing"
    whole = validate()
    assert whole.returncode == 0, whole.stderr
    assert re.search(r"\d+ markers? that green wrote .* Every row was compared since and is the same", whole.stderr)
    assert "never arrived" not in validate().stderr
    blue_switch(lacking.green, lacking.blue)
    assert read_sides(lacking.blue, lacking.green) == BEFORE


def test_a_look_that_may_not_write_leaves_no_marker(switched: Pair) -> None:
    counted = "SELECT count(*) FROM cutover.marker"
    before = switched.sql("green", counted)
    dry = WayBackWarm(replace(switched.blue, read_only=True), replace(switched.green, read_only=True), 1 << 40)
    assert dry.look().verdict is Verdict.PASS and switched.sql("green", counted) == before
    assert warm(switched).verdict is Verdict.PASS and switched.sql("green", counted) != before


def test_a_marker_that_is_merely_under_way_is_no_gap(switched: Pair) -> None:
    switched.sql("blue", f"ALTER SUBSCRIPTION {SLOT} DISABLE")
    with switched.green.open("test") as green, switched.blue.open("test") as blue:
        until(lambda: not switched.sql("green", "SELECT 1 FROM pg_stat_replication WHERE application_name = %s", SLOT))
        warm(switched)
        assert gap(green, blue) is not None and overtaken(green, blue) is None
        switched.sql("blue", f"ALTER SUBSCRIPTION {SLOT} ENABLE")
        until(lambda: gap(green, blue) is None, 20.0)
        assert overtaken(green, blue) is None


def test_what_was_missing_at_an_earlier_time_counts_no_more(switched: Pair) -> None:
    switched.sql("green", "INSERT INTO cutover.marker VALUES (gen_random_uuid(), 'green', now() - interval '1 day')")
    caught_up(switched.green, switched.blue)
    with planted(switched.blue, "DELETE FROM cutover.marker WHERE at < now() - interval '1 hour'", "SELECT 1"):
        pass
    with switched.green.open("test") as green, switched.blue.open("test") as blue:
        assert gap(green, blue) is None
        switched.sql("green", "DELETE FROM cutover.switches")
        assert gap(green, blue) is None, "before the first one that arrived nothing is asked"
