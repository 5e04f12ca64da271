"""The plan as one document: signs by what is there before and after, and times by what was recorded."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from cutover.app import App, open_environment
from cutover.core.journal import State
from cutover.core.leg import BACK, FORWARD
from cutover.core.plan import Plan
from cutover.environment import names
from cutover.flags.stores import opened
from cutover.plan_rows import CHANGED, HOLDS, LEGEND, MADE, TAKEN_AWAY, plan_document, sign
from cutover.rehearsed import UNTIMED, rehearsed
from cutover.reviewed import is_approved
from cutover.routing import Flag

COMMITTED = Path(__file__).parents[2] / "environments"
SMALL = """\
name: {name}
description: Only traffic moves
owners: {{decision: a, database: b, traffic: c, application: d}}
shared_database: true
ledger: ledger.sqlite
hostnames:
  search: {{host: search.example.com, carrier: {{kind: flag, flag: search}}}}
flags:
  search: {{store: "file:{path}/flags.json", description: Who searches}}
shift: {{shares: [5, 100], soak: 1m}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "environments").mkdir()
    for name, more in (("real", "rehearsed_on: trial\n"), ("trial", "")):
        text = SMALL.format(name=name, path=tmp_path) + more
        (tmp_path / "environments" / f"{name}.yaml").write_text(text, encoding="utf-8")
    yield tmp_path


def recorded(app: App, direction: str, *taken: tuple[str, float], phase: tuple[str, float] | None = None) -> None:
    """Writes a run of these steps, as the engine does, into the environment's own journal."""
    state: State = app.state()
    lease = state.acquire(who="anna", operation="test")
    run = f"r{len(state.entries())}"
    leg = {"plan": "cutover", "digest": "d", "who": "anna", "to": None, "until": None, "reason": ""}
    rest = {"everything": False, "taken": [], "cause": "", "half_done": []}
    state.append(run, "leg-started", {"direction": direction, **leg, **rest}, lease)
    for step, seconds in taken:
        state.append(run, "converged", {"step": step, "seconds": seconds, "seen": "", "undoes": []}, lease)
    if phase:
        state.append(run, "phase-left", {"phase": phase[0], "seconds": phase[1]}, lease)
    state.release(lease)
    state.close()


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ("absent", "following", MADE),
        ("no backup", "verified", MADE),
        ("not analyzed", "analyzed", MADE),
        ("none", "ready", MADE),
        ("null", "5", MADE),
        ("off", "on", MADE),
        ('"None"', "x", MADE),
        ("following", "absent", TAKEN_AWAY),
        ("the token is shown", "no token is shown", TAKEN_AWAY),
        ("on", "off", TAKEN_AWAY),
        ("0 %", "10 %", CHANGED),
        ("100 %", "0 %", CHANGED),
        ("blue open, green fenced", "blue fenced, green open", CHANGED),
        ("writes pass", "writes answered 503", CHANGED),
        ("north", "offline", CHANGED),
        ("absent", "off", CHANGED),
        ("none of it", "noted", CHANGED),
    ],
)
def test_signs_by_what_is_there_before_and_after(before: str, after: str, wanted: str) -> None:
    assert sign(before, after) == wanted


def test_every_sign_of_the_committed_plans_turns_round_with_the_step() -> None:
    turned = {MADE: TAKEN_AWAY, TAKEN_AWAY: MADE, CHANGED: CHANGED}
    found = set()
    for name in names(COMMITTED):
        app = open_environment(name, directory=COMMITTED)
        for plan in (app.plan, app.finish, app.decommission):
            for _, step in plan.steps():
                there = sign(str(step.before), str(step.after))
                found.add(there)
                assert sign(str(step.after), str(step.before)) == turned[there], step.name
    assert found == set(turned) <= set(LEGEND)


