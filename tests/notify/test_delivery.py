"""A run that tells people: everything arrives at least once, whatever dies; nothing of it holds up or changes the run."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from notify.toy import Dead, Kept, Telling, World, a_desk, plan, told, without_flush, world
from toy_plan import BACK, END
from toy_world import Ask, Killed, Script, ill, well

from cutover.core import killpoint
from cutover.core.errors import CutoverError, LeaseLost, RolledBack, Unreachable
from cutover.core.gate import Finding, Policy
from cutover.core.run import Run
from cutover.notify.message import NotDelivered
from cutover.notify.record import OURS, recorded, undelivered


@pytest.fixture
def dead() -> Iterator[Dead]:
    channel = Dead()
    yield channel
    channel.released.set()


def due(w: World, desk: Any) -> Any:
    return undelivered(desk, "r1", w.store.entries("r1"))


def test_a_whole_run_is_told_once_and_the_record_says_so() -> None:
    w, chat = world(), Kept()
    desk = a_desk(chat=chat)
    assert told(w, desk) == "done" and w.values == END
    assert chat.events[0] == "started" and chat.events[-1] == "done"
    assert [m.title for m in chat.got if m.event == "phase"] == [
        f"toy: phase {name} has begun" for name in ("prepare", "window", "shift-10", "shift-50", "shift-100", "bake")
    ]
    assert max(Counter(chat.keys).values()) == 1
    assert due(w, desk) == {"due": {}, "given_up": [], "incident": None}
    assert told(w, desk) == "nothing" and due(w, desk)["due"] == {}
    assert max(Counter(chat.keys).values()) == 1


def test_nothing_is_written_about_telling_while_writes_wait() -> None:
    """From the window's first step to its last, the journal is as without a single channel, forward and back."""

    def kinds(w: World) -> list[tuple[str, Any]]:
        return [(e.kind, e.data.get("step") or e.data.get("gate") or e.data.get("phase")) for e in w.store.kept]

    def windows(found: list[tuple[str, Any]]) -> list[list[tuple[str, Any]]]:
        starts = [at for at, one in enumerate(found) if one == ("phase-entered", "window")]
        return [found[at : found.index(("phase-left", "window"), at)] for at in starts]

    silent = world()
    silent.run(plan(silent)).run.forward()
    silent.run(plan(silent)).run.back(reason="r")
    w, chat = world(), Kept()
    answered = threading.Event()
    delivered = chat.deliver

    def slowly(message: Any, deadline: Any) -> None:  # answers fall into the window, too
        answered.set()
        delivered(message, deadline)

    chat.deliver = slowly  # type: ignore[method-assign]
    looks = Ask(lambda: (answered.wait(5), Finding.passed("well"))[1])
    desk = a_desk(chat=chat)
    told(w, desk, checks={"lag": looks, "probe": looks})
    told(w, desk, lambda run: run.back(reason="r"))
    assert windows(kinds(w)) == windows(kinds(silent)) and len(windows(kinds(w))) == 2
    assert any(kind in OURS for kind in w.kinds()) and "phase" in chat.events


def test_an_undo_of_the_window_is_quiet_too() -> None:
    w, chat = world(), Kept()
    with pytest.raises(CutoverError):
        told(w, a_desk(chat=chat), checks={"lag": ill()})
    kinds = w.kinds()
    entered = [at for at, e in enumerate(w.store.kept) if e.kind == "phase-entered" and e.data["phase"] == "window"]
    left = max(at for at, e in enumerate(w.store.kept) if e.kind == "phase-left" and e.data["phase"] == "window")
    assert len(entered) == 2 and not set(OURS) & set(kinds[entered[0] : left])
    assert chat.events[-1] == "undone" and chat.got[-1].users


