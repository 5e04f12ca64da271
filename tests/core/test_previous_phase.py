"""A person asks for the phase before: whoever walks the run goes back to its end, once, wherever it stands."""

import pytest
from toy_plan import END, plan, world
from toy_world import Ask, World

from cutover.core.errors import Waiting
from cutover.core.gate import Finding


def asks(w: World) -> None:
    """What another terminal leaves: the leg that it has read of is the one that is meant."""
    leg = w.run(plan(w)).run.journal.position().leg
    assert leg is not None
    w.store.wish("r1", "previous-phase", {"who": "ann", "reason": "slow pages", "at": w.clock.now(), "leg": leg.seq})


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


def test_the_word_for_a_leg_that_is_over_starts_nothing() -> None:
    w = world()
    with pytest.raises(Waiting):
        w.run(plan(w, {"soak-50": during(w, 50)})).run.forward()
    assert w.run(plan(w)).run.walker.asked_of_us() == ("", "")


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