@pytest.mark.parametrize(("share", "signs"), [(0, [CHANGED, CHANGED]), (5, [HOLDS, CHANGED]), (100, [CHANGED, HOLDS])])
def test_what_is_there_already_holds(folder: Path, share: int, signs: list[str]) -> None:
    app = open_environment("trial")
    with opened(f"file:{folder}/flags.json") as store:
        store.put(Flag(name="search", enabled=True, share=Decimal(share)), 0)
    document = plan_document(app, times=UNTIMED)
    steps = [row for row in document["items"] if row.get("step", "").startswith("traffic-")]
    assert [row["sign"] for row in steps] == signs
    assert [row["now"] for row in steps] == [f"{share} %"] * 2
    assert document["holds"] == signs.count(HOLDS)
    assert document["to_change"] + document["holds"] + document["gates"] == len(document["items"])


def test_what_will_take_how_long(folder: Path) -> None:
    app = open_environment("trial")
    recorded(app, FORWARD, ("traffic-search-5", 7.5))
    document = plan_document(app, times=rehearsed(app))
    rows = {row["step"]: row for row in document["items"] if "step" in row}
    took = rows["traffic-search-5"]["took"]
    assert (took["seconds"], took["environment"]) == (7.5, "trial")
    assert document["seconds"] == 7.5 + sum(r["expected"] for name, r in rows.items() if name != "traffic-search-5")
    assert document["soaks"] == sum(row["hold"] for row in document["items"] if "gate" in row)


def test_nothing_was_measured_before_the_first_run(folder: Path) -> None:
    found = rehearsed(open_environment("real"))
    assert (found.steps, found.phases, found.unread) == ({}, {}, ())
    assert not (folder / "home").exists()


def test_the_rehearsal_tells_until_there_is_a_record_of_ones_own(folder: Path) -> None:
    real, trial = open_environment("real"), open_environment("trial")
    recorded(trial, FORWARD, ("one", 3.0), ("two", 4.0), phase=("shift", 9.0))
    recorded(trial, FORWARD, ("one", 2.0))
    found = rehearsed(real)
    assert {name: (took.seconds, took.environment) for name, took in found.steps.items()} == {
        "one": (2.0, "trial"),
        "two": (4.0, "trial"),
    }
    assert found.phases["shift"].seconds == 9.0
    recorded(real, FORWARD, ("one", 1.0))
    found = rehearsed(real)
    assert (found.steps["one"].seconds, found.steps["one"].environment) == (1.0, "real")
    assert found.steps["two"].environment == "trial"


def test_the_way_back_is_no_measure_of_the_way_forward(folder: Path) -> None:
    app = open_environment("trial")
    recorded(app, FORWARD, ("one", 1.0), phase=("shift", 5.0))
    recorded(app, BACK, ("one-undo", 60.0), phase=("shift", 99.0))
    found = rehearsed(app)
    assert {name: took.seconds for name, took in found.steps.items()} == {"one": 1.0}
    assert found.phases["shift"].seconds == 5.0


def test_a_record_that_cannot_be_read_is_said_and_stops_nothing(folder: Path) -> None:
    real = open_environment("real")
    recorded(real, FORWARD, ("one", 1.0))
    (folder / "environments" / "trial.yaml").unlink()
    found = rehearsed(real)
    assert found.steps["one"].seconds == 1.0
    assert len(found.unread) == 1 and found.unread[0].startswith("the record of trial: ")


def test_where_it_was_rehearsed_changes_no_plan(folder: Path) -> None:
    before = [plan.digest() for plan in _plans(open_environment("real"))]
    path = folder / "environments" / "real.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("rehearsed_on: trial\n", ""), encoding="utf-8")
    assert [plan.digest() for plan in _plans(open_environment("real"))] == before


def _plans(app: App) -> list[Plan]:
    return [app.plan, app.finish, app.decommission]


def test_a_reviewed_plan_is_approved_by_the_digest_that_was_shown(folder: Path) -> None:
    text = (folder / "environments" / "trial.yaml").read_text(encoding="utf-8")
    smoke = "smoke: {blue: 'http://127.0.0.1:9', green: 'http://127.0.0.1:10'}\n"
    (folder / "environments" / "trial.yaml").write_text(text + smoke, encoding="utf-8")
    with opened(f"file:{folder}/flags.json") as store:
        store.put(Flag(name="search"), 0)
    shown = open_environment("trial", read_only=True)
    digest = plan_document(shown, times=UNTIMED)["start_digest"]
    is_approved(open_environment("trial").plan, digest)
