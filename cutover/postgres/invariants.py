"""What must be true of both databases at every moment, before the window, and for the way back."""

from dataclasses import dataclass

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.gate import Check, Finding
from cutover.postgres.conflict import conflict, failed_tries
from cutover.postgres.direction import WayBackNotReady, reverse_slot
from cutover.postgres.gaps import overtaken
from cutover.postgres.marker import NotCaughtUp, await_marker, marker_shell, write_marker
from cutover.postgres.pair import DatabasePair
from cutover.postgres.replication import subscription_name
from cutover.postgres.session import Database, Session
from cutover.postgres.sides import read_sides, side_state, sides_shell

ROUND_TRIP = 0.250  # seconds; a marker that takes longer says that catching up would not fit the pause
LONG_TRANSACTION = 2.0  # seconds; the fence waits for the locks of whoever has written
ADVANCE_WITHIN = 60.0  # seconds; it reads all WAL since the last time

BUSY = """SELECT 'prepared transaction ' || gid FROM pg_prepared_xacts
UNION ALL SELECT format('transaction of pid %%s (%%s) open for %%s s', pid, coalesce(usename, '?'),
                        extract(epoch FROM now() - xact_start)::int)
  FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND xact_start < now() - make_interval(secs => %s)
   AND pid <> pg_backend_pid()
UNION ALL SELECT format('vacuum of %%s', relid::regclass) FROM pg_stat_progress_vacuum
 WHERE datname = current_database() AND NOT EXISTS
   (SELECT FROM pg_stat_activity a WHERE a.pid = pg_stat_progress_vacuum.pid AND a.backend_type = 'autovacuum worker')
UNION ALL SELECT format('%%s on %%s', command, relid::regclass) FROM pg_stat_progress_create_index
 WHERE datname = current_database()"""

BY_DESIGN = ("disabled", "still copying")
NOT_THERE = "does not exist"
TROUBLE = """SELECT CASE
  WHEN NOT EXISTS (SELECT FROM pg_subscription WHERE subname = %(name)s) THEN 'subscription %(plain)s does not exist'
  WHEN NOT EXISTS (SELECT FROM pg_subscription WHERE subname = %(name)s AND subenabled) THEN 'disabled'
  WHEN EXISTS (SELECT FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid
                WHERE s.subname = %(name)s AND r.srsubstate <> 'r') THEN 'still copying'
  WHEN NOT EXISTS (SELECT FROM pg_stat_subscription WHERE subname = %(name)s AND relid IS NULL AND pid IS NOT NULL)
    THEN 'its apply worker does not run (see the server log of this side)' END"""

SENDS = "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND wal_status IS DISTINCT FROM 'lost'"


@dataclass(frozen=True)
class OneWriter(Check):
    """At no moment may both sides accept application writes: such rows could not be brought together again."""

    pairs: tuple[DatabasePair, ...]

    def look(self) -> Finding:
        told = []
        try:
            for pair in self.pairs:
                seen = read_sides(pair.blue, pair.green)
                if (seen.blue, seen.green) == ("open", "open"):
                    return Finding.failed(
                        f"both sides accept writes{f' of {pair.name}' if pair.name else ''}",
                        "a person decides whose writes count; stop the application on the other side",
                    )
                told.append(f"{pair.name}: {seen}" if pair.name else str(seen))
        except CutoverError as error:
            return Finding.blind(error.message)
        return Finding.passed("; ".join(told))

    def shell(self) -> str:
        seen = "\n".join(sides_shell(pair.blue, pair.green) for pair in self.pairs)
        asked = seen if len(self.pairs) == 1 else f"{{ {seen}\n}}"
        return f"{asked} | awk '{{ print; bad += /blue open, green open/ }} END {{ exit bad || !NR }}'"