def test_a_channel_that_never_answers_changes_neither_time_nor_outcome(dead: Dead) -> None:
    silent, w = world(), world()
    silent.run(plan(silent)).run.forward()
    desk = without_flush(a_desk(dead=dead))
    assert told(w, desk) == "done" and w.values == END
    assert w.clock.mono == silent.clock.mono and dead.asked == 1
    assert [k for k in w.kinds() if k not in OURS] == silent.kinds()
    assert due(w, desk)["due"] == {"dead": len(recorded(desk, "r1", w.store.kept).messages)}


def test_a_dead_channel_holds_up_no_other(dead: Dead) -> None:
    w, chat = world(), Kept()
    desk = without_flush(a_desk(dead=dead, chat=chat))
    assert told(w, desk) == "done"
    assert "done" in chat.events and due(w, desk)["due"].keys() == {"dead"}


def test_a_channel_that_fails_with_anything_is_given_up_in_the_record() -> None:
    class Broken(Kept):
        def deliver(self, message: Any, deadline: Any) -> None:
            raise NotDelivered("answered 404", again=False)

    class Worse(Kept):
        def deliver(self, message: Any, deadline: Any) -> None:
            raise ZeroDivisionError("https://secret")

    w = world()
    from dataclasses import replace

    desk = replace(a_desk(broken=Broken(), worse=Worse()), give_up=0.0)
    assert told(w, desk) == "done" and w.values == END
    found = due(w, desk)
    assert found["due"] == {} and {one["error"] for one in found["given_up"]} == {
        "answered 404",
        "failed with ZeroDivisionError",
    }
    assert "secret" not in str(w.store.kept)
    before = len(found["given_up"])
    told(w, desk)
    assert len(due(w, desk)["given_up"]) == before  # what was given up is not begun again


def test_what_is_not_delivered_goes_out_with_the_next_process() -> None:
    w, down, up = world(), Dead(), Kept()
    started = without_flush(a_desk(chat=down))
    told(w, started, lambda run: run.forward(until="prepare"))
    left = due(w, started)["due"]["chat"]
    down.released.set()
    later = a_desk(chat=up)
    assert told(w, later, Run.forward) == "done"
    assert up.events[0] == "started" and len(up.got) > left and due(w, later)["due"] == {}


def test_a_channel_that_is_named_late_hears_nothing_of_before() -> None:
    w, chat, late = world(), Kept(), Kept()
    told(w, a_desk(chat=chat), lambda run: run.forward(until="shift-10"))
    both = a_desk(chat=chat, late=late)
    assert told(w, both) == "done"
    assert late.events[0] == "started" and "window" not in " ".join(m.title for m in late.got)
    assert set(late.keys) < set(chat.keys) and due(w, both)["due"] == {}


def every_death(begin: Callable[[Telling], Any], make: Callable[[World], Any]) -> Iterator[tuple[World, Kept, str]]:
    """Kills the run at its first, second, … kill point, and hands over what is left."""
    for number in range(400):
        w, chat = world(), Kept()
        telling = Telling(w, a_desk(chat=chat), make(w))
        seen: list[str] = []

        def hook(name: str, seen: list[str] = seen, number: int = number) -> None:
            seen.append(name)
            if len(seen) == number + 1:
                raise Killed(name)

        killpoint.install(hook)
        try:
            telling.carried_out_or_died(begin)  # type: ignore[attr-defined]
            return
        except Killed as death:
            yield w, chat, str(death)
        finally:
            killpoint.install(None)
            telling.died()
    raise AssertionError("the walk does not end")


def carried_out_or_died(self: Telling, action: Callable[[Telling], Any]) -> Any:
    """Nobody says a last word after a death."""
    found = action(self)
    self.notices.close()
    return found


Telling.carried_out_or_died = carried_out_or_died  # type: ignore[attr-defined]


def all_arrived(w: World, chat: Kept, name: str) -> None:
    desk = a_desk(chat=chat)
    wanted = recorded(desk, "r1", w.store.entries("r1")).messages
    assert set(wanted) <= set(chat.keys), (name, set(wanted) - set(chat.keys))
    assert due(w, desk)["due"] == {}, name


