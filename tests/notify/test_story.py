"""Which entries people are told of, how urgently; one incident from its first page to its end; what time makes due."""

from typing import Any

import pytest
from notify.conftest import a_message

from cutover.core.journal import Entry
from cutover.notify.message import RESOLVE, TRIGGER, Message, Severity
from cutover.notify.route import Route, channels_of
from cutover.notify.schedule import HOUR, Level, Rhythm, escalations, moments, update_due
from cutover.notify.story import Story
from cutover.notify.texts import DEFAULTS, Texts, unknown_words

BEGUN = ("leg-started", {"direction": "forward", "plan": "cutover", "who": "ann"})


def told(*kinds: tuple[str, dict[str, Any]], texts: Texts | None = None) -> tuple[Story, list[Message]]:
    story = Story("toy", "r1", texts or Texts())
    entries = [Entry(n, "r1", 100.0 + n, 1, kind, data, "", "") for n, (kind, data) in enumerate(kinds, 1)]
    return story, [message for entry in entries if (message := story.tell(entry)) is not None]


def test_one_incident_from_its_page_to_its_end() -> None:
    guard = ("guard-failed", {"guard": "errors", "policy": "rollback", "seen": "12 %"})
    back = ("leg-started", {"direction": "back", "plan": "rollback", "cause": "policy", "reason": "12 %"})
    story, found = told(BEGUN, guard, back, ("leg-ended", {"outcome": "rolled-back"}))
    assert [m.action for m in found] == ["", TRIGGER, TRIGGER, RESOLVE]
    assert [m.incident for m in found] == ["", "toy/r1/2", "toy/r1/2", "toy/r1/2"]
    assert story.incident is None and found[2].users and found[3].users


def test_a_check_that_complains_after_a_rollback_keeps_the_incident_open() -> None:
    back = ("leg-started", {"direction": "back", "plan": "rollback", "cause": "policy", "reason": "x"})
    story, found = told(BEGUN, back, ("leg-ended", {"outcome": "rolled-back", "complaints": ["probe: ill"]}))
    assert found[-1].event == "rollback-incomplete" and found[-1].body == ("probe: ill",)
    assert story.incident is not None and not story.taken_on


def test_a_refusal_before_anything_was_done_wakes_nobody_and_a_later_stop_does() -> None:
    stopped = ("leg-ended", {"outcome": "stopped", "error": "preflight: ill"})
    assert told(BEGUN, stopped)[1][-1].severity is Severity.WARNING
    done = ("converged", {"step": "ttl", "seen": 5})
    assert told(BEGUN, done, stopped)[1][-1].severity is Severity.CRITICAL


def test_a_person_who_goes_on_has_taken_it_on() -> None:
    guard = ("guard-failed", {"guard": "g", "policy": "freeze", "seen": "x"})
    assert not told(BEGUN, guard)[0].taken_on
    assert told(BEGUN, guard, ("leg-resumed", {"who": "bob"}))[0].taken_on


def test_a_gate_that_waits_is_told_once() -> None:
    waits = [("waiting", {"gate": "lag", "seen": f"{n} bytes"}) for n in range(3)]
    story, found = told(BEGUN, *waits)
    assert [m.event for m in found] == ["started", "gate-waiting"] and story.seen == {"lag": "2 bytes"}


def test_values_are_filled_in_once_and_kept_to_one_line() -> None:
    texts = Texts({"started": "{who} begins {run} {nothing}"})
    _, found = told(("leg-started", {**BEGUN[1], "who": "{run}\r\n\x1b[31m<b>"}), texts=texts)
    assert found[0].title == "{run} [31m<b> begins r1 –"
    assert unknown_words("started", "{who} {whom}") == ["whom"]
    for name, text in DEFAULTS.items():
        assert unknown_words(name, text) == []


def test_routes_by_urgency_by_event_and_to_the_end() -> None:
    routes = [Route(("chat",)), Route(("pager",), Severity.CRITICAL), Route(("board",), None, ("phase",))]
    assert channels_of(a_message(), routes) == ("chat", "board")
    assert channels_of(a_message(event="x", severity=Severity.CRITICAL), routes) == ("chat", "pager")
    assert channels_of(a_message(event="x", action=RESOLVE), routes) == ("chat", "pager")
    assert channels_of(a_message(to=("mail",)), routes) == ("mail",)


def test_levels_rise_with_time() -> None:
    incident = a_message(key="toy/r1/2", at=1000.0, severity=Severity.CRITICAL, incident="toy/r1/2")
    levels = [Level(600.0, ("mail",)), Level(1800.0, ("boss",))]
    assert escalations(incident, levels, 1599.0, Texts()) == []
    (second,) = escalations(incident, levels, 1600.0, Texts())
    assert (second.key, second.to, second.incident) == ("toy/r1/2/level-2", ("mail",), "toy/r1/2")
    assert "10 min (level 2)" in second.title and "invoke acknowledge" in second.next_command
    assert [m.to for m in escalations(incident, levels, 9999.0, Texts())] == [("mail",), ("boss",)]


def test_updates_hourly_then_every_four_hours() -> None:
    rhythms = [Rhythm(8 * HOUR, HOUR), Rhythm(24 * HOUR, 4 * HOUR)]
    assert [moment / HOUR for moment in moments(rhythms)] == [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24]
    assert update_due(0.0, rhythms, HOUR - 1) is None and update_due(0.0, rhythms, 5.5 * HOUR) == 5 * HOUR
    assert update_due(0.0, rhythms, 90 * HOUR) == 24 * HOUR


@pytest.mark.parametrize("outcome", ["waiting", "interrupted", "incomplete", "reopened", "stopped"])
def test_an_end_that_needs_somebody_says_what_to_type(outcome: str) -> None:
    assert told(BEGUN, ("leg-ended", {"outcome": outcome, "error": "x"}))[1][-1].next_command.startswith("invoke ")


def test_standing_still_pages_and_is_over_when_it_is_well_or_borne() -> None:
    still = {"guard": "trigger-errors", "seen": "7 %", "seconds": 900.0, "then": "rollback"}
    _, (opened, over) = told(
        ("standing", still), ("standing-ended", {"guard": "trigger-errors", "outcome": "well", "seen": "0 %"})
    )
    assert (opened.event, opened.severity, opened.action) == ("standing", Severity.CRITICAL, TRIGGER)
    assert "unless it is well in 900 s: rollback" in opened.body[0]
    assert (over.incident, over.action) == (opened.key, RESOLVE)
    _, (held,) = told(("standing", {**still, "seconds": None, "then": "hold"}))
    assert "invoke resume --env toy --reason" in held.next_command


def test_whoever_has_to_sign_is_told() -> None:
    asked = {"gate": "go", "verdict": "insufficient", "seen": "waits for decision (head of operations)", "asks": True}
    _, (wanted,) = told(("waiting", asked))
    assert wanted.event == "approval-wanted" and "decision (head of operations)" in wanted.title
    assert wanted.next_command.startswith("invoke approve --env toy --gate go")


def test_a_rollback_that_costs_too_much_pages() -> None:
    _, (frozen,) = told(("rollback-too-dear", {"seen": "900 MB behind", "error": "guard"}))
    assert frozen.severity is Severity.CRITICAL and "900 MB behind" in frozen.title
