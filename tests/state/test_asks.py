"""What another terminal asks of a run, on a journal of its own: none of it needs the lease, and each word has to fit."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cutover.app import App, open_environment
from cutover.asks import Asks
from cutover.core.errors import Refused
from cutover.core.guarding import last_asked
from cutover.core.journal import Entry, position_of
from cutover.core.moment import Moment, knew
from cutover.runs import Conductor

WORDS = """\
name: asked
description: A run waits for people
owners: {decision: a, database: b, traffic: c, application: d}
database: {name: shop, blue: env:BLUE, green: env:GREEN}
hostnames:
  shop:
    host: shop.example.com
    carrier: {kind: alb, load_balancer: shop, blue: shop-blue, green: shop-green}
approvals:
  go: {before: window, roles: [decision, database], different_people: true}
  sign-off: {before: end, roles: [application]}
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CUTOVER_WHO", "ann")
    (tmp_path / "asked.yaml").write_text(WORDS)
    found = open_environment("asked", directory=tmp_path)
    yield found
    found.close()


def under_way(app: App, *waiting: str) -> None:
    with Conductor(app).leased("cutover") as state:
        lease = app.lease[-1]
        begun = {"direction": "forward", "plan": "cutover", "digest": app.plan.digest()}
        state.append("r1", "leg-started", begun, lease)
        for gate in waiting:
            state.append("r1", "waiting", {"gate": gate, "verdict": "insufficient", "seen": "waits"}, lease)


def words(app: App) -> list[tuple[str, object]]:
    state = app.state()
    try:
        return [(kind, word.get("role") or word.get("reason")) for kind, word in state.wishes("r1")]
    finally:
        state.close()


def state_entries(app: App) -> Sequence[Entry]:
    state = app.state()
    try:
        return state.entries("r1")
    finally:
        state.close()


def test_without_a_run_there_is_nothing_to_ask(app: App) -> None:
    for ask in (lambda: Asks(app).hold("x"), lambda: Asks(app).decide("approve", role="decision")):
        with pytest.raises(Refused, match="there is no run to"):
            ask()


def test_yes_for_a_role_of_the_gate_that_waits(app: App) -> None:
    under_way(app, "go")
    assert Asks(app).decide("approve", role="decision", comment="well") == ("r1", "go")
    with pytest.raises(Refused, match="go asks decision, database, not traffic"):
        Asks(app).decide("approve", role="traffic")
    with pytest.raises(Refused, match="go asks decision, database, not nobody: give --role"):
        Asks(app).decide("approve", role="")
    with pytest.raises(Refused, match="ann has signed for decision already; database is to be another person"):
        Asks(app).decide("approve", role="database")
    assert words(app) == [("approve", "decision")]


def test_a_word_says_what_its_author_had_read_and_not_only_when(app: App) -> None:
    under_way(app, "go", "sign-off")
    Asks(app).decide("approve", gate="go", role="decision")
    state = app.state()
    (_, word), newest = state.wishes("r1")[0], state.entries()[-1].seq
    state.close()
    position = position_of("r1", state_entries(app))
    assert word["after"] == newest and knew(word, position.asked["go"])
    assert not knew(word, Moment(at=word["at"] - 1, seq=newest + 1)), "a question of later is another question"


def test_another_person_signs_the_other_role(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    under_way(app, "go")
    Asks(app).decide("approve", role="decision")
    monkeypatch.setenv("CUTOVER_WHO", "bob")
    Asks(app).decide("approve", role="database")
    assert words(app) == [("approve", "decision"), ("approve", "database")]


def test_a_no_wants_its_reason(app: App) -> None:
    under_way(app, "go")
    with pytest.raises(Refused, match="a no wants its reason") as refused:
        Asks(app).decide("reject", role="decision")
    assert refused.value.next_command == "invoke reject --env asked --gate go --role decision --comment 'why'"
    assert words(app) == []


def test_several_gates_want_a_name_and_none_is_said(app: App) -> None:
    under_way(app)
    with pytest.raises(Refused, match="waits for nobody's word"):
        Asks(app).decide("approve", role="decision")
    under_way(app, "go", "sign-off")
    with pytest.raises(Refused, match="go, sign-off: give --gate"):
        Asks(app).decide("approve", role="decision")
    assert Asks(app).decide("approve", role="application", gate="sign-off") == ("r1", "sign-off")
    with pytest.raises(Refused, match="give --gate"):
        Asks(app).decide("approve", role="decision", gate="smoke")


def test_a_rollback_is_asked_of_whoever_walks_the_run_and_of_nobody_else(app: App) -> None:
    under_way(app)
    assert Asks(app).go_back("enough") is None
    assert words(app) == []
    with Conductor(app).leased("watch"):
        holder = Asks(app).go_back("enough")
        assert holder is not None and holder.operation == "watch"
    assert words(app) == [("rollback", "enough")]


def test_a_hold_is_over_by_the_next_word_whatever_was_signed_meanwhile(app: App) -> None:
    under_way(app, "go")
    Asks(app).hold("looking")
    Asks(app).decide("approve", role="decision")
    state = app.state()
    assert last_asked(state.wishes("r1"))[0] == "hold"
    state.close()
    assert Asks(app).go_on("looked") is None
    state = app.state()
    assert last_asked(state.wishes("r1"))[0] == "resume"
    state.close()


def test_whoever_goes_back_for_nobody_is_not_asked(app: App) -> None:
    under_way(app)
    with Conductor(app).leased("finish"), pytest.raises(Refused, match="for finish, which goes back for nobody"):
        Asks(app).go_back("enough")
    assert words(app) == []


def test_the_way_back_is_not_removed_while_somebody_asks_for_it(app: App) -> None:
    under_way(app)
    with Conductor(app).leased("cutover") as state:
        Asks(app).go_back("enough")
        state.append("r1", "leg-ended", {"outcome": "done"}, app.lease[-1])
    with pytest.raises(Refused, match="somebody asked to go back, and nobody did"):
        Conductor(app).finish(early="x")
    Asks(app).go_on("it is well")
    with pytest.raises(Exception) as later:
        Conductor(app).finish(early="x")
    assert "asked to go back" not in str(later.value)


def test_a_run_that_stands_still_says_for_what_while_somebody_walks_it(app: App) -> None:
    assert Asks(app).stands_for() is None, "no run"
    with Conductor(app).leased("cutover") as state:
        lease = app.lease[-1]
        state.append(
            "r1", "leg-started", {"direction": "forward", "plan": "cutover", "digest": app.plan.digest()}, lease
        )
        assert Asks(app).stands_for() is None, "it goes on"
        standing = {"guard": "trigger-errors", "seen": "7 %", "seconds": None, "then": "hold"}
        state.append("r1", "standing", standing, lease)
        found = Asks(app).stands_for()
        assert found is not None and (found[0].who, found[1]) == ("ann", "trigger-errors")
        state.append("r1", "standing-ended", {"guard": "trigger-errors", "outcome": "well", "seen": "0 %"}, lease)
        assert Asks(app).stands_for() is None
        state.append("r1", "standing", standing, lease)
    assert Asks(app).stands_for() is None, "nobody walks it: resume takes it up"