def test_killed_anywhere_every_message_arrives_and_no_shift_is_repeated() -> None:
    deaths = 0
    for w, chat, name in every_death(lambda t: t.run.forward(), plan):
        deaths += 1
        told(w, a_desk(chat=chat), lambda run: run.resume())
        told(w, a_desk(chat=chat))
        assert w.values == END, name
        killed_in = name.split(":")[0] in ("before command share-10", "after command share-10")
        assert w.ran.count("share=10") == 1 or killed_in or "share-10" in name, name
        all_arrived(w, chat, name)
    assert deaths > 70


def test_killed_on_the_way_back_every_message_arrives() -> None:
    def begin(t: Telling) -> None:
        with pytest.raises(RolledBack):
            t.run.forward()

    def make(w: World) -> Any:
        return plan(w, {"soak-50": ill()}, soak_50=Policy.ROLLBACK)

    for w, chat, name in every_death(begin, make):
        if not w.kinds():
            continue
        with_ill = Telling(w, a_desk(chat=chat), make(w))
        try:
            with_ill.carried_out(Run.resume)
        except RolledBack:
            pass
        assert w.values == BACK, name
        all_arrived(w, chat, name)
        assert {"rollback", "rolled-back"} <= set(chat.events) or not w.kinds(), name


def test_a_store_that_refuses_the_record_of_telling_stops_nothing() -> None:
    w, chat = world(), Kept()
    append = w.store.append

    def refusing(run: str, kind: str, *rest: Any) -> Any:
        if kind in OURS:
            raise Unreachable("the store does not answer")
        return append(run, kind, *rest)

    w.store.append = refusing  # type: ignore[method-assign, assignment]
    assert told(w, a_desk(chat=chat)) == "done" and w.values == END and "done" in chat.events


def test_who_lost_the_lease_writes_nothing_and_still_ends_by_it() -> None:
    w, chat = world(), Kept()
    steal = Ask(lambda: setattr(w.store, "token", 2) or Finding.passed("well"))  # type: ignore[func-returns-value]
    with pytest.raises(LeaseLost):
        told(w, a_desk(chat=chat), checks={"soak-10": steal})
    assert all(entry.token == 1 for entry in w.store.kept)


def test_a_closed_terminal_is_no_reason_to_tell_nobody() -> None:
    w, chat = world(), Kept()
    telling = Telling(w, a_desk(chat=chat), plan(w))

    def closed(event: Any) -> None:
        raise BrokenPipeError

    telling.run.walker.listen = telling.notices.listening(closed)
    assert telling.carried_out(Run.forward) == "done" and "done" in chat.events


def test_a_queue_that_is_full_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from cutover.notify import outbox

    monkeypatch.setattr(outbox, "MOST_WAITING", 1)
    w, chat = world(), Kept()
    desk = a_desk(chat=chat)
    told(w, desk)
    told(w, desk, lambda run: run.back(reason="r"))
    for _ in range(60):
        if not due(w, desk)["due"]:
            break
        told(w, desk, lambda run: None)
    assert due(w, desk)["due"] == {} and set(recorded(desk, "r1", w.store.kept).messages) <= set(chat.keys)


def test_a_gate_that_waits_writes_down_what_came_of_the_messages_meanwhile() -> None:
    w, chat = world(), Kept()
    arrived = threading.Event()
    looks = Script([Finding.not_yet("slow")] * 5 + [Finding.passed("well")])

    def look() -> Finding:
        for _ in range(200):
            if chat.got:
                break
            arrived.wait(0.01)
        return looks.look()

    told(w, a_desk(chat=chat), lambda run: run.forward(until="prepare"), checks={"caught-up": Ask(look)})
    kinds = w.kinds()
    assert "notified" in kinds[: len(kinds) - 1 - kinds[::-1].index("passed")]
    assert well().look().seen == "well"