@dataclass(frozen=True)
class FitsTheWindow(Check):
    """The window opens only when catching up is sure to fit: short lag, fast round trips, no long transaction.

    Three marker rows must each reach the other side within 250 ms; byte figures alone cannot foresee the pause.
    """

    writes = True

    source: Database
    target: Database
    lag_limit_bytes: int
    longest_transaction: float = LONG_TRANSACTION
    """Seconds: an older transaction that has written, on either side, keeps the window shut."""

    def look(self) -> Finding:
        try:
            with self.source.open("window") as source, self.target.open("window") as target:
                return self._look(source, target)
        except CutoverError as error:
            return Finding.blind(error.message)

    def _look(self, source: Session, target: Session) -> Finding:
        name = subscription_name(source, target)
        trouble = replication_trouble(target, name)
        if trouble:
            return _troubled(source, target, name, trouble)
        lag = source.value(_lag_question(name))
        if lag is None:
            return Finding.not_yet(f"{name} is not connected to {source.label}")
        if lag > self.lag_limit_bytes:
            return Finding.not_yet(f"{lag} bytes behind, limit {self.lag_limit_bytes}")
        for session in (source, target):
            busy = session.rows(BUSY, [self.longest_transaction])
            if busy:
                return Finding.not_yet(f"{session.label}: {busy[0][0]}", "wait for it, or end it")
        way_back = reverse_slot(source, target)
        if way_back is not None:
            try:
                way_back.check()
                way_back.advance(
                    ADVANCE_WITHIN
                )  # before writes wait: what is read now has not to be read inside the pause
            except WayBackNotReady as error:
                return Finding.not_yet(error.message)
        trips: list[float] = []
        for _ in range(3):
            try:
                trips.append(await_marker(target, write_marker(source), Deadline.after(5.0)))
            except NotCaughtUp as error:
                return _troubled(source, target, name, error.message)
        slowest = max(trips)
        if slowest > ROUND_TRIP:
            return Finding.not_yet(f"a marker took {slowest * 1000:.0f} ms, limit {ROUND_TRIP * 1000:.0f} ms")
        return Finding.passed(
            f"{lag} bytes behind, slowest of 3 markers {slowest * 1000:.0f} ms",
            lag_bytes=int(lag),
            marker_seconds=slowest,
        )

    def shell(self) -> str:
        limit, busy = self.lag_limit_bytes, BUSY % self.longest_transaction
        return f"""(set -euo pipefail
lag=$({self.source.ask(_lag_question(subscription_name(self.source, self.target)))})
echo "${{lag:-nobody follows, ?}} bytes behind, at most {limit}"
[ "$lag" -le {limit} ]
# Nothing may be printed from here on: what is, would make the window wait.
{self.source.ask(busy, "| (! grep .)")}
{self.target.ask(busy, "| (! grep .)")}
)"""


@dataclass(frozen=True)
class Follows(Check):
    """Proves with a marker row that one side follows the other: what is written there arrives here.

    After the switch this is what makes the way back lossless, so it is called "rollback ready".
    """

    writes = True

    source: Database
    target: Database

    def look(self) -> Finding:
        name = subscription_name(self.source, self.target)
        try:
            with self.source.open("follows") as source, self.target.open("follows") as target:
                trouble = replication_trouble(target, name)
                if trouble:
                    return _troubled(source, target, name, trouble)
                try:
                    seconds = await_marker(target, write_marker(source), Deadline.after(5.0))
                except NotCaughtUp as error:
                    return _troubled(source, target, name, error.message)
        except CutoverError as error:
            return Finding.blind(error.message)
        return Finding.passed(f"{self.target.label} follows {self.source.label}, marker after {seconds * 1000:.0f} ms")

    def shell(self) -> str:
        return marker_shell(self.source, self.target)


