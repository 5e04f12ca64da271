"""What the tables of one side are like: identity, keys, what is never carried, sequences, row-level security, statistics."""

from cutover.postgres.preflight.question import APP_SCHEMA
from cutover.postgres.sides import APP_TABLES

# A published table without identity refuses UPDATE and DELETE (55000); a DEFERRABLE key does not count.
IDENTITY = f"""SELECT t.name, format('ALTER TABLE %s REPLICA IDENTITY %s;', t.name, coalesce('USING INDEX ' || (
    SELECT quote_ident(c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     WHERE i.indrelid = t.oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
       AND i.indexprs IS NULL AND NOT EXISTS (SELECT FROM pg_attribute a
             WHERE a.attrelid = t.oid AND a.attnum = ANY (i.indkey) AND NOT a.attnotnull)
     ORDER BY i.indisprimary DESC, i.indnatts, c.relname LIMIT 1), 'FULL'))
  FROM {APP_TABLES} t
 WHERE t.relkind = 'r' AND t.relreplident <> 'f' AND NOT EXISTS (
   SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisvalid AND i.indimmediate
      AND CASE t.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END)
 ORDER BY 1"""

# Without a key the other side compares whole rows: slow (15 scans the table for each), and impossible for some types.
KEYLESS = f"""SELECT format('%s: %s updates and deletes so far%s', name, churn, ', and no equality for ' || odd),
    CASE WHEN odd IS NULL THEN format('ALTER TABLE %s ADD PRIMARY KEY (...);', name)
         ELSE format('ALTER TABLE %s ADD PRIMARY KEY (...);  -- an apply worker stops at the first change of a row', name)
     END, CASE WHEN odd IS NOT NULL AND churn > 0 THEN 'refuses' WHEN odd IS NOT NULL OR churn > 0 THEN 'warns'
               ELSE 'informs' END
  FROM (SELECT t.name, coalesce(s.n_tup_upd + s.n_tup_del, 0) AS churn,
               (SELECT string_agg(format('%I (%s)', a.attname, format_type(a.atttypid, NULL)), ', ')
                  FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
                   AND a.atttypid IN ('json'::regtype, 'xml'::regtype, 'point'::regtype)) AS odd
          FROM {APP_TABLES} t LEFT JOIN pg_stat_user_tables s ON s.relid = t.oid
         WHERE t.relkind = 'r' AND t.relreplident = 'f'
           AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisprimary)) x ORDER BY churn DESC, name"""

NOT_CARRIED = f"""SELECT format('%s %I.%I', CASE c.relkind WHEN 'f' THEN 'foreign table' ELSE 'unlogged table' END,
         n.nspname, c.relname),
       CASE c.relkind WHEN 'f' THEN format('make server and user mapping of %I.%I on green too', n.nspname, c.relname)
            ELSE format('ALTER TABLE %I.%I SET LOGGED;', n.nspname, c.relname) END,
       CASE c.relkind WHEN 'f' THEN 'warns' ELSE 'refuses' END
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE (c.relkind = 'f' OR (c.relkind = 'r' AND c.relpersistence = 'u')) AND {APP_SCHEMA}
UNION ALL SELECT format('%s large objects', count(*)),
       'turn them to bytea columns, or dump them inside a window of your own (pg_dump --large-objects)', 'refuses'
  FROM pg_largeobject_metadata HAVING count(*) > 0"""

VIEWS = f"""SELECT format('%I.%I', n.nspname, c.relname), format('REFRESH MATERIALIZED VIEW %I.%I;', n.nspname, c.relname)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'm' AND {APP_SCHEMA} ORDER BY 1"""

# A role that policies bind would copy and validate a part of the rows, and find both sides equal.
ROW_SECURITY = f"""SELECT t.name || ' has row-level security, and ' || current_user || ' is bound by it',
       format('ALTER ROLE %I BYPASSRLS;', current_user)
  FROM {APP_TABLES} t JOIN pg_class c ON c.oid = t.oid, pg_roles r
 WHERE c.relrowsecurity AND r.rolname = current_user AND NOT r.rolsuper AND NOT r.rolbypassrls
   AND (c.relowner <> r.oid OR c.relforcerowsecurity) ORDER BY 1"""

