"""What goes on in one side: transactions, maintenance, jobs and clients, and streams that belong to others."""

OLD = 5  # seconds from which a transaction is worth a word

# Their locks cannot be taken away by the reaper, and COMMIT PREPARED passes a read-only default.
PREPARED = """SELECT format('prepared transaction %s of %s in %s, %s s old', gid, owner, database,
         extract(epoch FROM now() - prepared)::int), format('ROLLBACK PREPARED %L;', gid) FROM pg_prepared_xacts"""


def transactions(limit: float) -> str:
    """Transactions older than 5 s, refused past `limit` seconds: making a slot waits for every one that has written."""
    return f"""SELECT format('pid %s (%s, %s, database %s) %s for %s s%s', pid, coalesce(usename, '?'),
         coalesce(nullif(application_name, ''), 'no application name'), datname,
         CASE WHEN state LIKE 'idle in transaction%' THEN 'idle in transaction' ELSE 'in a transaction' END, age,
         CASE WHEN backend_xid IS NOT NULL THEN ', has written' END), pid,
       CASE WHEN age > {limit:g} AND backend_xid IS NOT NULL THEN 'refuses' ELSE 'warns' END
  FROM (SELECT *, extract(epoch FROM clock_timestamp() - xact_start)::int AS age FROM pg_stat_activity) a
 WHERE xact_start < clock_timestamp() - interval '{OLD} s' AND pid <> pg_backend_pid() AND application_name !~ '^cutover'
   AND backend_type NOT IN ('autovacuum worker', 'walsender') AND backend_type NOT LIKE 'logical replication%'
   AND (backend_xid IS NOT NULL OR state LIKE 'idle in transaction%') ORDER BY xact_start"""


_BUILDING = """SELECT format('%s on %s, pid %s, %s', command, relid::regclass, pid, phase), pid
  FROM pg_stat_progress_create_index WHERE datname = current_database()
UNION ALL SELECT format('%s of %s, pid %s, %s', command, relid::regclass, pid, phase), pid
  FROM pg_stat_progress_cluster WHERE datname = current_database()
UNION ALL SELECT format('VACUUM of %s, pid %s, %s', relid::regclass, pid, phase), pid
  FROM pg_stat_progress_vacuum WHERE datname = current_database()"""
# Its locks conflict with the fence's: an autovacuum worker alone costs a second (deadlock_timeout) where none ends it.
MAINTENANCE = _BUILDING
MAINTENANCE_13 = f"""{_BUILDING}
UNION ALL SELECT format('ANALYZE of %s, pid %s, %s', relid::regclass, pid, phase), pid
  FROM pg_stat_progress_analyze WHERE datname = current_database()"""

CLIENTS = """SELECT format('%s × %s from %s (%s)', count(*), usename, coalesce(host(client_addr), 'the server itself'),
         coalesce(nullif(application_name, ''), 'no application name'))
  FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = current_database()
   AND pid <> pg_backend_pid() AND application_name !~ '^cutover'
 GROUP BY usename, client_addr, application_name ORDER BY count(*) DESC"""

SLOTS = """SELECT format('slot %s (%s%s%s)', slot_name, coalesce(plugin, slot_type), CASE WHEN NOT active THEN ', nobody reads it' END,
         ', keeps ' || pg_size_pretty(pg_current_wal_insert_lsn() - restart_lsn)), quote_literal(slot_name)
  FROM pg_replication_slots WHERE slot_name !~ '^(cut_|pg_)' AND NOT temporary ORDER BY 1"""

PUBLICATIONS = """SELECT format('publication %s%s%s', pubname, CASE WHEN puballtables THEN ' (all tables)' END,
         CASE WHEN EXISTS (SELECT FROM pg_publication_rel r, to_jsonb(r) j WHERE r.prpubid = p.oid
           AND coalesce(j ->> 'prqual', j ->> 'prattrs') IS NOT NULL) THEN ' (with row filters or lists of columns)' END)
  FROM pg_publication p WHERE pubname !~ '^cut_' ORDER BY 1"""

# `origin = none` sends no row on that came from elsewhere: such rows would be missing on the other side. And no fence
# stops an apply worker: what it brings after the switch stays on the side that serves no more.
SUBSCRIPTIONS = """SELECT format('subscription %s: its rows are not carried to the other side', subname),
       format('ALTER SUBSCRIPTION %I DISABLE; and let the other side subscribe itself', subname), 'refuses'
  FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid AND d.datname = current_database()
 WHERE subname !~ '^cut_' AND subenabled
UNION ALL SELECT format('replication origin %s: rows written under it are not carried to the other side', roname),
       'if it is a leftover: SELECT pg_replication_origin_drop(' || quote_literal(roname) || ');', 'warns'
  FROM pg_replication_origin WHERE roname !~ '^(pg_|cutover_repair$)'"""