@dataclass(frozen=True)
class WayBackWarm(Check):
    """The way back stays possible only while blue follows green.

    Each look leaves a marker row on green: one that never arrives says for good that rows of its time did not, either, even
    when everything arrives again. How far blue is behind is told, and does not fail: a rollback waits for it before anybody
    else has to. The row or column that stops it is named.
    """

    writes = True

    blue: Database
    green: Database
    lag_limit_bytes: int
    """What is told as a warning: going back takes longer then."""

    def look(self) -> Finding:
        name = subscription_name(self.green, self.blue)
        try:
            with self.green.open("warm") as green, self.blue.open("warm") as blue:
                if not self.green.read_only and side_state(green).state == "open":
                    write_marker(green)
                trouble = replication_trouble(blue, name)
                if trouble:
                    return _troubled(green, blue, name, trouble, marked=True)
                lag = green.value(_lag_question(name))
                if lag is None:
                    return _troubled(green, blue, name, f"not connected to {green.label}", marked=True)
                errors = failed_tries(blue, name)
                missing = overtaken(green, blue)
        except CutoverError as error:
            return Finding.blind(error.message)
        if missing is not None:
            return Finding.not_yet(
                str(missing),
                f"bring {self.blue.label} what it lacks: invoke validate --repair FILE, until invoke validate says equal. "
                "Until then a rollback does not move the writes",
            )
        far = lag > self.lag_limit_bytes
        told = f", {errors} failed tries so far" if errors else ""
        seen = f"{blue.label} follows {green.label}, {lag / 1e6:.1f} MB behind{told}; the way back is warm"
        return Finding.passed(seen, lag_bytes=int(lag), failed_tries=errors, warning=bool(far))

    def shell(self) -> str:
        name = subscription_name(self.green, self.blue)
        return f"""(set -euo pipefail
{following_shell(self.blue, name)}
lag=$({self.green.ask(_lag_question(name))})
echo "${{lag:-nobody follows, ?}} bytes behind"
[ -n "$lag" ])"""


def _lag_question(name: str) -> str:
    return (
        "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), replay_lsn)::bigint "
        f"FROM pg_stat_replication WHERE application_name = '{name}'"
    )


def _troubled(source: Session, target: Session, name: str, trouble: str, *, marked: bool = False) -> Finding:
    """The trouble: a slot that is gone, what the apply worker stumbles over where it may be that, or else `trouble` itself.

    Where a slot is gone a marker is left behind, unless one was `marked` just now.
    """
    if trouble not in BY_DESIGN and NOT_THERE not in trouble and not source.rows(SENDS, [name]):
        if not marked and side_state(source).state == "open":
            write_marker(source)  # it never arrives: the switch sees by it that rows may be missing
        return Finding.not_yet(
            f"slot {name} on {source.label}, by which {target.label} follows, is gone or has lost its WAL: "
            f"what was written since never arrives on {target.label} by itself",
            f"on {source.label}: SELECT pg_create_logical_replication_slot('{name}', 'pgoutput'); then bring over what was written "
            f"meanwhile: invoke validate --repair FILE, until invoke validate says equal. Do not move the writes to {target.label} "
            "before: what it misses would be lost, and the switch would not notice. Before the first switch it is simpler to begin "
            "anew: invoke rollback --everything",
        )
    found = None if trouble in BY_DESIGN else conflict(source, target)
    if found is None:
        return Finding.not_yet(f"{name} on {target.label}: {trouble}")
    return Finding.not_yet(
        f"{name} on {target.label}: {found.seen}", f"{found.mend.rstrip(';')}; it goes on by itself within 5 s"
    )


def replication_trouble(session: Session, name: str) -> str | None:
    """What keeps subscription `name` of this side from following, None when nothing does."""
    seen = session.value(TROUBLE.replace("%(plain)s", name), {"name": name})
    return str(seen) if seen else None


def following_shell(database: Database, name: str) -> str:
    """The same as a command: prints `following` and ends with 0, or what keeps it from following and ends with 1."""
    question = TROUBLE % {"name": f"'{name}'", "plain": name}
    question = f"SELECT coalesce(trouble, 'following') FROM (\n{question} AS trouble) asked"
    return database.ask(question, "| awk '{ print; ok = $0 == \"following\" } END { exit !ok }'")
