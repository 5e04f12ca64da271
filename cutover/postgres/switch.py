"""The switch: the transaction that fences the source is the commit point, and then the target is opened.

Before its COMMIT, death of this process gives the source its writes back (the server rolls back, at the latest after
the dead-man timeout); after it one rolls forward. Going back is the same code with the sides swapped.
"""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import ClassVar

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError, LeaseLost
from cutover.core.killpoint import reached
from cutover.core.step import Command
from cutover.postgres import marker, sequences
from cutover.postgres.changes import Changes, compare_changed
from cutover.postgres.direction import reverse_slot
from cutover.postgres.hands import Hands
from cutover.postgres.pgbouncer import Pool
from cutover.postgres.reaper import Reaper
from cutover.postgres.session import Database, Session
from cutover.postgres.sides import APP_TABLES, FENCE, end_sessions_until, side_state
from cutover.postgres.switch_script import script


class SwitchRefused(CutoverError):
    """The switch gave up before its commit point; the source accepts writes again."""


@dataclass(frozen=True)
class Fence:
    """Times in seconds: `dead_man` until the server ends a silent fence transaction, `lock_timeout`, `catch_up`."""

    dead_man: float = 10.0
    lock_timeout: float = 5.0
    catch_up: float = 5.0
    sequence_margin: int = 1000
    validate_changed: bool = True
    late_starters: float = 0.3
    """After this time a session that was just starting while the others were sent away has to have shown itself."""


