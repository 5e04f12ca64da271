"""How green comes to blue's schema and rows: the items that `database.schema` and `database.copy` ask for, in their order."""

from collections.abc import Sequence

from cutover.core.plan import Item
from cutover.environment import Database
from cutover.postgres.copied_subscription import CopiedSubscription
from cutover.postgres.pair import DatabasePair
from cutover.postgres.preflight import DatabaseCheck, preflight
from cutover.postgres.preflight.arriving import with_schema_copied
from cutover.postgres.replication import Subscription
from cutover.postgres.schema_note import SchemaKept
from cutover.postgres.schema_steps import SchemaCompleted, SchemaTables
from cutover.postgres.session import Database as Side


def database_checks(words: Database, pair: DatabasePair) -> Sequence[tuple[str, DatabaseCheck]]:
    """The preflight's questions to both sides of one database."""
    checks = preflight(pair.blue, pair.green, words.longest_transaction, words.wal_limit_bytes)
    return with_schema_copied(checks, pair.blue, pair.green) if _copied(words) else checks


def with_tables(words: Database, pair: DatabasePair) -> tuple[Side, ...]:
    """The sides whose tables can be asked before the plan has begun; a copied schema answers as blue's does."""
    return (pair.blue,) if _copied(words) else (pair.blue, pair.green)


def tables_made(words: Database, pair: DatabasePair) -> list[Item]:
    """Green's tables, before anything of ours stands on blue: from then on it is watched that both have the same."""
    if not _copied(words):
        return []
    # Rows that change while table sync copies are found by their keys; our own copy is followed only when it is complete.
    keys = words.first_copy.method == "table-sync"
    return [SchemaTables(name=pair.named("schema-tables"), source=pair.blue, target=pair.green, keys=keys)]


def rows_copied(words: Database, pair: DatabasePair) -> list[Item]:
    """Every row of blue on green and every change since, then what is built over rows that are there."""
    copy, timeout = words.first_copy, words.copy_timeout
    if copy.method == "parallel":
        return [
            CopiedSubscription(
                name=pair.named("green-follows-blue"),
                source=pair.blue,
                address=pair.from_blue,
                target=pair.green,
                before="absent",
                after="following",
                settle=timeout,
                expected=30.0,
                jobs=copy.jobs,
                above=copy.parallel_above,
                completes=_copied(words),
            )
        ]
    following = Subscription(
        name=pair.named("green-follows-blue"),
        source=pair.blue,
        address=pair.from_blue,
        target=pair.green,
        copy=True,
        empties=True,
        before="absent",
        after="following",
        settle=timeout,
        expected=30.0,
    )
    completed = SchemaCompleted(
        name=pair.named("schema-completed"), source=pair.blue, target=pair.green, jobs=copy.jobs, settle=timeout
    )
    return [following, completed] if _copied(words) else [following]


def schema_kept(words: Database, pair: DatabasePair) -> list[Item]:
    """For the end of the way back: green's schema stays."""
    return [SchemaKept(name=pair.named("schema-green-kept"), database=pair.green)] if _copied(words) else []


def _copied(words: Database) -> bool:
    return words.green_schema == "copied"
