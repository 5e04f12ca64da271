"""Flags as an operator changes them: recorded, refused where a run carries the share, and back at once whatever else fails."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cutover.app import App, open_environment
from cutover.core.errors import (
    ConfigurationRefused,
    Refused,
    RollbackIncomplete,
    StepFailed,
    Unexpected,
    Unreachable,
)
from cutover.core.journal import Journal
from cutover.core.plan import Phase, Plan
from cutover.core.run import Run
from cutover.core.share import Share
from cutover.core.watch import Event
from cutover.environment import FlagCarrier
from cutover.flag_desk import FlagDesk, desk, desks
from cutover.flags.stores import opened
from cutover.plans.flag_stores import store_share
from cutover.routing import Flag
from cutover.state.sqlite import SqliteState

ENVIRONMENT = """\
name: routed
description: An application that decides for itself
owners: {decision: a, database: b, traffic: c, application: d}
database: {name: shop, blue: env:BLUE, green: env:GREEN}
hostnames:
  search:
    host: search.example.com
    carrier: {kind: flag, flag: search}
flags:
  search: {store: "STORE", description: Who searches, snapshots: ["FOLDER/router.json"], criteria: {at_least: 10}}
  cart: {store: "STORE"}
shift: {shares: [5, 100], soak: 1m}
"""


@dataclass(frozen=True)
class Place:
    """An environment with a store of flags in a file."""

    folder: Path
    app: App

    @property
    def address(self) -> str:
        return str(self.app.environment.flags["search"].store)

    def desk(self, name: str = "search") -> FlagDesk:
        return desk(self.app, name)

    def flag(self, name: str = "search") -> Flag:
        with opened(self.address) as store:
            found = store.all()[name]
        assert isinstance(found, Flag)
        return found

    def put(self, flag: Flag, version: int = 0) -> Flag:
        with opened(self.address) as store:
            return store.put(flag, version)

    def words(self, name: str = "search") -> list[tuple[str, Any]]:
        return list(self.desk(name).recorded())

    def begin_run(self) -> None:
        """A run that is open, as its first entry says."""
        state = SqliteState(self.app.place.file)
        lease = state.acquire(who="mia", operation="cutover")
        leg = {"direction": "forward", "plan": "cutover", "digest": "x", "who": "mia"}
        state.append("run-1", "leg-started", leg, lease)
        state.close()


Made = Callable[[], Place]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CUTOVER_WHO", "mia@desk")
    text = ENVIRONMENT.replace("STORE", f"file:{tmp_path}/flags.json").replace("FOLDER", str(tmp_path))
    (tmp_path / "routed.yaml").write_text(text)
    return Place(tmp_path, open_environment("routed", directory=tmp_path))


def test_enabling_makes_the_flag_and_is_recorded_before_and_after(place: Place) -> None:
    done = place.desk().enable("5", "first canary")
    flag = place.flag()
    assert (flag.share, flag.enabled, flag.version) == (Decimal(5), True, 1)
    assert (flag.description, flag.reason, flag.author) == ("Who searches", "first canary", "mia@desk")
    assert (done.changed.before, done.changed.after, done.unrecorded) == (None, flag, "")
    (asked, before), (changed, after) = place.words()
    assert (asked, before["before"], before["reason"]) == ("asked", None, "first canary")
    assert (changed, after["who"], after["after"]) == ("changed", "mia@desk", flag.document())
    assert place.words("cart") == []


def test_set_moves_the_share_and_leaves_on_and_off_alone(place: Place) -> None:
    place.put(Flag(name="search", enabled=True, share=Decimal(5), salt="s", more={"owner": "team"}))
    assert place.desk().set("25%", "soak is over").changed.after.buckets == 2500
    place.desk().disable("maintenance")
    assert (place.flag().share, place.flag().enabled) == (Decimal(25), False)
    moved = place.desk().set("0.5", "ready for the next try").changed
    assert (moved.after.share, moved.after.enabled, moved.after.buckets) == (Decimal("0.5"), False, 0)
    assert (place.flag().salt, place.flag().more) == ("s", {"owner": "team"})
    again = place.desk().set("0.5", "again")
    assert not again.changed.wrote and place.flag().version == 4


def test_rolling_back_sets_0_and_off_and_keeps_the_reason(place: Place) -> None:
    place.put(Flag(name="search", enabled=True, share=Decimal(50)))
    done = place.desk().rollback("p95 doubled")
    flag = place.flag()
    assert (flag.share, flag.enabled, flag.reason, flag.author) == (Decimal(0), False, "p95 doubled", "mia@desk")
    assert done.changed.before is not None and done.changed.before.share == 50
    assert [kind for kind, _ in place.words()] == ["changed"]
    assert not place.desk().rollback("again").changed.wrote


def test_a_flag_that_is_not_there_needs_no_way_back(place: Place) -> None:
    place.put(Flag(name="cart"))
    assert not place.desk().rollback("why").changed.wrote
    with pytest.raises(Refused, match="there is no flag search") as refused:
        place.desk().set("5", "why")
    assert refused.value.next_command.startswith("invoke flag.enable 0 --env routed --flag search")


@pytest.mark.parametrize("percent", ["101", "-1", "5.005", "x", "NaN", "1e5", ""])
def test_what_is_no_share_is_refused_before_anything_is_recorded(place: Place, percent: str) -> None:
    with pytest.raises(Refused, match="is not a share"):
        place.desk().enable(percent, "why")
    assert place.words() == [] and not (place.folder / "flags.json").exists()


def test_a_change_wants_a_reason_and_the_version_that_was_reviewed(place: Place) -> None:
    place.put(Flag(name="search"))
    with pytest.raises(Refused, match="--reason"):
        place.desk().enable("5", " ")
    with pytest.raises(Refused, match="reviewed was version 7; now it is: off .0 % when on., version 1"):
        place.desk().enable("5", "why", version=7)
    assert place.desk().enable("5", "why", version=1).changed.after.version == 2


def test_while_a_run_carries_the_share_only_the_way_back_is_open(place: Place) -> None:
    place.put(Flag(name="search", enabled=True, share=Decimal(50)))
    place.begin_run()
    for act in (place.desk().enable, place.desk().set):
        with pytest.raises(Refused, match="run run-1 carries its share by search") as refused:
            act("60", "why")
        assert "invoke rollback --env routed" in refused.value.next_command
    assert place.flag().share == 50
    assert place.desk("cart").enable("5", "another flag").carried_by == ""
    done = place.desk().rollback("p95 doubled")
    assert done.carried_by == "run-1" and place.flag().buckets == 0
    assert [kind for kind, _ in place.words()] == ["changed"], "the lease of the run stops no record"


def test_without_a_record_nothing_is_raised_and_everything_goes_back(place: Place) -> None:
    place.put(Flag(name="search", enabled=True, share=Decimal(50)))
    place.app.place.file.parent.mkdir(parents=True)
    place.app.place.file.write_text("no database\n" * 100)
    for act in (place.desk().enable, place.desk().set):
        with pytest.raises(Exception, match="not a database"):
            act("60", "why")
    assert place.flag().share == 50
    done = place.desk().rollback("p95 doubled")
    assert "not a database" in done.unrecorded and place.flag().buckets == 0
    assert "not a database" in place.desk().disable("off").unrecorded


def test_a_flag_that_cannot_be_read_is_not_raised_and_is_taken_back(place: Place) -> None:
    (place.folder / "flags.json").write_text('{"search": {"share": 101}, "cart": 7}')
    for act in (place.desk().enable, place.desk().set):
        with pytest.raises(Refused, match="cannot be read, and is not written over") as refused:
            act("60", "why")
        assert "invoke flag.rollback" in refused.value.next_command
    place.desk().rollback("cannot be read")
    assert place.flag().buckets == 0 and place.flag("cart").buckets == 700


def test_a_store_that_does_not_answer_is_a_rollback_that_needs_a_person(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cutover.flag_desk.PATIENCE", 0.2)
    (place.folder / "flags.json").mkdir()
    with pytest.raises(RollbackIncomplete, match="whether search is off is not known") as ended:
        place.desk().rollback("p95 doubled")
    assert ended.value.exit_code == 7
    (place.folder / "flags.json").rmdir()
    place.put(Flag(name="search", enabled=True, share=Decimal(50)))
    shown = subprocess.run(["bash", "-euc", ended.value.next_command], check=True, capture_output=True, text=True)
    assert shown.stdout == "0 %\n" and place.flag().buckets == 0
    assert [(kind, word["command"]) for kind, word in place.words()] == [("failed", "rollback")]


def test_somebody_who_writes_meanwhile_is_not_written_over_but_taken_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put(Flag(name="search", enabled=True, share=Decimal(5)))
    theirs = iter((40, 70))

    def meddle() -> Any:
        share = Decimal(next(theirs, 0))
        if share:
            now = place.flag()
            place.put(replace(now, share=share), now.version)
        return None

    def at_once(flag: Flag, *arguments: Any, **named: Any) -> Flag:
        meddle()
        return original(flag, *arguments, **named)

    original = Flag.at
    monkeypatch.setattr(Flag, "at", at_once)
    with pytest.raises(StepFailed, match="changed under our hands"):
        place.desk().set("25", "soak is over")
    assert place.flag().share == 40
    back = Flag.rolled_back
    monkeypatch.setattr(Flag, "rolled_back", lambda flag, **said: (meddle(), back(flag, **said))[1])
    done = place.desk().rollback("p95 doubled")
    assert place.flag().buckets == 0 and done.changed.after.version == 4


def test_which_flag(place: Place) -> None:
    assert [one.name for one in desks(place.app)] == ["search", "cart"]
    with pytest.raises(ConfigurationRefused, match="the flags are search, cart"):
        desk(place.app, "")
    with pytest.raises(ConfigurationRefused, match=r"no flag serch under `flags` \(did you mean search\?\)"):
        desk(place.app, "serch")


def test_a_check_judges_what_is_shown_and_records_what_was_attested(place: Place) -> None:
    from test_criteria import snapshot

    place.put(Flag(name="search", enabled=True, share=Decimal(25)))
    good = replace(snapshot(), flag="search")
    (place.folder / "router.json").write_text(json.dumps(good.document()))
    verdict, rows, _ = place.desk().check("none")
    assert verdict == "HOLD" and {row.name: row.answer.value for row in rows}["fresh"] == "insufficient"
    ((kind, word),) = place.words()
    assert (kind, word["complaints"], word["role"], word["verdict"]) == ("attested", "none", "application", "HOLD")
    assert place.desk().check("search finds nothing")[0] == "ROLL BACK"
    assert place.desk("cart").check("none")[0] == "HOLD"


def test_a_dry_run_writes_neither_flag_nor_record(place: Place) -> None:
    place.put(Flag(name="search", enabled=True, share=Decimal(50)))
    dry = desk(open_environment("routed", read_only=True, directory=place.folder), "search")
    dry.check("none")
    with pytest.raises(Refused, match="read-only"):
        dry.enable("60", "why")
    assert place.flag().share == 50
    assert [kind for kind, _ in place.words() if kind in ("attested", "changed")] == []


def test_a_store_that_is_gone_is_said(place: Place) -> None:
    with pytest.raises(Unreachable, match="flags.json"):
        place.desk().look()


def test_a_run_whose_flag_was_taken_back_stops_and_touches_nothing(place: Place) -> None:
    place.put(Flag(name="search"))
    words = place.app.environment.hostnames["search"].carrier
    assert isinstance(words, FlagCarrier)
    shares = [Share.of(0), Share.of(5), Share.of(100)]
    steps = tuple(
        store_share(place.app.means, words, f"to-{float(after.percent):g}", before, after)
        for before, after in pairwise(shares)
    )
    plan = Plan(name="cutover", environment="routed", phases=(Phase(name="shift", owner="me", items=steps),))
    state = SqliteState(place.app.place.file)
    journal = Journal(state, state.acquire(who="ben", operation="cutover"), "run-1")

    def brake(event: Event) -> None:
        if event.kind == "converged" and event.data["step"] == "to-5":
            assert place.flag().share == 5
            assert place.desk().rollback("p95 doubled").carried_by == "run-1"

    with pytest.raises(Unexpected, match="to-100: seen 0 %, wanted 5 %"):
        Run(plan, journal, listen=brake).forward()
    state.close()
    assert (place.flag().share, place.flag().reason, place.flag().version) == (Decimal(0), "p95 doubled", 3)


def test_what_came_between_the_look_and_the_write_is_not_written_over(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put(Flag(name="search", enabled=True, share=Decimal(5)))
    record = FlagDesk._record

    def somebody_goes_back(self: FlagDesk, *words: Any, **more: Any) -> Any:
        if words[:1] == ("asked",):
            place.put(replace(place.flag(), enabled=False, share=Decimal(0)), 1)
        return record(self, *words, **more)

    monkeypatch.setattr(FlagDesk, "_record", somebody_goes_back)
    with pytest.raises(StepFailed, match="changed under our hands"):
        place.desk().enable("25", "soak is over")
    assert (place.flag().enabled, place.flag().version) == (False, 2)


def test_a_reason_that_is_no_text_keeps_nobody_from_going_back(place: Place) -> None:
    place.put(Flag(name="search", enabled=True, share=Decimal(5)))
    done = place.desk().rollback("latency \udcff doubled")
    assert (done.unrecorded, place.flag().enabled, place.flag().reason) == ("", False, "latency ? doubled")
