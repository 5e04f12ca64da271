"""The lesser objects of a schema, as lines like those of `objects`: what queries use by name, and what only makes them slower.

Catalog columns that not every major has are read by way of `to_jsonb`, which answers NULL where there is none.
"""

from cutover.postgres.preflight.objects import TABLE_LIST, not_of_extension
from cutover.postgres.preflight.question import APP_SCHEMA

STATISTICS = f"""SELECT name, definition, definition || ';', format('DROP STATISTICS %s; %s;', name, definition),
       format('DROP STATISTICS %s;', name), tbl
  FROM (SELECT format('%I.%I', n.nspname, s.stxname) AS name, pg_get_statisticsobjdef(s.oid) AS definition,
               t.name AS tbl FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
          JOIN {TABLE_LIST} t ON t.oid = s.stxrelid) x"""

# Only what is set: a line for every column would be most of the answer. The default target of statistics is -1 up to 16,
# and NULL in newer catalogs.
_STORED = (
    """CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END"""
)
STORAGE = f"""SELECT 'storage of ' || name, says, make, make, format('ALTER %s RESET (%s);', what, names), tbl
  FROM (SELECT format('%I.%I', n.nspname, c.relname) AS name, format('%I.%I', n.nspname, t.relname) AS tbl, says, names,
               format('%s %I.%I', CASE WHEN c.relkind IN ('i', 'I') THEN 'INDEX' ELSE 'TABLE' END, n.nspname, c.relname) AS what,
               format('ALTER %s %I.%I SET (%s);', CASE WHEN c.relkind IN ('i', 'I') THEN 'INDEX' ELSE 'TABLE' END,
                      n.nspname, c.relname, says) AS make
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_class o ON o.oid = c.reltoastrelid
          LEFT JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_class t ON t.oid = coalesce(i.indrelid, c.oid),
               LATERAL (SELECT string_agg(e, ', ' ORDER BY e COLLATE "C") AS says,
                               string_agg(split_part(e, '=', 1), ', ' ORDER BY e COLLATE "C") AS names
                          FROM (SELECT unnest(c.reloptions) UNION ALL SELECT 'toast.' || unnest(o.reloptions)) options(e)) r
         WHERE c.relkind IN ('r', 'm', 'i', 'I') AND c.relpersistence <> 't' AND {APP_SCHEMA} AND says IS NOT NULL) x
UNION ALL SELECT 'storage of ' || format('%s.%I', t.name, a.attname), concat_ws(', ',
         CASE WHEN a.attstorage <> y.typstorage THEN 'STORAGE ' || {_STORED} END, 'COMPRESSION ' || pressed,
         'STATISTICS ' || nullif(a.attstattarget, -1), array_to_string(a.attoptions, ', ')), make, make, NULL, t.name
  FROM {TABLE_LIST} t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type y ON y.oid = a.atttypid,
       LATERAL (SELECT CASE to_jsonb(a) ->> 'attcompression' WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END AS pressed) c,
       LATERAL (SELECT format('ALTER TABLE %s ALTER %I SET ', t.name, a.attname) AS sets) s,
       LATERAL (SELECT concat_ws(' ', sets || 'STORAGE ' || {_STORED} || ';', sets || 'COMPRESSION ' || pressed || ';',
                  sets || 'STATISTICS ' || coalesce(a.attstattarget, -1) || ';',
                  sets || '(' || array_to_string(a.attoptions, ', ') || ');') AS make) m
 WHERE t.relkind IN ('r', 'p') AND (a.attstorage <> y.typstorage OR pressed IS NOT NULL
    OR nullif(a.attstattarget, -1) IS NOT NULL OR a.attoptions IS NOT NULL)"""

COMMENTS = """SELECT name, description, say, say, format('COMMENT ON %s IS NULL;', name), NULL
  FROM (SELECT name, description, format('COMMENT ON %s IS %L;', name, description) AS say
          FROM (SELECT upper(CASE WHEN i.type LIKE '%column' THEN 'column' WHEN i.type LIKE '%constraint' THEN 'constraint'
                                  ELSE i.type END) || ' ' || i.identity AS name, d.description
                  FROM pg_description d, pg_identify_object(d.classoid, d.objoid, d.objsubid) i
                 WHERE d.objoid >= 16384 AND d.classoid NOT IN ('pg_extension'::regclass, 'pg_largeobject'::regclass)
                   AND coalesce(i.schema, '') <> 'cutover' AND i.identity !~ '(^| on )cutover\\.'
                   AND NOT EXISTS (SELECT FROM pg_depend e
                         WHERE e.classid = d.classoid AND e.objid = d.objoid AND e.deptype = 'e')) y) x"""

