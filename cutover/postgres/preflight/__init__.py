"""What both databases must be like before a cutover may begin; each check says what it saw, what is wanted, what mends it.

The subjects: `servers`, `wal`, `databases`, `tables`, `effects`, `activity`, `roles`, and `objects`, which `compare` holds
against each other. All questions of one preflight share a session per side, and their number does not grow with the tables.
"""

from collections.abc import Iterator, Sequence

from cutover.postgres.emptying import FILLED_BY_OTHERS
from cutover.postgres.fence_proof import REPLICA
from cutover.postgres.preflight import activity, effects, roles, servers, tables
from cutover.postgres.preflight.fingerprint import SameSchema
from cutover.postgres.preflight.jobs import JOBS, Jobs
from cutover.postgres.preflight.question import INFORMS, WARNS, DatabaseCheck, Severity, SideQuestion, look_together
from cutover.postgres.preflight.schema import same_on_both
from cutover.postgres.preflight.servers import Direction, Room, SameClock, Version
from cutover.postgres.preflight.wal import WalForecast
from cutover.postgres.session import Database

__all__ = ["LONGEST_TRANSACTION", "DatabaseCheck", "SameSchema", "Severity", "look_together", "preflight"]

LONGEST_TRANSACTION = 2.0  # seconds, of the window
PATIENCE = 30  # how many times longer a transaction may be now; making a slot waits for every one that has written

Named = tuple[str, DatabaseCheck]


def preflight(
    blue: Database, green: Database, limit: float = LONGEST_TRANSACTION, wal_limit: int | None = None
) -> Sequence[tuple[str, DatabaseCheck]]:
    """Every check of the databases, each with a name that ends with the side it asks, if it asks one side only.

    `limit` is the age in seconds above which a transaction that has written keeps the window shut, `wal_limit` how many
    bytes of WAL a slot may keep before the plan stops.
    """
    checks: list[Named] = []
    for database in (blue, green):
        of_side = [
            ("version", Version(database)),
            *_server(database),
            *_tables(database),
            *_effects(database),
            *_others(database),
            *_activity(database, PATIENCE * limit),
            *_rights(database),
        ]
        checks += [(f"{name}-{database.side}", check) for name, check in of_side]
    checks += _of_blue(blue)
    checks += _of_green(green)
    checks += same_on_both(blue, green)
    checks += [("majors", Direction(blue, green)), ("room", Room(blue, green)), ("clocks", SameClock(blue, green))]
    return [*checks, *((f"wal-{database.side}", WalForecast(database, wal_limit)) for database in (blue, green))]


def _server(database: Database) -> Iterator[Named]:
    def ask(title: str, sql: str, wanted: str, mend: str = "{}") -> SideQuestion:
        return SideQuestion(database, title, sql, wanted, mend)

    yield "settings", ask("settings", servers.SETTINGS, "room for both directions, and WAL that is kept for them")
    yield (
        "lock-table",
        ask(
            "lock table",
            servers.LOCK_TABLE,
            "three places for each table",
            "ALTER SYSTEM SET max_locks_per_transaction = {}; then restart the server",
        ),
    )
    yield "connections", ask("connections", servers.CONNECTIONS, "a fifth of all places free, and eight for ourselves")
    collations = SideQuestion(
        database,
        "collations whose library has changed, so that their indexes may be wrong",
        tables.COLLATIONS,
        "indexes in the order that the library knows now",
        severity=WARNS,
        newer=((150000, tables.COLLATIONS_15),),
    )
    yield "collations", collations


def _tables(database: Database) -> Iterator[Named]:
    def ask(title: str, sql: str, wanted: str, severity: Severity = Severity.REFUSES) -> SideQuestion:
        return SideQuestion(database, title, sql, wanted, severity=severity)

    yield (
        "identity",
        ask(
            "tables whose UPDATE and DELETE would fail once published",
            tables.IDENTITY,
            "a primary key that is not deferrable, or a replica identity",
        ),
    )
    yield (
        "keyless",
        ask("tables without primary key", tables.KEYLESS, "a primary key on every table that changes", WARNS),
    )
    yield "row-security", ask("row-level security", tables.ROW_SECURITY, "a role that sees every row")
    yield "sequences", ask("sequences", tables.SEQUENCES, "readable, not cycling, less than 80 % used", WARNS)


