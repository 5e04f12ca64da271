"""Publications and subscriptions, and what becomes of an orphan slot; which direction runs when stands in `turning`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cutover.core.clock import Backoff, Deadline, SystemClock
from cutover.core.errors import CutoverError
from cutover.core.killpoint import reached
from cutover.core.step import Command, Step
from cutover.postgres.emptying import EmptyAgain, ReadyToFill
from cutover.postgres.session import Database, QueryFailed, Session, Sided
from cutover.postgres.sides import APP_TABLES
from cutover.postgres.sync_progress import sync_progress

PUBLICATION = "cut_pub"
FILTERS_ORIGINS = "SELECT current_setting('server_version_num')::int >= 160000"

# The name alone is not enough: a publication that came along with a dump lacks the marker, and the way back hangs. A row
# filter or a list of columns (15+) would leave something out without a word.
PUBLISHED = f"""SELECT CASE
  WHEN NOT EXISTS (SELECT FROM pg_publication WHERE pubname = '{PUBLICATION}') THEN 'absent'
  WHEN EXISTS (SELECT FROM pg_publication WHERE pubname = '{PUBLICATION}'
                AND NOT (pubinsert AND pubupdate AND pubdelete AND pubtruncate)) THEN 'incomplete'
  WHEN EXISTS (SELECT FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid, to_jsonb(r) j
                WHERE p.pubname = '{PUBLICATION}' AND coalesce(j ->> 'prqual', j ->> 'prattrs') IS NOT NULL) THEN 'incomplete'
  WHEN EXISTS (
    SELECT FROM (SELECT t.name FROM {APP_TABLES} t
                  WHERE t.relkind = 'r' UNION ALL SELECT 'cutover.marker') want
      FULL JOIN (SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_publication_tables
                  WHERE pubname = '{PUBLICATION}') have USING (name)
     WHERE want.name IS NULL OR have.name IS NULL) THEN 'incomplete'
  ELSE 'present' END"""


def filters_origins(*sessions: Session) -> bool:
    """Whether every side can leave out what it has itself from the other one (16+), so that both directions may run at once.

    Both have to be asked: a 16 subscriber accepts `origin = none` of a 15 publisher, which then sends everything.
    """
    return all(session.value(FILTERS_ORIGINS) for session in sessions)


# How this side follows by the subscription {name}; one without a list of tables has not been told yet what to follow.
SUBSCRIBED = """SELECT CASE
  WHEN NOT EXISTS (SELECT FROM pg_subscription WHERE subname = '{name}') THEN 'absent'
  WHEN NOT EXISTS (SELECT FROM pg_subscription WHERE subname = '{name}' AND subenabled) THEN 'disabled'
  WHEN EXISTS (SELECT FROM pg_subscription s JOIN pg_subscription_rel r ON r.srsubid = s.oid
                WHERE s.subname = '{name}' AND r.srsubstate <> 'r') THEN 'copying'
  WHEN NOT EXISTS (SELECT FROM pg_subscription s JOIN pg_subscription_rel r ON r.srsubid = s.oid
                    WHERE s.subname = '{name}') THEN 'copying'
  ELSE 'following' END"""


def prefix(one: Sided) -> str:
    """How every name of ours begins, other ones for each database: slots belong to a whole server."""
    return f"cut_{one.name.replace('-', '_')}_" if one.name else "cut_"


def subscription_name(source: Sided, target: Sided) -> str:
    """The name of subscription and slot for one direction."""
    return f"{prefix(source)}{source.side}_{target.side}"


@dataclass(frozen=True)
class Publish(Command):
    """Publishes every leaf table and the marker, or with `wanted` false nothing."""

    database: Database
    wanted: bool

    def run(self, deadline: Deadline) -> None:
        with self.database.open("publish") as session:
            if not self.wanted:
                session.run(f"DROP PUBLICATION IF EXISTS {PUBLICATION}")
                return
            tables = [
                name for (name,) in session.rows(f"SELECT name FROM {APP_TABLES} t WHERE relkind = 'r' ORDER BY 1")
            ]
            leaves = ", ".join([*tables, "cutover.marker"])
            if session.value(f"SELECT 1 FROM pg_publication WHERE pubname = '{PUBLICATION}'"):
                session.run(f"ALTER PUBLICATION {PUBLICATION} SET TABLE {leaves}")
                session.run(f"ALTER PUBLICATION {PUBLICATION} SET (publish = 'insert, update, delete, truncate')")
            else:
                session.run(f"CREATE PUBLICATION {PUBLICATION} FOR TABLE {leaves}")

    def shell(self) -> str:
        if not self.wanted:
            return self.database.psql(f"DROP PUBLICATION IF EXISTS {PUBLICATION};")
        # Changed and not made anew: while a publication is missing, whoever follows it stops.
        return self.database.psql(
            f"""SELECT CASE WHEN EXISTS (SELECT FROM pg_publication WHERE pubname = '{PUBLICATION}')
            THEN 'ALTER PUBLICATION {PUBLICATION} SET TABLE ' ELSE 'CREATE PUBLICATION {PUBLICATION} FOR TABLE ' END
       || string_agg(name, ', ' ORDER BY name)
  FROM (SELECT name FROM {APP_TABLES} t
         WHERE relkind = 'r' UNION ALL SELECT 'cutover.marker') leaves \\gexec