DEFAULT_PRIVILEGES = """SELECT format('%s of %s%s for %s', word, owner, inside, role), held,
       format('ALTER DEFAULT PRIVILEGES FOR ROLE %s%s GRANT %s ON %s TO %s;', owner, inside, held, word, role),
       format('ALTER DEFAULT PRIVILEGES FOR ROLE %s%s GRANT %s ON %s TO %s;', owner, inside, held, word, role),
       format('ALTER DEFAULT PRIVILEGES FOR ROLE %s%s REVOKE %s ON %s FROM %s;', owner, inside, held, word, role), NULL
  FROM (SELECT quote_ident(pg_get_userbyid(defaclrole)) AS owner, CASE WHEN n.nspname IS NULL THEN ''
                 ELSE format(' IN SCHEMA %I', n.nspname) END AS inside, CASE defaclobjtype WHEN 'r' THEN 'TABLES'
                 WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS'
                 ELSE defaclobjtype::text END AS word,
               CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END AS role,
               string_agg(g.privilege_type, ', ' ORDER BY g.privilege_type) AS held
          FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) g
         WHERE g.grantee <> d.defaclrole GROUP BY 1, 2, 3, 4) x"""

OPERATORS = f"""SELECT name, definition, NULL, NULL, format('DROP %s;', name), NULL FROM (
SELECT format('OPERATOR %I.%s (%s, %s)', n.nspname, o.oprname, CASE o.oprleft WHEN 0 THEN 'NONE' ELSE format_type(o.oprleft, NULL) END,
         CASE o.oprright WHEN 0 THEN 'NONE' ELSE format_type(o.oprright, NULL) END) AS name,
       concat_ws(' ', o.oprcode::regprocedure, o.oprrest::regproc, o.oprjoin::regproc, CASE WHEN o.oprcanmerge THEN 'MERGES' END,
         CASE WHEN o.oprcanhash THEN 'HASHES' END) AS definition
  FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE {APP_SCHEMA} AND {not_of_extension("pg_operator", "o.oid")}
UNION ALL SELECT format('OPERATOR CLASS %I.%I USING %I', n.nspname, c.opcname, m.amname), concat_ws(' ',
         CASE WHEN c.opcdefault THEN 'DEFAULT' END, 'FOR TYPE', format_type(c.opcintype, NULL),
         (SELECT string_agg(format('%s %s', p.amopstrategy, p.amopopr::regoperator), ', ' ORDER BY p.amopstrategy, p.amopopr::regoperator::text)
            FROM pg_amop p WHERE p.amopfamily = c.opcfamily),
         (SELECT string_agg(format('%s %s', f.amprocnum, f.amproc::regprocedure), ', ' ORDER BY f.amprocnum, f.amproc::regprocedure::text)
            FROM pg_amproc f WHERE f.amprocfamily = c.opcfamily))
  FROM pg_opclass c JOIN pg_namespace n ON n.oid = c.opcnamespace JOIN pg_am m ON m.oid = c.opcmethod
 WHERE {APP_SCHEMA} AND {not_of_extension("pg_opclass", "c.oid")}) x"""

CASTS = f"""SELECT 'cast ' || types, how, format('CREATE CAST (%s) %s;', types, how),
       format('DROP CAST (%s); CREATE CAST (%s) %s;', types, types, how), format('DROP CAST (%s);', types), NULL
  FROM (SELECT format('%s AS %s', format_type(c.castsource, NULL), format_type(c.casttarget, NULL)) AS types,
               concat_ws(' ', CASE c.castmethod WHEN 'i' THEN 'WITH INOUT' WHEN 'b' THEN 'WITHOUT FUNCTION'
                                ELSE 'WITH FUNCTION ' || c.castfunc::regprocedure END,
                         CASE c.castcontext WHEN 'a' THEN 'AS ASSIGNMENT' WHEN 'i' THEN 'AS IMPLICIT' END) AS how
          FROM pg_cast c WHERE c.oid >= 16384 AND {not_of_extension("pg_cast", "c.oid")}) x"""

# The locale is `colllocale` from 17 on, `colliculocale` in 15 and 16, and before that `collcollate` like every other.
COLLATIONS = f"""SELECT name, definition, format('CREATE COLLATION %s (%s);', name, definition), NULL, format('DROP COLLATION %s;', name), NULL
  FROM (SELECT format('%I.%I', n.nspname, c.collname) AS name, concat_ws(', ', 'PROVIDER = ' || CASE c.collprovider
                 WHEN 'i' THEN 'icu' WHEN 'c' THEN 'libc' WHEN 'b' THEN 'builtin' ELSE c.collprovider::text END,
               format('LOCALE = %L', coalesce(j ->> 'colllocale', j ->> 'colliculocale', j ->> 'collcollate')),
               CASE WHEN NOT c.collisdeterministic THEN 'DETERMINISTIC = false' END,
               'RULES = ' || quote_literal(j ->> 'collicurules')) AS definition
          FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace, to_jsonb(c) j
         WHERE {APP_SCHEMA} AND {not_of_extension("pg_collation", "c.oid")}) x"""
