"""Figures that every PostgreSQL server has (PostgreSQL documentation, The Cumulative Statistics System)."""

from cutover.core.preset import Preset

# Counters of the server's whole life are no rates: what they tell is told by their growth over the samples that are kept.
POSTGRES: dict[str, Preset] = {
    "connections": Preset(
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'", "count", "clients connected"
    ),
    "connections-used": Preset(
        "SELECT 100.0 * count(*) / current_setting('max_connections')::int FROM pg_stat_activity"
        " WHERE backend_type = 'client backend'",
        "%",
        "connections in percent of max_connections",
    ),
    "waiting": Preset(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
        "count",
        "sessions that wait for a lock",
    ),
    "longest-transaction": Preset(
        "SELECT coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        "s",
        "age of the oldest transaction of a client",
    ),
    "replication-lag": Preset(
        # A slot whose worker is away has no lag of its own in pg_stat_replication, where it would look like none at all.
        "SELECT coalesce(max(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), coalesce(r.replay_lsn, s.restart_lsn))), 0)"
        " FROM pg_replication_slots s LEFT JOIN pg_stat_replication r ON r.pid = s.active_pid"
        " WHERE s.slot_type = 'logical' AND s.database = current_database()",
        "bytes",
        "WAL that whoever follows by the slowest logical slot has still to apply; 0 without a slot",
    ),
    "cache-hit-rate": Preset(
        "SELECT 100.0 * blks_hit / nullif(blks_hit + blks_read, 0) FROM pg_stat_database WHERE datname = current_database()",
        "%",
        "blocks found in shared buffers, since the statistics began",
    ),
    "deadlocks": Preset(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
        "count",
        "deadlocks since the statistics began",
    ),
    "transactions": Preset(
        "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()",
        "count",
        "transactions since the statistics began",
    ),
    "rollbacks": Preset(
        "SELECT 100.0 * xact_rollback / nullif(xact_commit + xact_rollback, 0) FROM pg_stat_database"
        " WHERE datname = current_database()",
        "%",
        "transactions that were rolled back, since the statistics began",
    ),
    "size": Preset("SELECT pg_database_size(current_database())", "bytes", "bytes of the database on disk"),
}
