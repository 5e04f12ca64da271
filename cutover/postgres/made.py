"""What the copy of the schema has made on green: noted before it begins, so that it can be taken away again.

The note is the comment of a schema of its own: it outlives the fence kit, which is taken off first on the way back.
"""

from cutover.postgres.emptying import FILLED
from cutover.postgres.sides import APP_TABLES

NOTE = "cutover_schema"
BEGUN, TABLES, COMPLETE = "begun", "tables", "complete"

_COMMENT = f"obj_description(to_regnamespace('{NOTE}'), 'pg_namespace')::jsonb"
NOTED = f"SELECT {_COMMENT} ->> 'state'"

# How far green's schema has come; tables without a note were there before us, and are what `schema: present` means.
TABLES_WORD = f"""SELECT CASE WHEN note = '{BEGUN}' THEN '{BEGUN}' WHEN note IS NOT NULL OR filled THEN 'present' ELSE 'absent' END
  FROM ({NOTED}) x(note), (SELECT EXISTS (SELECT FROM {APP_TABLES} t)) y(filled)"""
COMPLETE_WORD = f"SELECT coalesce(({NOTED}), '{COMPLETE}')"

# Everything of the database that initdb, extensions and other objects have not made, what others lean on last. pg_identify_object
# writes each one's kind and name as DROP wants them. Rank 3 are tables: owned sequences and row types go with them.
_OBJECTS = f"""(SELECT CASE o.type WHEN 'foreign-data wrapper' THEN 'foreign data wrapper' ELSE o.type END AS kind,
         o.identity, x.rank, x.oid FROM (
    SELECT 'pg_event_trigger'::regclass AS class, oid, 1 AS rank FROM pg_event_trigger
    UNION ALL SELECT 'pg_namespace'::regclass, oid, 2 FROM pg_namespace
     WHERE nspname NOT IN ('cutover', '{NOTE}') AND nspname !~ '^pg_'
    UNION ALL SELECT 'pg_class'::regclass, oid, CASE WHEN relkind IN ('r', 'p', 'f') THEN 3 ELSE 4 END FROM pg_class
     WHERE relnamespace = to_regnamespace('public') AND relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
    UNION ALL SELECT DISTINCT d.classid::regclass, d.objid, CASE WHEN d.classid = 'pg_type'::regclass THEN 5 ELSE 6 END
      FROM pg_depend d WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = to_regnamespace('public')
       AND d.classid = ANY ('{{pg_type,pg_proc,pg_operator,pg_opclass,pg_opfamily,pg_collation,pg_conversion,pg_ts_config,
                             pg_ts_dict,pg_ts_parser,pg_ts_template}}'::regclass[])
    UNION ALL SELECT 'pg_cast'::regclass, oid, 7 FROM pg_cast
    UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, 7 FROM pg_foreign_data_wrapper
    UNION ALL SELECT 'pg_language'::regclass, oid, 7 FROM pg_language
    UNION ALL SELECT 'pg_am'::regclass, oid, 7 FROM pg_am
    UNION ALL SELECT 'pg_extension'::regclass, oid, 8 FROM pg_extension) x, pg_identify_object(x.class, x.oid, 0) o
  WHERE x.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend e
         WHERE e.classid = x.class AND e.objid = x.oid AND e.objsubid = 0 AND e.deptype IN ('e', 'i')))"""

BEGIN = f"""DO $$
DECLARE
  kept jsonb := coalesce({_COMMENT} -> 'kept',
    (SELECT coalesce(jsonb_agg(kind || ' ' || identity ORDER BY rank, oid), '[]') FROM {_OBJECTS} o));
BEGIN
  IF ({NOTED}) IS NULL AND EXISTS (SELECT FROM {APP_TABLES} t) THEN
    RAISE EXCEPTION 'tables are there already that no copy of ours has made: nothing was changed' USING ERRCODE = '55000';
  END IF;
  IF to_regnamespace('{NOTE}') IS NULL THEN CREATE SCHEMA {NOTE}; END IF;
  EXECUTE format('COMMENT ON SCHEMA {NOTE} IS %L', jsonb_build_object('state', '{BEGUN}', 'kept', kept));
END $$"""

# What is dropped was made by us, and tables with rows are no mere schema: then nothing is touched.
MAY_DROP = f"""DO $$
DECLARE filled text := (SELECT string_agg(name, ', ') FROM (
{FILLED} LIMIT 5) found);
BEGIN
  IF ({NOTED}) IS NULL THEN
    RAISE EXCEPTION 'not dropped: no copy of ours has made this schema' USING ERRCODE = '55000';
  END IF;
  IF filled IS NOT NULL THEN
    RAISE EXCEPTION 'not dropped: tables hold rows: %', filled
      USING ERRCODE = '55000', HINT = 'if they surely are only a copy: empty them, then try again';
  END IF;
END $$"""
DROPS = f"""SELECT format('DROP %s IF EXISTS %s CASCADE', kind, identity) FROM {_OBJECTS} o
 WHERE NOT {_COMMENT} -> 'kept' ? (kind || ' ' || identity) ORDER BY rank, oid"""
FORGET = f"DROP SCHEMA IF EXISTS {NOTE} CASCADE"


def noted(state: str) -> str:
    """The statement that notes how far the copy of the schema has come, where there is a note."""
    return f"""DO $$ BEGIN IF to_regnamespace('{NOTE}') IS NOT NULL THEN
  EXECUTE format('COMMENT ON SCHEMA {NOTE} IS %L', {_COMMENT} || jsonb_build_object('state', '{state}')); END IF; END $$"""
