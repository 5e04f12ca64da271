"""What one database does in a switch, part by part; the switch itself decides when, for all of them together."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError, LeaseLost
from cutover.core.killpoint import reached
from cutover.postgres import marker, sequences
from cutover.postgres.changes import Changes
from cutover.postgres.clients import PAUSED, Clients
from cutover.postgres.ddl_guard import unseen_ddl
from cutover.postgres.direction import ReverseSlot, reverse_slot
from cutover.postgres.gaps import lasting_gap
from cutover.postgres.hands import Hands
from cutover.postgres.reaper import PATIENT_WITH_DEADLOCKS, Reaper
from cutover.postgres.session import Database, Session
from cutover.postgres.sides import APP_TABLES, end_sessions_until, set_triggers, side_state


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
class Move:
    """One database whose writes move from `source` to `target`."""

    source: Database
    target: Database
    fence: Fence
    pool: Clients | None = None
    """What leads clients to a side, where they do not find it by themselves; PgBouncer makes them wait, too."""
    refuses_ddl: bool = False
    """Whether DDL on the source that nobody has settled stops the move. On the way back it must not: what would lose rows
    there is a table without the fence, or rows that do not arrive, and both stop it anyway."""


@dataclass
class Moving:
    """One move under way: its sessions, and how long each part took (seconds)."""

    move: Move
    hands: Hands
    token: int
    """The fencing token of whoever may move the writes now; 0 asks nobody."""
    source: str = "unknown"
    target: str = "unknown"
    timings: dict[str, float] = field(default_factory=dict)
    changes: Changes | None = None
    directed: bool = False
    _tables: str = ""
    _unlocked: bool = False
    _way_back: ReverseSlot | None = None
    _last: float = field(default_factory=time.monotonic)

    @classmethod
    def begun(cls, move: Move, token: int, stack: ExitStack) -> "Moving":
        """Everything is connected before anything is fenced."""
        return cls(move, Hands(move.source, move.target, stack), token)

    @property
    def state(self) -> tuple[str, str]:
        """The fences of source and target, as `look` has seen them."""
        return self.source, self.target

    def __str__(self) -> str:
        return f"{self.move.source.label} is {self.source}, {self.move.target.label} is {self.target}"

    def claim(self) -> None:
        """Raises the token of both sides: from then on an older holder who wakes up is refused on either."""
        _check_token(self.hands.look, self.token)
        _check_token(self.hands.arrive, self.token)

    def look(self) -> None:
        """Reads both fences."""
        self.source, self.target = side_state(self.hands.look).state, side_state(self.hands.arrive).state

    # --- up to the commit point ----------------------------------------------------------------------------------

    def prepare(self, deadline: Deadline) -> None:
        """Whatever can be done before anybody waits."""
        fence, hands = self.hands.fence, self.hands
        # The dead-man switch: if we die or hang, the server rolls back and the source accepts writes again.
        fence.run(f"SET idle_in_transaction_session_timeout = '{int(self.move.fence.dead_man * 1000)}ms'")
        tables = fence.rows(f"SELECT name FROM {APP_TABLES} t ORDER BY 1")
        self._tables = ", ".join(f"ONLY {name}" for (name,) in tables)
        if self.move.fence.validate_changed:
            self.changes = Changes.recorded_on(hands.look, hands.arrive, hands.decode)
        if self.changes is not None:
            self.changes.settle(deadline)  # what could not be is compared inside the fence
        self._way_back = reverse_slot(hands.look, hands.arrive)
        if self._way_back is not None:
            self._way_back.check()
            self._way_back.advance(deadline.remaining())  # so that little is left to read inside the pause
        if not deadline.expired:
            # Whoever is far behind would keep the writes waiting: only the last moments may be left for the pause.
            marker.await_marker(hands.arrive, marker.write_marker(hands.look), deadline)
            if self.changes is None:
                self._refuse_gap(deadline)
        self._last = time.monotonic()

    def _refuse_gap(self, deadline: Deadline) -> None:
        """Where rows are not compared, that nothing is missing is known only by markers that all arrived."""
        if (found := lasting_gap(self.hands.look, self.hands.arrive, deadline)) is not None:
            then = 'invoke validate --env "$CUTOVER_ENV", which names them; once it says equal, the switch goes on'
            raise SwitchRefused(f"{found}. Nothing was switched: {found.source} serves on", next_command=then)

    def pause_clients(self) -> None:
        if self.move.pool is not None:
            _check_token(self.hands.look, self.token)  # who wakes up late must not make anybody wait
            self.move.pool.pause()
            self._lap("clients_paused")

    def lock(self) -> None:
        """The fence transaction, with every table locked against writers."""
        fence, limit = self.hands.fence, self.move.fence.lock_timeout
        self.hands.hurry(self.move.fence.catch_up)
        fence.run("BEGIN")
        fence.run("SET LOCAL synchronous_commit = on")
        fence.run(f"SET LOCAL lock_timeout = '{int(limit * 1000)}ms'")
        fence.run(PATIENT_WITH_DEADLOCKS)
        _check_token(fence, self.token)
        reached("switch: begun")
        self._last = time.monotonic()
        with Reaper(self.hands.reap_source, fence.pid) as reaper:
            fence.run(f"LOCK TABLE {self._tables} IN SHARE ROW EXCLUSIVE MODE", timeout=limit + 1)
        # The locks stop DDL: what is not to be seen now did not happen before the fence.
        if self.move.refuses_ddl and (odd := unseen_ddl(self.hands.look, self.hands.arrive)):
            told = "; ".join(odd[:5])
            raise SwitchRefused(f"DDL or large objects on {self.move.source.label} that nobody has settled: {told}")
        self._lap("lock")
        self.timings["ended_sessions"] = reaper.ended / 1000

    def catch_up(self, deadline: Deadline) -> None:
        token = marker.write_marker(self.hands.look)
        reached("switch: marked")
        marker.await_marker(self.hands.arrive, token, deadline.within(self.move.fence.catch_up))
        self._lap("catch_up")

    def compare(self) -> None:
        if self.changes is not None and (differing := self.changes.differing()):
            raise SwitchRefused("rows changed since the last validation differ: " + "; ".join(differing[:5]))
        self._lap("validate")

    def set_sequences(self) -> None:
        """After the marker, because sequences follow rows; before the commit, because it makes the rows durable."""
        sequences.copy_sequences(self.hands.fence, self.hands.open, self.move.fence.sequence_margin)
        self._lap("sequences")

    def set_way_back(self) -> None:
        """Before the target's own first write, and after everything that it has from the source."""
        if self._way_back is not None:
            self._way_back.keep(self.hands.fence, self._way_back.advance(self.move.fence.catch_up))
            self._lap("way_back")

    def shut(self) -> None:
        """The fence on every table of the source, and off every table of the target, both in transactions that stay open.

        A target that cannot be opened is then known before the commit point, and not when nobody may write any longer.
        """
        with ThreadPoolExecutor(1) as pool:
            unlocking = pool.submit(self._take_off)
            self._put_on()
            unlocking.result()

    def _put_on(self) -> None:
        fence = self.hands.fence
        set_triggers(fence, "ENABLE")
        reached("switch: triggers on")
        name = fence.value("SELECT format('%I', current_database())")
        fence.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        seen = side_state(fence)
        if seen.state != "fenced":
            raise SwitchRefused(f"tables without the fence: {', '.join(seen.odd)} (made after the kit?)")

    def commit(self) -> None:
        try:
            self.hands.fence.run("COMMIT")
        except CutoverError:
            # The outcome is open, and the engine reads it: by then the COMMIT must not be able to arrive any more.
            self.hands.look.run("SELECT pg_terminate_backend(%s, 5000)", [self.hands.fence.pid])
            raise
        self._lap("commit")

    def give_up(self) -> None:
        """Ends both transactions: the source accepts writes again, and the target none."""
        self.hands.fence.close()
        self.stay_shut()

    def let_go(self) -> None:
        """Clients that were paused for nothing go on at the source; a dead predecessor may have directed them elsewhere."""
        with suppress(CutoverError):  # what stopped the fence is told; until the next try they wait
            pool = self.move.pool
            if pool is not None and pool.where() == PAUSED and side_state(self.hands.look).state == "open":
                pool.direct_to(self.move.source.side)
                pool.resume()

    # --- from the commit point on --------------------------------------------------------------------------------

    def unlock(self) -> None:
        """The target's fence off, in a transaction that is still open; done already when we have fenced the source."""
        if not self._unlocked:
            self._last = time.monotonic()
            self._take_off()

    def _take_off(self) -> None:
        session, fence = self.hands.open, self.move.fence
        # Whoever takes over from us must not wait for a transaction of ours that stands still.
        session.run(f"SET idle_in_transaction_session_timeout = '{int(fence.dead_man * 1000)}ms'")
        session.run("BEGIN")
        session.run("SET LOCAL synchronous_commit = on")
        session.run(f"SET LOCAL lock_timeout = '{int(fence.lock_timeout * 1000)}ms'")
        session.run(PATIENT_WITH_DEADLOCKS)
        _check_token(session, self.token)
        with Reaper(self.hands.reap_target, session.pid):
            set_triggers(session, "DISABLE")
        # RESET, not "= off": that would outlive us and override the server's own value.
        name = session.value("SELECT format('%I', current_database())")
        session.run(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        self._unlocked = True
        reached("switch: triggers off")

    def open(self) -> None:
        self.hands.open.run("COMMIT")
        self._lap("open")

    def stay_shut(self) -> None:
        """Ends the opening that was not committed."""
        self.hands.open.close()

    def direct_clients(self) -> None:
        """Only to a side that is open, and only by the newest holder: one who wakes up late must not direct anybody."""
        if self.move.pool is not None:
            _check_token(self.hands.open, self.token)
            seen = side_state(self.hands.open).state
            if seen != "open":
                raise SwitchRefused(f"{self.move.target.label} is {seen}: clients are not directed there")
            self.move.pool.direct_to(self.move.target.side)
            self.directed = True

    def resume_clients(self) -> None:
        """Whoever was directed goes on; whoever was not would come to a side that refuses their writes."""
        if self.move.pool is not None and self.directed:
            self.move.pool.resume()

    def send_away(self) -> str:
        """Ends the sessions that began on the source before it was fenced; their clients reconnect to the other side.

        Answers when that was: `send_late_ones_away` spares who came later, and has seen the fence.
        """
        return str(self.hands.look.value(end_sessions_until("infinity")))

    def send_late_ones_away(self, first: str) -> None:
        """One that was just starting holds the settings of before, and was not yet in the list at the first look."""
        self.hands.look.run(end_sessions_until(first))

    def settle(self) -> None:
        """What was set for the moment of the directing is taken back; not a part of the pause."""
        if self.move.pool is not None:
            self.move.pool.settle()

    def record(self, pause: float) -> None:
        """Notes how long everything took, and what was compared, beside the rows."""
        self.timings["pause"] = pause
        self.hands.open.run(
            "INSERT INTO cutover.switches (source, timings, compared) VALUES (%s, %s, %s)",
            [
                self.move.source.side,
                json.dumps({name: round(s * 1000, 1) for name, s in self.timings.items()}),
                self.changes.covered if self.changes is not None else "nothing: no validation is recorded",
            ],
        )

    def _lap(self, name: str) -> None:
        now = time.monotonic()
        self.timings[name] = now - self._last
        self._last = now


def _check_token(session: Session, token: int) -> None:
    if token and not session.rows("UPDATE cutover.fencing SET hi = %s WHERE hi <= %s RETURNING hi", [token, token]):
        raise LeaseLost(f"{session.label} has seen a newer fencing token than {token}: somebody took over")