ALTER PUBLICATION {PUBLICATION} SET (publish = 'insert, update, delete, truncate');"""
        )


@dataclass(frozen=True, kw_only=True)
class Publication(Step[str]):
    """Publishes every table's leaves and the marker, so that the other side can follow.

    Tables that are made afterwards are neither published nor fenced: do not run migrations until the cutover is over.
    """

    database: Database
    standing: bool = True
    settle: float = 15.0

    @property
    def resource(self) -> str:
        return f"publication:{self.database.label}"

    def observe(self) -> str:
        with self.database.open("state") as session:
            return str(session.value(PUBLISHED))

    def commands(self, target: str) -> Sequence[Command]:
        return (Publish(self.database, wanted=target == "present"),)

    def check_shell(self) -> str:
        return self.database.ask(PUBLISHED)


WHOLE = "SELECT 1 FROM pg_replication_slots WHERE slot_name = '{name}' AND wal_status IS DISTINCT FROM 'lost'"


def let_go_on(source: Database, target: Database) -> str:
    """What a person types where somebody has disabled the subscription."""
    return target.psql(f"ALTER SUBSCRIPTION {subscription_name(source, target)} ENABLE;")


def mended(source: Database, target: Database, seen: str) -> str:
    """The same for a state that was seen; empty where its slot has not kept everything, or cannot be asked for that now."""
    if seen != "disabled":
        return ""
    try:
        with source.open("state") as session:
            kept = session.value(WHOLE.format(name=subscription_name(source, target)))
    except CutoverError:
        return ""
    return let_go_on(source, target) if kept else ""


@dataclass(frozen=True)
class Subscribe(Command):
    """Makes the subscription on `target` that follows `source`, or lets one go on that was left disabled."""

    source: Database
    target: Database
    copy: bool
    address: Database
    """The source as the target's server reaches it; nobody connects there from here."""

    def run(self, deadline: Deadline) -> None:
        name = subscription_name(self.source, self.target)
        with self.target.open("subscribe") as target, self.source.open("subscribe") as source:
            if target.value("SELECT 1 FROM pg_subscription WHERE subname = %s", [name]):
                target.run(f"ALTER SUBSCRIPTION {name} ENABLE")
                return
            if self.copy:
                ReadyToFill(self.target).run(deadline)
            # A crash between slot and subscription leaves an orphan, which would keep WAL for ever.
            source.run(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s AND NOT active",
                [name],
            )
            dsn = target.value("SELECT quote_literal(%s::text)", [self.address.resolve()])
            origin = ", origin = none" if filters_origins(source, target) else ""
            # Making a slot waits for every transaction that is open on the source.
            target.run(
                f"CREATE SUBSCRIPTION {name} CONNECTION {dsn} PUBLICATION {PUBLICATION} "
                f"WITH (copy_data = {str(self.copy).lower()}{origin})",
                timeout=deadline.remaining(),
            )

    def shell(self) -> str:
        name = subscription_name(self.source, self.target)
        drop_orphan = (
            f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
            f"WHERE slot_name = '{name}' AND NOT active"
        )
        exists = self.target.ask(f"SELECT 1 FROM pg_subscription WHERE subname = '{name}'")
        create = (
            f"PGOPTIONS='-c default_transaction_read_only=off' "  # the target is fenced, and its default read-only
            f'psql "${self.target.variable}" -X -q -v ON_ERROR_STOP=1 -v source="${self.address.variable}" '
            f"-v origin=\"$origin\" <<'SQL'\n"
            f"CREATE SUBSCRIPTION {name} CONNECTION :'source' PUBLICATION {PUBLICATION}\n"
            f"  WITH (copy_data = {str(self.copy).lower()} :origin);\nSQL"
        )
        go_on = let_go_on(self.source, self.target)
        ready = f"{ReadyToFill(self.target).shell()}\n" if self.copy else ""
        return f"""(set -euo pipefail
there=$({exists})
if [ -n "$there" ]; then
{go_on}
else
{ready}{self.source.ask(drop_orphan)}
origin=
if [ "$({self.source.ask(FILTERS_ORIGINS)})$({self.target.ask(FILTERS_ORIGINS)})" = tt ]; then origin=', origin = none'; fi
{create}
fi)"""


