"""A person asks for the phase before: whoever walks the run goes back to its end, once, wherever it stands."""

from dataclasses import replace

import pytest
from toy_plan import END, plan, world
from toy_world import Ask, World

from cutover.core.errors import Interrupted, Waiting
from cutover.core.gate import Finding
from cutover.core.guarding import last_asked


def asks(w: World) -> None:
    """What another terminal leaves: where to, and the leg that it has read of."""
    position = w.run(plan(w)).run.journal.position()
    present = plan(w).present(position)
    to = plan(w).back_from(present.name) if present is not None else None
    assert position.leg is not None and to is not None
    word = {"who": "ann", "reason": "slow pages", "at": w.clock.now(), "leg": position.leg.seq, "to": to.name}
    w.store.wish("r1", "previous-phase", word)


def during(w: World, share: int) -> Ask:
    """A soak's check during which the word comes, at that share, the first time."""
    asked: list[int] = []

    def look() -> Finding:
        if w.values["share"] == share and not asked:
            asked.append(share)
            asks(w)
        return Finding.passed("well")

    return Ask(look)


def test_the_share_of_the_phase_before_is_in_force_again_and_what_follows_is_taken_anew() -> None:
    w = world()
    checks = {"soak-50": during(w, 50)}
    with pytest.raises(Waiting, match="went back to the end of shift-10: asked for by ann: slow pages"):
        w.run(plan(w, checks)).run.forward()
    assert w.values["share"] == 10 and w.values["green"] == "open"
    back = [entry.data for entry in w.store.kept if entry.kind == "leg-started" and entry.data["direction"] == "back"]
    assert [(leg["to"], "ann: slow pages" in leg["reason"]) for leg in back] == [("shift-10", True)]
    assert w.run(plan(w, checks)).run.resume() == "done", "the word is heeded once"
    assert w.values == END and w.ran.count("share=50") == 2


def test_a_run_that_is_only_watched_knows_its_phase_by_the_journal() -> None:
    w = world()
    with pytest.raises(Waiting, match="went back to the end of shift-10"):
        w.run(plan(w, {"soak-50": during(w, 50)})).run.forward()
    asks(w)
    with pytest.raises(Waiting, match="went back to the end of window"):
        w.run(plan(w)).run.stand_by()
    assert (w.values["share"], w.values["green"]) == (0, "open")
    assert w.run(plan(w)).run.resume() == "done"


def test_the_word_holds_over_a_run_that_was_interrupted_before_it_could_heed_it() -> None:
    w = world()
    started = w.run(plan(w))
    w.clock.later(2.0, lambda: started.interrupt.set(15))
    with pytest.raises(Interrupted):
        started.run.forward()
    assert w.values["share"] == 10
    asks(w)
    with pytest.raises(Waiting, match="went back to the end of window: asked for by ann"):
        w.run(plan(w)).run.resume()
    assert w.values["share"] == 0


def test_two_words_in_one_process_go_back_two_phases() -> None:
    w = world()
    watching = w.run(plan(w, {"soak-50": during(w, 50)})).run
    with pytest.raises(Waiting, match="went back to the end of shift-10"):
        watching.forward()
    asks(w)
    with pytest.raises(Waiting, match="went back to the end of window"):
        watching.stand_by()
    assert (w.values["share"], w.values["green"]) == (0, "open")


def test_who_asks_for_less_does_not_take_back_what_was_asked_for() -> None:
    kinds = ("rollback", "hold", "previous-phase", "resume")
    back, hold, phase, on = ((kind, {"who": "bob"}) for kind in kinds)
    assert last_asked([back, hold, phase]) == back
    assert last_asked([hold, phase])[0] == "previous-phase" and last_asked([phase, hold])[0] == "hold"
    assert last_asked([back, hold, on])[0] == "resume" and last_asked([back, on, hold])[0] == "hold"


def test_a_run_is_never_left_between_two_phases_that_hand_on() -> None:
    w = world()
    phases = plan(w).phases
    handing = replace(phases[2], handed_on=("share-10",))
    whole = replace(plan(w), phases=(*phases[:2], handing, replace(phases[3], taken_on=("share-50",)), *phases[4:]))
    to = whole.back_from("shift-50")
    assert to is not None and to.name == "window"


def test_the_word_for_a_leg_that_is_over_starts_nothing() -> None:
    w = world()
    with pytest.raises(Waiting):
        w.run(plan(w, {"soak-50": during(w, 50)})).run.forward()
    assert w.run(plan(w)).run.walker.asked_of_us() == ("", "")
    assert w.run(plan(w)).run.resume() == "done"


def test_what_the_present_phase_is() -> None:
    w = world()
    whole = plan(w)
    run = w.run(whole).run
    assert whole.present(run.journal.position()) is None
    run.forward(until="shift-10")
    found = whole.present(run.journal.position())
    assert found is not None and found.name == "shift-10"
    before = whole.before("shift-10")
    assert before is not None and before.name == "window" and whole.before(whole.phases[0].name) is None
