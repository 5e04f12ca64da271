"""What the servers are and how they are set: version, service, settings, lock table, room for connections, clock."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from cutover.core.gate import Finding
from cutover.postgres.preflight.question import REFUSES, WARNS, DatabaseCheck, Remark, Visit, told
from cutover.postgres.session import Database
from cutover.postgres.sides import APP_TABLES

OLDEST = 140000  # CREATE OR REPLACE TRIGGER, the hash of a record, ending a session and waiting for its end
TESTED = (15, 16, 18)  # majors

VERSION = """SELECT current_setting('server_version_num')::int, current_setting('server_version'),
  pg_is_in_recovery(), CASE
    WHEN EXISTS (SELECT FROM pg_proc WHERE proname = 'aurora_version') THEN 'Amazon Aurora'
    WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_superuser')
      OR current_setting('rds.logical_replication', true) IS NOT NULL THEN 'Amazon RDS'
    WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudsqlsuperuser') THEN 'Google Cloud SQL'
    WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'azure_pg_admin') THEN 'Azure Database' END"""

# A managed service refuses ALTER SYSTEM; what it takes instead is set outside of SQL.
_BY = """CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname IN ('rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin'))
      OR x.name LIKE 'rds.%'
    THEN format('set %s = %s in the parameter group, and restart if it is a static parameter', x.name, x.wanted)
    ELSE format('ALTER SYSTEM SET %s = %s; then %s', x.name, x.wanted,
                CASE x.context WHEN 'postmaster' THEN 'restart the server' ELSE 'SELECT pg_reload_conf()' END) END"""

# Our two directions need two slots, senders and workers at a time; the copy's table synchronisations need two more, and
# the changes since the validation are read from one that has no sender.
SETTINGS = f"""SELECT format('%s is %s, wanted %s%s', x.name, x.setting, x.least, x.wanted), {_BY}, x.severity FROM (
SELECT s.name, s.setting, s.context, 'at least ' AS least, w.wanted::text, 'refuses' AS severity
  FROM (VALUES ('max_replication_slots', 5 + (SELECT count(*) FROM pg_replication_slots WHERE slot_name !~ '^cut_')),
               ('max_wal_senders', 4 + (SELECT count(*) FROM pg_stat_replication WHERE application_name !~ '^cut_')),
               ('max_logical_replication_workers', 4), ('max_worker_processes', 6),
               ('max_active_replication_origins', 4)) AS w(name, wanted)
  JOIN pg_settings s USING (name) WHERE s.setting::int < w.wanted
UNION ALL SELECT name, setting, context, '', 'logical', 'refuses' FROM pg_settings
 WHERE name = 'wal_level' AND setting <> 'logical'
UNION ALL SELECT 'rds.logical_replication', set, 'postmaster', '', '1', 'refuses' FROM (
  SELECT current_setting('rds.logical_replication', true) AS set) rds WHERE set NOT IN ('1', 'on')
UNION ALL SELECT name, setting || ' MB', context, '-1 or at least ', '10241', 'refuses' FROM pg_settings
 WHERE name = 'max_slot_wal_keep_size' AND setting::int BETWEEN 0 AND 10240
UNION ALL SELECT name, setting, context, 'at least ', '2', 'warns' FROM pg_settings
 WHERE name = 'max_sync_workers_per_subscription' AND setting::int < 2) x"""

# One transaction locks every table, with its indexes and the catalogs' own locks beside it: three places for each.
LOCK_TABLE = f"""SELECT format('%s tables, but the lock table has %s places', n, slots),
       (5 * n / places + 1)::text, CASE WHEN n * 3 > slots THEN 'refuses' ELSE 'warns' END FROM
  (SELECT count(*) AS n FROM {APP_TABLES} t) x,
  (SELECT current_setting('max_locks_per_transaction')::bigint * backends AS slots, backends AS places FROM
    (SELECT current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int AS backends) b) y
 WHERE n * 4 > slots"""

# Eight places are for our own sessions; a limit of the database or of a role does not hold for superusers.
CONNECTIONS = """SELECT seen, mend, CASE WHEN used >= room THEN 'refuses' ELSE 'warns' END FROM (
SELECT format('%s of %s places of the server are taken (%s kept for superusers)', used, room + kept, kept) AS seen,
       format('ALTER SYSTEM SET max_connections = %s; then restart the server', 2 * (room + kept)) AS mend, used, room - 8 AS room
  FROM (SELECT count(*) AS used FROM pg_stat_activity WHERE backend_type = 'client backend') u,
       (SELECT current_setting('max_connections')::int - kept AS room, kept FROM (SELECT sum(setting::int)::int AS kept
          FROM pg_settings WHERE name IN ('superuser_reserved_connections', 'reserved_connections')) k) r
UNION ALL
SELECT format('%s of the %s connections that database %s allows are taken', used, datconnlimit, datname),
       format('ALTER DATABASE %I CONNECTION LIMIT %s', datname, 2 * datconnlimit + 20), used, datconnlimit
  FROM pg_database d, (SELECT count(*) AS used FROM pg_stat_activity
                        WHERE datname = current_database() AND backend_type = 'client backend') u
 WHERE datname = current_database() AND datconnlimit >= 0
UNION ALL
SELECT format('%s of the %s connections that role %s may have are taken', count(a.pid), rolconnlimit, rolname),
       format('ALTER ROLE %I CONNECTION LIMIT %s', rolname, 2 * rolconnlimit + 20), count(a.pid), rolconnlimit
  FROM pg_roles r LEFT JOIN pg_stat_activity a ON a.usesysid = r.oid AND a.backend_type = 'client backend'
 WHERE rolconnlimit >= 0 AND rolcanlogin GROUP BY rolname, rolconnlimit) x
 WHERE used >= 0.8 * room"""

USED = """SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'
  AND datname = current_database() AND application_name !~ '^cutover'"""
ROOM = """SELECT least(server, CASE WHEN datconnlimit >= 0 THEN datconnlimit END)
  FROM (SELECT current_setting('max_connections')::int - sum(setting::int) - (SELECT count(*) FROM pg_stat_activity
          WHERE backend_type = 'client backend' AND application_name !~ '^cutover')::int AS server FROM pg_settings
         WHERE name IN ('superuser_reserved_connections', 'reserved_connections')) s,
       pg_database WHERE datname = current_database()"""

CLOCK = "SELECT extract(epoch FROM clock_timestamp())::float8"
MAJORS = "SELECT current_setting('server_version_num')::int / 10000"


@dataclass(frozen=True)
class Version(DatabaseCheck):
    """What the fence is made of came with PostgreSQL 14; 15, 16 and 18 are tested, and every other major is not.

    14 takes the path of 15, and 17 that of 16: read in their manuals, and never run.
    """

    database: Database
    title = "version"
    oldest: int = OLDEST

    def answer(self, visit: Visit) -> Finding:
        number, text, standby, service = visit.rows(self.database, VERSION)[0]
        wanted = f"the writer of PostgreSQL {self.oldest // 10000} or newer"
        what = f"PostgreSQL {text}" + (f" on {service}" if service else "")
        return told(self.title, wanted, self.remarks(number, what, standby, service), fine=what)

    def remarks(self, number: int, what: str, standby: bool, service: str | None) -> Iterator[Remark]:
        """What is to be said of a server of this `server_version_num`."""
        if number < self.oldest:
            yield Remark(f"{what}, wanted {self.oldest // 10000} or newer", "upgrade this side first", REFUSES)
        elif number // 10000 not in TESTED:
            yield Remark(f"{what} is untested", "rehearse with a copy of this system first", WARNS)
        if standby:
            yield Remark(f"{self.database.label} is a standby", "use the address of the writer", REFUSES)
        if service:
            yield Remark(f"{service} is untested", "rehearse with a copy of this system first", WARNS)

    def shell(self) -> str:
        oldest = self.oldest // 10000
        return self.database.ask(
            "SELECT current_setting('server_version'), CASE WHEN pg_is_in_recovery() THEN 'a standby' END",
            f"| awk '{{ print; ok = $1 + 0 >= {oldest} && !/standby/ }} END {{ exit !ok }}'",
        )


@dataclass(frozen=True)
class Room(DatabaseCheck):
    """After the switch every client of blue comes to green, and each needs a place there."""

    blue: Database
    green: Database
    title = "room on green"

    def answer(self, visit: Visit) -> Finding:
        ((used,),), ((room,),) = visit.rows(self.blue, USED), visit.rows(self.green, ROOM)
        counted = f"blue has {used} clients, green has {room} free places"
        mend = "raise max_connections (or the database's CONNECTION LIMIT) of green, or put a pooler before it"
        severity = REFUSES if used > room else WARNS if used > 0.8 * room else None
        return told(
            self.title,
            "a free place on green for every client of blue",
            [Remark(counted, mend, severity)] if severity else [],
            fine=counted,
        )

    def shell(self) -> str:
        return f"""(set -euo pipefail
used=$({self.blue.ask(USED)}
)
room=$({self.green.ask(ROOM)}
)
echo "blue has $used clients, green has $room free places" && [ "$used" -le "$room" ])"""


@dataclass(frozen=True)
class SameClock(DatabaseCheck):
    """Ages of markers, tokens and transactions are compared between the sides, and so are the timestamps of rows.

    Both are asked several times; the answer with the shortest round trip counts, and half of the round trips is its error.
    """

    blue: Database
    green: Database
    limit: float = 1.0
    title = "clocks"

    def answer(self, visit: Visit) -> Finding:
        (ours, ours_error), (theirs, theirs_error) = self._offset(visit, self.blue), self._offset(visit, self.green)
        apart, error = theirs - ours, ours_error + theirs_error
        seen = f"green's clock is {abs(apart):.3f} s {'ahead of' if apart >= 0 else 'behind'} blue's (± {error:.3f} s)"
        wanted = f"less than {self.limit:g} s apart"
        odd = abs(apart) > self.limit
        mend = "let both servers follow the same time source (chronyc tracking)"
        return told(self.title, wanted, [Remark(seen, mend, WARNS)] if odd else [], fine=seen)

    def _offset(self, visit: Visit, database: Database) -> tuple[float, float]:
        """How far the server's clock is ahead of ours, and how wrong that may be, in seconds."""
        looks = []
        for _ in range(3):
            before = time.time()
            ((theirs,),) = visit.again(database, CLOCK)
            after = time.time()
            looks.append(((after - before) / 2, theirs - (before + after) / 2))
        error, offset = min(looks)
        return offset, error

    def shell(self) -> str:
        return f"""(set -euo pipefail
blue=$({self.blue.ask(CLOCK)}); green=$({self.green.ask(CLOCK)})
awk -v apart="$blue $green" 'BEGIN {{ split(apart, t); print t[2] - t[1], "s, starts of psql included" }}')"""


@dataclass(frozen=True)
class Direction(DatabaseCheck):
    """A cutover to an older major is a downgrade: what the newer server has learned may have no place on the older one."""

    blue: Database
    green: Database
    title = "majors"

    def answer(self, visit: Visit) -> Finding:
        ((ours,),), ((theirs,),) = visit.rows(self.blue, MAJORS), visit.rows(self.green, MAJORS)
        seen = f"{ours} → {theirs}"
        odd = [Remark(f"{seen} is a downgrade", "check that nothing uses what only the newer major has", WARNS)]
        return told(self.title, "green at least as new as blue", odd if theirs < ours else [], fine=seen)

    def shell(self) -> str:
        return f"{self.blue.ask(MAJORS)} && {self.green.ask(MAJORS)}"