@dataclass(frozen=True)
class Switch(Command):
    """Moves writes from `source` to `target`; `token` is the fencing token of whoever may do that now."""

    kill_points: ClassVar[tuple[str, ...]] = (
        "switch: connected",
        "switch: clients paused",
        "switch: locked",
        "switch: marked",
        "switch: caught up",
        "switch: compared",
        "switch: sequences set",
        "switch: way back set",
        "switch: fenced, not committed",
        "switch: committed",
        "switch: open, not committed",
        "switch: opened",
        "switch: clients directed",
        "switch: old sessions sent away",
    )

    source: Database
    target: Database
    fence: Fence
    token: Callable[[], int] = field(default=lambda: 0, compare=False, repr=False)
    pool: Pool | None = None
    """PgBouncer, where clients come through it: they wait from just before the lock to just after the opening."""

    def run(self, deadline: Deadline) -> None:
        with ExitStack() as stack:
            hands = Hands(self.source, self.target, stack)  # everything is connected before anything is fenced
            reached("switch: connected")
            source, target = side_state(hands.fence).state, side_state(hands.open).state
            timings: dict[str, float] = {}
            began = time.monotonic()
            if (source, target) == ("fenced", "open"):
                self._direct_clients(hands)  # who died between opening and this has left them
                self._send_away(hands.look)
                return
            if (source, target) == ("open", "fenced"):
                began = self._fence_or_let_go(hands, deadline, timings)
            elif (source, target) != ("fenced", "fenced"):
                raise SwitchRefused(
                    f"{self.source.side} is {source}, {self.target.side} is {target}: not ours to switch"
                )
            else:
                self._shut_out(hands.look)
            self._open(hands, timings)
            self._direct_clients(hands)
            timings["pause"] = time.monotonic() - began
            self._send_away(hands.look)
            if self.pool is not None:
                self.pool.settle()
            hands.open.run(
                "INSERT INTO cutover.switches (source, timings) VALUES (%s, %s)",
                [self.source.side, json.dumps({name: round(s * 1000, 1) for name, s in timings.items()})],
            )

    def _fence_or_let_go(self, hands: Hands, deadline: Deadline, timings: dict[str, float]) -> float:
        """The fence; when it is given up before its commit point, paused clients go on where they were."""
        try:
            return self._fence(hands, deadline, timings)
        except Exception:
            if self.pool is not None:
                with suppress(CutoverError):  # what stopped the fence is told; the next try begins with RESUME
                    if side_state(hands.look).state == "open":
                        self.pool.resume()
                        self.pool.settle()
            raise

    def _direct_clients(self, hands: Hands) -> None:
        """Only to a side that is open, and only by the newest holder: one who wakes up late must not direct anybody."""
        if self.pool is not None:
            _check_token(hands.open, self.token())
            seen = side_state(hands.open).state
            if seen != "open":
                raise SwitchRefused(f"{self.target.side} is {seen}: clients are not directed there")
            self.pool.direct_to(self.target.side)
        reached("switch: clients directed")

    def _fence(self, hands: Hands, deadline: Deadline, timings: dict[str, float]) -> float:
        """Everything up to the commit point, in one open transaction; returns when the pause began."""
        fence, dead_man = hands.fence, self.fence.dead_man
        lap = _Laps(timings)
        try:
            # The dead-man switch: if we die or hang, the server rolls back and the source accepts writes again.
            fence.run(f"SET idle_in_transaction_session_timeout = '{int(dead_man * 1000)}ms'")
            tables = ", ".join(f"ONLY {name}" for (name,) in fence.rows(f"SELECT name FROM {APP_TABLES} t ORDER BY 1"))
            changes = Changes(None, ())
            if self.fence.validate_changed:
                changes = Changes.since_baseline(hands.look, hands.arrive)
            way_back = reverse_slot(hands.look, hands.arrive)
            if way_back is not None:
                way_back.check()
                way_back.advance(deadline.remaining())  # so that little is left to read inside the pause
            began = lap.restart()
            if self.pool is not None:
                _check_token(hands.look, self.token())  # who wakes up late must not make anybody wait
                self.pool.pause()
                lap("clients_paused")
            reached("switch: clients paused")
            fence.run("BEGIN")
            fence.run("SET LOCAL synchronous_commit = on")
            fence.run(f"SET LOCAL lock_timeout = '{int(self.fence.lock_timeout * 1000)}ms'")
            fence.run("SET LOCAL deadlock_timeout = '20s'")  # a deadlock then ends by the reaper, not by us
            _check_token(fence, self.token())
            began = began if self.pool is not None else lap.restart()
            with Reaper(hands.reap_source, fence.pid) as reaper:
                fence.run(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE", timeout=self.fence.lock_timeout + 1)
            lap("lock")
            timings["ended_sessions"] = reaper.ended / 1000
            reached("switch: locked")
            token = marker.write_marker(hands.look)
            reached("switch: marked")
            marker.await_marker(hands.arrive, token, deadline.within(self.fence.catch_up))
            lap("catch_up")
            reached("switch: caught up")
            differing = compare_changed(hands.look, hands.arrive, changes)
            if differing:
                raise SwitchRefused("rows changed since the last validation differ: " + "; ".join(differing[:5]))
            lap("validate")
            reached("switch: compared")
            # After the marker, because sequences follow rows; before the commit, because it makes the rows durable.
            sequences.copy_sequences(hands.look, hands.arrive, self.fence.sequence_margin)
            lap("sequences")
            reached("switch: sequences set")
            if way_back is not None:
                # Before the target's own first write, and after everything that it has from the source.
                way_back.keep(fence, way_back.advance(self.fence.catch_up))
                lap("way_back")
            reached("switch: way back set")
            _set_triggers(fence, "ENABLE")
            name = fence.value("SELECT format('%I', current_database())")
            fence.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            seen = side_state(fence)
            if seen.state != "fenced":
                raise SwitchRefused(f"tables without the fence: {', '.join(seen.odd)} (made after the kit?)")
            if deadline.expired:
                raise SwitchRefused("the time budget ran out before the commit point")
            # A target that died since then could not be opened, and the writes would wait for it.
            hands.open.value("SELECT 1")
            reached("switch: fenced, not committed")
        except BaseException:
            fence.close()
            raise
        try:
            fence.run("COMMIT")
        except CutoverError:
            # The outcome is open, and the engine reads it: by then the COMMIT must not be able to arrive any more.
            hands.look.run("SELECT pg_terminate_backend(%s, 5000)", [fence.pid])
            raise
        lap("commit")
        reached("switch: committed")
        return began

    def _shut_out(self, source: Session) -> None:
        """With both sides fenced either may be opened: an older holder who wakes up must not open the other one as well."""
        _check_token(source, self.token())
        seen = side_state(source).state  # after the token: who opened it before that is seen now
        if seen != "fenced":
            raise SwitchRefused(f"{self.source.side} is {seen}: somebody opened it meanwhile")

    def _open(self, hands: Hands, timings: dict[str, float]) -> None:
        lap = _Laps(timings)
        session = hands.open
        # Whoever takes over from us must not wait for a transaction of ours that stands still.
        session.run(f"SET idle_in_transaction_session_timeout = '{int(self.fence.dead_man * 1000)}ms'")
        session.run("BEGIN")
        try:
            session.run("SET LOCAL synchronous_commit = on")
            session.run(f"SET LOCAL lock_timeout = '{int(self.fence.lock_timeout * 1000)}ms'")
            session.run("SET LOCAL deadlock_timeout = '20s'")
            _check_token(session, self.token())
            with Reaper(hands.reap_target, session.pid):
                _set_triggers(session, "DISABLE")
            # RESET, not "= off": that would outlive us and override the server's own value.
            name = session.value("SELECT format('%I', current_database())")
            session.run(f"ALTER DATABASE {name} RESET default_transaction_read_only")
            reached("switch: open, not committed")
        except BaseException:
            session.close()
            raise
        session.run("COMMIT")
        lap("open")
        reached("switch: opened")

    def _send_away(self, source: Session) -> None:
        """Ends the sessions that began on the source before it was fenced; their clients reconnect to the other side.

        One that was just starting holds the settings of before and is not yet in the list, so there is a second look; it
        spares who came after the first one, and has seen the fence.
        """
        first = source.value(end_sessions_until("infinity"))
        reached("switch: old sessions sent away")
        time.sleep(self.fence.late_starters)
        source.run(end_sessions_until(first))

    def shell(self) -> str:
        return script(
            self.source.variable,
            self.target.variable,
            source_side=self.source.side,
            target_side=self.target.side,
            dead_man=self.fence.dead_man,
            lock_timeout=self.fence.lock_timeout,
            catch_up=self.fence.catch_up,
            margin=self.fence.sequence_margin,
            late_starters=self.fence.late_starters,
            pool=self.pool,
        )


def _check_token(session: Session, token: int) -> None:
    if token and not session.rows("UPDATE cutover.fencing SET hi = %s WHERE hi <= %s RETURNING hi", [token, token]):
        raise LeaseLost(f"{session.side} has seen a newer fencing token than {token}: somebody took over")


def _set_triggers(session: Session, verb: str) -> None:
    session.run(
        f"""DO $$ DECLARE t regclass; BEGIN
  FOR t IN SELECT tgrelid FROM pg_trigger WHERE tgname = '{FENCE}' AND NOT tgisinternal ORDER BY tgrelid::regclass::text LOOP
    EXECUTE format('ALTER TABLE ONLY %s {verb} TRIGGER {FENCE}', t);
  END LOOP; END $$"""
    )


class _Laps:
    def __init__(self, timings: dict[str, float]) -> None:
        self._timings = timings
        self._last = time.monotonic()

    def restart(self) -> float:
        self._last = time.monotonic()
        return self._last

    def __call__(self, name: str) -> None:
        now = time.monotonic()
        self._timings[name] = now - self._last
        self._last = now