SEQUENCES = """SELECT name || ' ' || odd, mend, CASE odd WHEN 'may not be read' THEN 'refuses' ELSE 'warns' END FROM (
SELECT name, CASE WHEN NOT readable THEN 'may not be read' WHEN cycle THEN 'cycles'
                  ELSE format('is past 80 %% of its range (%s of %s)', last_value, edge) END AS odd,
       CASE WHEN NOT readable THEN format('GRANT SELECT ON SEQUENCE %s TO %I;', name, current_user)
            WHEN cycle THEN 'values come again: check that nothing takes them for keys'
            ELSE format('ALTER SEQUENCE %s AS bigint;  -- and widen the column that it feeds', name) END AS mend
  FROM (SELECT *, format('%I.%I', schemaname, sequencename) AS name,
               CASE WHEN increment_by > 0 THEN max_value ELSE min_value END AS edge,
               has_sequence_privilege(format('%I.%I', schemaname, sequencename), 'SELECT') AS readable
          FROM pg_sequences) s
 WHERE cycle OR NOT readable OR abs(last_value::numeric - start_value) > 0.8 * abs(edge::numeric - start_value)) x
 ORDER BY 1"""

# Rows that no statistics know are found by scanning: a switch to such a side is slow for its first minutes.
STATISTICS = f"""SELECT format('%s (about %s rows) was never analysed', t.name, s.n_live_tup), format('ANALYZE %s;', t.name)
  FROM {APP_TABLES} t JOIN pg_stat_user_tables s ON s.relid = t.oid
 WHERE t.relkind = 'r' AND s.n_live_tup > 0 AND s.last_analyze IS NULL AND s.last_autoanalyze IS NULL
 ORDER BY s.n_live_tup DESC, 1"""

CACHE = f"""SELECT format('%s MB of shared_buffers; since %s %s blocks came from the cache and %s from the disk or its cache',
         setting::bigint * 8 / 1024, coalesce(to_char(stats_reset, 'YYYY-MM-DD HH24:MI'), 'the start'), blks_hit, blks_read), coalesce('CREATE EXTENSION IF NOT EXISTS pg_prewarm; ' || (SELECT string_agg(
         format('SELECT pg_prewarm(%L);', name), ' ') FROM (SELECT format('%I.%I', n.nspname, c.relname) AS name
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE c.relkind IN ('r', 'm') AND c.relpages > 0 AND {APP_SCHEMA} ORDER BY c.relpages DESC LIMIT 5) largest), '')
  FROM pg_settings, pg_stat_database WHERE name = 'shared_buffers' AND datname = current_database()"""

COLLATIONS = """SELECT format('collation %s was made with version %s, the library now has %s', collname, collversion,
         coalesce(pg_collation_actual_version(c.oid), 'none')),
       format('REINDEX what uses it, then ALTER COLLATION %I.%I REFRESH VERSION;', n.nspname, collname)
  FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
 WHERE collversion IS NOT NULL AND collversion IS DISTINCT FROM pg_collation_actual_version(c.oid)
   AND EXISTS (SELECT FROM pg_attribute a WHERE a.attcollation = c.oid AND a.attrelid >= 16384)"""
COLLATIONS_15 = f"""{COLLATIONS}
UNION ALL SELECT format('the default collation of database %s was made with version %s, the library now has %s', datname,
         coalesce(datcollversion, 'none'), coalesce(pg_database_collation_actual_version(oid), 'none')),
       format('REINDEX DATABASE %I; ALTER DATABASE %I REFRESH COLLATION VERSION;', datname, datname)
  FROM pg_database
 WHERE datname = current_database() AND datcollversion IS DISTINCT FROM pg_database_collation_actual_version(oid)"""
