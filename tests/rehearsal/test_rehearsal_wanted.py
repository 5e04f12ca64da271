"""No cutover without a rehearsal of its very plan: each thing that may be lacking has its own words, and an override its reason."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cutover.app import App, open_environment
from cutover.cli.opening import rehearsed as refuses_beforehand
from cutover.cli.readiness import readiness
from cutover.core.clock import Interrupt
from cutover.core.errors import ConfigurationRefused, Interrupted, Refused
from cutover.core.gate import Verdict
from cutover.rehearsal_record import SCHEMA, SUCCEEDED, parts, place, sealed
from cutover.rehearsal_wanted import lacking, may_begin
from cutover.rehearsed import rehearsed
from cutover.run_views import plain_view, runs_of
from cutover.runs import Conductor

WORDS = """\
name: trial
description: Wants a rehearsal
rehearsal: {rehearsal}
owners: {{decision: a, database: b, traffic: c, application: d}}
database: {{name: shop, blue: env:BLUE, green: env:GREEN}}
hostnames:
  shop:
    host: shop.example.com
    carrier: {{kind: alb, load_balancer: shop, blue: shop-blue, green: shop-green}}
shift: {{soak: {soak}}}
"""
DAY = 86_400.0
NEXT = "invoke rehearse --env trial"


def opened(folder: Path, rehearsal: str = "required", soak: str = "10m") -> App:
    (folder / "trial.yaml").write_text(WORDS.format(rehearsal=rehearsal, soak=soak), encoding="utf-8")
    return open_environment("trial", directory=folder)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def recorded(app: App, *, age: float = 3 * DAY, **words: Any) -> None:
    document = {
        "schema": SCHEMA,
        "environment": "trial",
        "outcome": SUCCEEDED,
        "why": "",
        "plan_digest": app.plan.digest(),
        "bound": parts(app.plan),
        "tool": "0.1.0",
        "ended": time.time() - age,
        "legs": [{}],
        "steps": {"switchover": {"forward": 1.5, "back": 1.0}},
        "never_undone": [],
        **words,
    }
    path = place("trial")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(sealed(document)), encoding="utf-8")


def interrupted(app: App) -> Conductor:
    """One who stops at the first boundary: there is no database to go on to."""
    interrupt = Interrupt()
    interrupt.set(2)
    return Conductor(app, interrupt=interrupt)


def refused(app: App) -> str:
    with pytest.raises(Refused) as found:
        Conductor(app).cutover()
    assert found.value.exit_code == 5
    assert found.value.next_command.startswith(NEXT), "each refusal names the command"
    state = app.state()
    try:
        assert not state.entries(), "refused before anything is touched"
    finally:
        state.close()
    return found.value.message


def test_without_a_record_it_is_refused_and_says_where_one_belongs(folder: Path) -> None:
    assert "there is no runbooks/trial/rehearsal.json" in refused(opened(folder))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"outcome": "failed", "why": "writes were lost"}, "failed: writes were lost"),
        ({"age": 15 * DAY}, "is 15 d old, older than 14 d"),
        ({"age": -DAY}, "lies in the future"),
        ({"never_undone": ["switchover"]}, "never took back switchover"),
        ({"legs": []}, "nothing was walked"),
        ({"plan_digest": "0" * 64}, "the same words, other steps: 0.1.0, now"),
        ({"environment": "another"}, "is the record of another environment"),
    ],
)
def test_each_thing_that_is_lacking_has_words_of_its_own(folder: Path, words: dict[str, Any], reason: str) -> None:
    app = opened(folder)
    recorded(app, **words)
    assert reason in refused(app)


def test_a_record_that_somebody_changed_is_none(folder: Path) -> None:
    app = opened(folder)
    recorded(app)
    path = place("trial")
    path.write_text(path.read_text().replace('"legs": [{}]', '"legs": [{}, {}]'))
    assert "its seal does not hold" in refused(app)
    path.write_text("{")
    assert "is no JSON" in refused(app)
    path.write_text("[]")
    assert "is no record of a rehearsal" in refused(app)
    path.write_bytes(b"\xff")
    assert "is not UTF-8" in refused(app)
    path.unlink()
    path.mkdir()
    assert "is not a regular file" in refused(app)


def test_other_words_are_named_and_those_that_bind_nothing_are_not(folder: Path) -> None:
    recorded(opened(folder))
    assert lacking(opened(folder)) == ""
    assert lacking(opened(folder, rehearsal="{required: true, max_age: 4d}")) == ""
    said = refused(opened(folder, soak="11m"))
    assert "was of another plan (other words since: shift.soak)" in said


def test_how_old_it_may_be_is_the_environments_to_say(folder: Path) -> None:
    recorded(opened(folder))
    assert "older than 48 h" in lacking(opened(folder, rehearsal="{required: true, max_age: 2d}"))
    assert lacking(opened(folder, rehearsal="{required: false, max_age: 2d}")) == ""


def test_the_digest_does_not_say_whether_one_is_wanted(folder: Path) -> None:
    digests = {
        opened(folder, rehearsal=words).plan.digest() for words in ("required", "{required: false}", "{max_age: 1d}")
    }
    assert len(digests) == 1


def test_an_override_wants_its_reason_and_is_recorded_and_shown(folder: Path) -> None:
    app = opened(folder)
    with pytest.raises(Refused):
        may_begin(app, without="  ")
    with pytest.raises(Interrupted):
        interrupted(app).cutover(without_rehearsal="the old servers are dying")
    state = app.state()
    try:
        view = runs_of(state)[-1]
    finally:
        state.close()
    (one,) = plain_view(view, app.plan)["overridden"]
    assert one["reason"] == "the old servers are dying"
    assert one["what"].startswith("begun without its rehearsal: no rehearsal of trial")


def test_a_run_that_is_open_goes_on_although_its_record_has_aged(folder: Path) -> None:
    app = opened(folder)
    recorded(app)
    with pytest.raises(Interrupted):
        interrupted(app).cutover()
    recorded(app, age=30 * DAY)
    refuses_beforehand(app, "")
    with pytest.raises(Interrupted):
        interrupted(app).cutover()


def test_it_is_refused_before_anybody_is_asked_anything(folder: Path) -> None:
    app = opened(folder)
    with pytest.raises(Refused):
        refuses_beforehand(app, "")
    refuses_beforehand(app, "because")


def test_the_preflight_says_it(folder: Path) -> None:
    app = opened(folder)
    check = dict(readiness(app))["rehearsed"]
    assert check.look().verdict is Verdict.FAIL and check.shell() == NEXT
    recorded(app)
    said = check.look()
    assert said.verdict is Verdict.PASS and "rehearsed 3 d ago, 1 legs" in said.seen
    assert "rehearsed" not in dict(readiness(opened(folder, rehearsal="{required: false}")))


def test_how_long_steps_take_is_known_from_a_rehearsal_where_nothing_else_tells(folder: Path) -> None:
    app = opened(folder)
    assert rehearsed(app).steps == {}
    recorded(app)
    took = rehearsed(app).steps["switchover"]
    assert (took.seconds, took.environment, took.run) == (1.5, "trial", "rehearsal")
    place("trial").write_text("{}")
    assert "rehearsal of trial" in rehearsed(app).unread[0]


@pytest.mark.parametrize(
    "words", ["wanted", "{require: true}", "{required: yes}", "{required: true, max_age: 0}", "[required]"]
)
def test_what_is_no_such_wish_is_refused_with_its_line(folder: Path, words: str) -> None:
    with pytest.raises(ConfigurationRefused) as found:
        opened(folder, rehearsal=words)
    assert any("trial.yaml:3: rehearsal" in problem for problem in found.value.problems), found.value.problems