def _effects(database: Database) -> Iterator[Named]:
    yield (
        "triggers",
        SideQuestion(
            database,
            "triggers that would fire for replicated rows",
            effects.TRIGGERS,
            "ordinary triggers only: the effects of a row arrive as rows",
        ),
    )
    yield (
        "event-triggers",
        SideQuestion(
            database,
            "event triggers, which see the DDL of the fence kit",
            effects.EVENT_TRIGGERS,
            "none that hinders CREATE TRIGGER, ALTER TABLE or CREATE PUBLICATION",
            severity=WARNS,
        ),
    )
    yield (
        "ddl-guard",
        SideQuestion(database, "DDL guard", effects.DDL_GUARD, "a role that may make event triggers", severity=WARNS),
    )


def _others(database: Database) -> Iterator[Named]:
    yield (
        "slots",
        SideQuestion(
            database,
            "slots of others, which do not follow the switch",
            activity.SLOTS,
            "no reader but ours",
            "move its reader to the other side; if nobody reads it: SELECT pg_drop_replication_slot({});",
            WARNS,
        ),
    )
    yield (
        "publications",
        SideQuestion(
            database,
            "publications of others, whose readers stay with this side",
            activity.PUBLICATIONS,
            "no reader but ours",
            "let its readers subscribe the other side after the switch",
            WARNS,
        ),
    )
    subscriptions = SideQuestion(
        database,
        "rows that come from elsewhere",
        activity.SUBSCRIPTIONS,
        "rows written here, and nothing that other servers send",
    )
    yield "subscriptions", subscriptions


def _activity(database: Database, longest: float) -> Iterator[Named]:
    yield (
        "prepared",
        SideQuestion(database, "prepared transactions", activity.PREPARED, "none: their locks cannot be taken away"),
    )
    yield (
        "transactions",
        SideQuestion(
            database,
            "transactions that stay open",
            activity.transactions(longest),
            f"none that has written is older than {longest:g} s",
            "SELECT pg_terminate_backend({});",
            WARNS,
        ),
    )
    yield (
        "maintenance",
        SideQuestion(
            database,
            "maintenance that holds locks",
            activity.MAINTENANCE,
            "none while the fence is put on and taken",
            "let it end, or: SELECT pg_cancel_backend({});",
            WARNS,
            ((130000, activity.MAINTENANCE_13),),
        ),
    )
    yield (
        "jobs",
        Jobs(database, "jobs and background writers", JOBS, "none during the cutover", severity=WARNS),
    )


def _rights(database: Database) -> Iterator[Named]:
    yield (
        "privileges",
        SideQuestion(database, "privileges", roles.PRIVILEGES, "a superuser; on RDS and Aurora its stand-ins"),
    )
    yield (
        "fence-privileges",
        SideQuestion(
            database,
            "privileges for the fence",
            roles.FENCE,
            "triggers on every table, the database's settings, and other sessions sent away",
            newer=((150000, roles.FENCE_15),),
        ),
    )
    yield "replica-roles", SideQuestion(database, "sessions that no fence stops", REPLICA, "none")


def _of_blue(blue: Database) -> list[Named]:
    def ask(title: str, sql: str, wanted: str, severity: Severity, mend: str = "{}") -> SideQuestion:
        return SideQuestion(blue, title, sql, wanted, mend, severity)

    carried = "logged tables and nothing else"
    cast = "the fence on every table that is written"
    return [
        (
            "not-carried-blue",
            ask("not carried by logical replication", tables.NOT_CARRIED, carried, Severity.REFUSES),
        ),
        (
            "views-blue",
            ask("materialized views", tables.VIEWS, "refreshed on green: the plan does it before the window", INFORMS),
        ),
        ("rules-blue", ask("rules, which turn a write elsewhere", effects.RULES, cast, WARNS, "write it as a trigger")),
        ("clients-blue", ask("clients that the switch sends away", activity.CLIENTS, "all of them known", INFORMS)),
    ]


def _of_green(green: Database) -> list[Named]:
    by_hand = (
        "if they surely are only an old copy, empty the tables (SET session_replication_role = replica; TRUNCATE {})"
    )
    return [
        (
            "empty-green",
            SideQuestion(
                green, "rows that no copy of ours has brought", FILLED_BY_OTHERS, "tables without rows", by_hand
            ),
        ),
        (
            "statistics-green",
            SideQuestion(
                green,
                "tables without statistics",
                tables.STATISTICS,
                "every table analysed: the plan does it before the window",
                severity=WARNS,
            ),
        ),
        (
            "cache-green",
            SideQuestion(
                green,
                "cache",
                tables.CACHE,
                "warm tables: a cold side is slow for its first minutes",
                severity=INFORMS,
            ),
        ),
    ]