@dataclass(frozen=True)
class Unsubscribe(Command):
    """Drops the subscription and its slot."""

    kill_points: ClassVar[tuple[str, ...]] = ("unsubscribe: disabled", "unsubscribe: dropped")

    source: Database
    target: Database

    def run(self, deadline: Deadline) -> None:
        name = subscription_name(self.source, self.target)
        backoff = Backoff(SystemClock(), first=0.05)
        with self.target.open("unsubscribe") as target:
            if target.value("SELECT 1 FROM pg_subscription WHERE subname = %s", [name]):
                target.run(f"ALTER SUBSCRIPTION {name} DISABLE")
                reached("unsubscribe: disabled")
            while target.value("SELECT 1 FROM pg_subscription WHERE subname = %s", [name]):
                try:
                    target.run(f"DROP SUBSCRIPTION {name}", timeout=30.0)
                except QueryFailed as error:
                    # 55006: the slot is still active for a moment after the worker was told to stop
                    if error.sqlstate not in ("55006", "08006") or deadline.expired:
                        raise
                    self._let_go(target, name)
                    backoff.pause(deadline)
        reached("unsubscribe: dropped")
        with self.source.open("unsubscribe") as source:
            source.run(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s AND NOT active",
                [name],
            )

    def _let_go(self, target: Session, name: str) -> None:
        """Lets go of a slot that is gone: dropping stopped between slot and subscription would fail for ever."""
        with self.source.open("unsubscribe") as source:
            if not source.value("SELECT 1 FROM pg_replication_slots WHERE slot_name = %s", [name]):
                target.run(f"ALTER SUBSCRIPTION {name} SET (slot_name = NONE)")

    def shell(self) -> str:
        name = subscription_name(self.source, self.target)
        drop_orphan = (
            f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
            f"WHERE slot_name = '{name}' AND NOT active"
        )
        drop = self.target.psql(f"DROP SUBSCRIPTION IF EXISTS {name};")
        return f"(set -euo pipefail\n{drop}\n{self.source.ask(drop_orphan)})"


@dataclass(frozen=True, kw_only=True)
class Subscription(Step[str]):
    """Keeps one side following the other by logical replication; towards green, the rows that exist are copied first.

    It makes the way back lossless, too: the other direction follows green from the moment green takes its first write.
    """

    source: Database
    target: Database
    copy: bool
    address: Database | None = None
    """The source as the target's server reaches it, where that is another address than ours."""
    empties: bool = False
    """Whether the way back empties the target again: only where it was this step's copy that filled it."""
    between: frozenset[str] = frozenset({"copying", "disabled"})
    standing: bool = True
    settle: float = 6 * 3600.0

    @property
    def resource(self) -> str:
        return f"subscription:{self.source.label}-{self.target.label}"

    def observe(self) -> str:
        with self.target.open("state") as session:
            return str(session.value(self._question()))

    def commands(self, target: str) -> Sequence[Command]:
        if target == "absent":
            drop = Unsubscribe(self.source, self.target)
            return (drop, EmptyAgain(self.target)) if self.empties else (drop,)
        return (Subscribe(self.source, self.target, self.copy, self.address or self.source),)

    def mend(self, seen: str) -> str:
        return mended(self.source, self.target, seen)

    def progress(self) -> str:
        name = subscription_name(self.source, self.target)
        return sync_progress(self.source, self.target, name) if self.copy and self.after == "following" else ""

    def check_shell(self) -> str:
        return self.target.ask(self._question())

    def _question(self) -> str:
        name = subscription_name(self.source, self.target)
        return SUBSCRIBED.format(name=name)