# The order in which texts are sorted is the library's: it may differ between two servers of one version.
COLLATION_VERSIONS = """SELECT DISTINCT format('%I.%I', n.nspname, c.collname), coalesce(pg_collation_actual_version(c.oid), 'none')
  FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
 WHERE EXISTS (SELECT FROM pg_attribute a WHERE a.attcollation = c.oid AND a.attrelid >= 16384) AND c.collname <> 'default'"""

TEXT_SEARCH = f"""SELECT 'text search configuration ' || format('%I.%I', n.nspname, c.cfgname), concat_ws(' ', 'PARSER', p.prsname, (
         SELECT string_agg(format('%s:%s', maptokentype, d.dictname), ', ' ORDER BY maptokentype, mapseqno)
           FROM pg_ts_config_map g JOIN pg_ts_dict d ON d.oid = g.mapdict WHERE g.mapcfg = c.oid)),
       NULL, NULL, format('DROP TEXT SEARCH CONFIGURATION %I.%I;', n.nspname, c.cfgname), NULL
  FROM pg_ts_config c JOIN pg_namespace n ON n.oid = c.cfgnamespace JOIN pg_ts_parser p ON p.oid = c.cfgparser
 WHERE {APP_SCHEMA} AND {not_of_extension("pg_ts_config", "c.oid")}
UNION ALL SELECT 'text search dictionary ' || format('%I.%I', n.nspname, d.dictname), concat_ws(' ', t.tmplname, d.dictinitoption),
       format('CREATE TEXT SEARCH DICTIONARY %I.%I (%s);', n.nspname, d.dictname, concat_ws(', ', 'TEMPLATE = ' || t.tmplname, d.dictinitoption)),
       NULL, format('DROP TEXT SEARCH DICTIONARY %I.%I;', n.nspname, d.dictname), NULL
  FROM pg_ts_dict d JOIN pg_namespace n ON n.oid = d.dictnamespace JOIN pg_ts_template t ON t.oid = d.dicttemplate
 WHERE {APP_SCHEMA} AND {not_of_extension("pg_ts_dict", "d.oid")}"""

# The names of options only: their values are passwords and addresses.
_OPTIONS = """(SELECT string_agg(split_part(o, '=', 1), ', ' ORDER BY o COLLATE "C") FROM unnest({options}) o)"""
FOREIGN = f"""SELECT name, definition, format('CREATE %s %s;  -- with the values that this side wants', name, definition), NULL, format('DROP %s;', name), NULL
  FROM (SELECT format('SERVER %I', s.srvname) AS name, concat_ws(' ', 'TYPE ' || quote_literal(s.srvtype), format('FOREIGN DATA WRAPPER %I', w.fdwname),
               'OPTIONS (' || {_OPTIONS.format(options="s.srvoptions")} || ')') AS definition
          FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw WHERE {not_of_extension("pg_foreign_server", "s.oid")}
        UNION ALL SELECT format('USER MAPPING FOR %s SERVER %I', CASE umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(usename) END, srvname),
               'OPTIONS (' || coalesce({_OPTIONS.format(options="umoptions")}, '') || ')' FROM pg_user_mappings) x"""

EVENT_TRIGGERS = f"""SELECT name, definition, make, format('DROP EVENT TRIGGER %s; %s', name, make), format('DROP EVENT TRIGGER %s;', name), NULL
  FROM (SELECT *, format('CREATE EVENT TRIGGER %s %s;', name, split_part(definition, ', ', 1)) AS make
          FROM (SELECT format('%I', v.evtname) AS name, concat_ws(' ', 'ON', v.evtevent, 'WHEN TAG IN (' || (
                  SELECT string_agg(quote_literal(t), ',' ORDER BY t) FROM unnest(v.evttags) t) || ')',
                  'EXECUTE FUNCTION ' || v.evtfoid::regproc || '()') || CASE v.evtenabled WHEN 'O' THEN '' WHEN 'D' THEN ', disabled'
                  WHEN 'A' THEN ', always' ELSE ', replica' END AS definition
          FROM pg_event_trigger v WHERE v.evtname !~ '^cutover_' AND {not_of_extension("pg_event_trigger", "v.oid")}) y) x"""
