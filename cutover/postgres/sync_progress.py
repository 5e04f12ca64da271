"""How far PostgreSQL's own table sync has come, as a line for who waits; its sizes are those of the tables on both sides."""

from cutover.postgres.session import Database
from cutover.postgres.sides import APP_TABLES

SIZE = f"SELECT coalesce(sum(pg_table_size(t.oid)), 0)::bigint FROM {APP_TABLES} t WHERE t.relkind = 'r'"
TABLES = """SELECT count(*) FILTER (WHERE r.srsubstate = 'r'), count(*) FROM pg_subscription s
  JOIN pg_subscription_rel r ON r.srsubid = s.oid WHERE s.subname = %s"""
# 14+; older servers say nothing of a COPY that is under way.
UNDER_WAY = """SELECT coalesce(sum(tuples_processed), 0)::bigint, coalesce(string_agg(relid::regclass::text, ', ' ORDER BY relid), '')
  FROM pg_stat_progress_copy WHERE datname = current_database() AND relid <> 0"""
SECONDS = "SELECT extract(epoch FROM clock_timestamp() - at)::float8 FROM cutover.copied"
OLDEST = 140000


def sync_progress(source: Database, target: Database, subscription: str) -> str:
    """Tables that are ready, megabytes on the target of those on the source, rows under way and the time that is left, about."""
    with source.open("state") as ours, target.open("state") as theirs:
        ready, tables = theirs.rows(TABLES, [subscription])[0]
        if ready == tables:
            return ""
        total, there = int(ours.value(SIZE)), int(theirs.value(SIZE))
        told = f"{ready} of {tables} tables, {there / 1e6:.0f} of about {total / 1e6:.0f} MB"
        seconds = theirs.value(SECONDS)
        if seconds and 0 < there < total:
            told += f", about {seconds * (total - there) / there:.0f} s left"
        if int(theirs.value("SHOW server_version_num")) >= OLDEST:
            rows, names = theirs.rows(UNDER_WAY)[0]
            told += f", {rows} rows of {names} under way" if names else ""
        return told
