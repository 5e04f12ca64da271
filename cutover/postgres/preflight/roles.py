"""What our own role may do on one side, and which roles the database needs."""

from cutover.postgres.preflight.question import APP_SCHEMA
from cutover.postgres.sides import APP_TABLES

# RDS and Aurora have no superuser for their users; what stands in for it there was never tried.
PRIVILEGES = """SELECT CASE WHEN managed THEN format('role %s is no member of %s', current_user, wanted)
            ELSE format('role %s is no superuser', current_user) END,
       CASE WHEN managed THEN format('GRANT %s TO %I;', wanted, current_user)
            ELSE 'connect as a superuser (managed services other than RDS and Aurora are untested)' END
  FROM (SELECT rolsuper, EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_superuser') AS managed
          FROM pg_roles WHERE rolname = current_user) r,
       (SELECT string_agg(rolname, ', ') AS wanted FROM pg_roles WHERE rolname IN ('rds_superuser', 'rds_replication')
         AND NOT pg_has_role(current_user, oid, 'MEMBER')) missing
 WHERE NOT rolsuper AND (NOT managed OR wanted IS NOT NULL)"""

_FENCE = f"""SELECT 'role ' || current_user || ' may not ' || what, mend, severity FROM (
SELECT 'put the fence on ' || t.name || ' (not its owner)' AS what,
       format('GRANT %I TO %I;', pg_get_userbyid(c.relowner), current_user) AS mend, 'refuses' AS severity
  FROM {APP_TABLES} t JOIN pg_class c ON c.oid = t.oid WHERE NOT pg_has_role(current_user, c.relowner, 'MEMBER')
UNION ALL SELECT format('ALTER DATABASE %I SET', datname),
       format('ALTER DATABASE %I OWNER TO %I;', datname, current_user), 'refuses' FROM pg_database
 WHERE datname = current_database() AND NOT pg_has_role(current_user, datdba, 'MEMBER')
UNION ALL SELECT format('make a schema in %I', current_database()),
       format('GRANT CREATE ON DATABASE %I TO %I;', current_database(), current_user), 'refuses'
 WHERE NOT has_database_privilege(current_database(), 'CREATE')
UNION ALL SELECT 'send other sessions away (pg_signal_backend)', format('GRANT pg_signal_backend TO %I;', current_user),
       'refuses' WHERE NOT pg_has_role(current_user, 'pg_signal_backend', 'MEMBER')
UNION ALL SELECT 'see what other sessions do (pg_monitor)', format('GRANT pg_monitor TO %I;', current_user),
       'warns' WHERE NOT pg_has_role(current_user, 'pg_monitor', 'MEMBER')
UNION ALL SELECT 'cancel autovacuum, which then holds up the fence for deadlock_timeout', (SELECT format('GRANT %I TO %I;',
         rolname, current_user) FROM pg_roles WHERE rolname = 'pg_signal_autovacuum_worker'), 'warns' WHERE NOT EXISTS (
       SELECT FROM pg_roles WHERE rolname = 'pg_signal_autovacuum_worker' AND pg_has_role(current_user, oid, 'MEMBER'))
UNION ALL {{deadlock_timeout}}) x
 WHERE NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)"""
# Nobody but a superuser may set it before 15; the reaper then has to be faster than the server's own second.
FENCE = _FENCE.format(deadlock_timeout="SELECT 'set deadlock_timeout', '', 'warns'")
FENCE_15 = _FENCE.format(
    deadlock_timeout="""SELECT 'set deadlock_timeout', format('GRANT SET ON PARAMETER deadlock_timeout TO %I;', current_user), 'warns'
 WHERE NOT has_parameter_privilege('deadlock_timeout', 'SET')"""
)

# Roles that this database knows: owners, grantees, and whoever is connected now.
_KNOWN = """(SELECT r.*, (SELECT count(*) FROM pg_shdepend d JOIN pg_database b ON b.oid = d.dbid
           WHERE b.datname = current_database() AND d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid
             AND d.deptype = 'o') AS owned,
         (SELECT count(*) FROM pg_shdepend d LEFT JOIN pg_database b ON b.oid = d.dbid
           WHERE (b.datname = current_database() OR d.dbid = 0) AND d.refclassid = 'pg_authid'::regclass
             AND d.refobjid = r.oid AND d.deptype = 'a') AS granted,
         (SELECT count(*) FROM pg_stat_activity a WHERE a.usesysid = r.oid AND a.datname = current_database()) AS connected
    FROM pg_roles r WHERE r.rolname !~ '^pg_')"""
_LINE = """format('role %I', rolname), concat_ws(' ', CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END,
         CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END,
         CASE WHEN rolcreaterole THEN 'CREATEROLE' END, CASE WHEN rolreplication THEN 'REPLICATION' END,
         CASE WHEN rolbypassrls THEN 'BYPASSRLS' END, CASE WHEN NOT rolinherit THEN 'NOINHERIT' END,
         CASE WHEN rolconnlimit >= 0 THEN 'CONNECTION LIMIT ' || rolconnlimit END,
         (SELECT 'IN ROLE ' || string_agg(quote_ident(g.rolname), ', ' ORDER BY g.rolname COLLATE "C")
            FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid)) AS definition"""
NEEDED = f"""SELECT name, definition, format('CREATE %s %s;  -- owns %s objects, has %s grants, %s sessions', name, definition,
         owned, granted, connected), format('ALTER %s %s;', name, split_part(definition, ' IN ROLE', 1)), NULL, NULL
  FROM (SELECT {_LINE}, owned, granted, connected FROM {_KNOWN} r WHERE owned + granted + connected > 0) x(name)"""
ROLES = f"SELECT {_LINE} FROM pg_roles r"

_OWNED = """SELECT 'relation' AS class, format('%I.%I', n.nspname, c.relname) AS name, c.relowner AS owner, c.relacl AS acl,
         CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char" AS kind,
         CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
              WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END AS word,
         CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS grant_word
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't' AND {schema}
  UNION ALL SELECT 'schema', format('%I', nspname), nspowner, nspacl, 'n', 'SCHEMA', 'SCHEMA' FROM pg_namespace n
   WHERE {schema}
  UNION ALL SELECT 'routine', format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
         p.proowner, p.proacl, 'f', 'ROUTINE', 'ROUTINE' FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
   WHERE {schema} AND NOT EXISTS (SELECT FROM pg_depend e
          WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')
  UNION ALL SELECT 'type', format('%I.%I', n.nspname, y.typname), y.typowner, y.typacl, 'T', 'TYPE', 'TYPE'
    FROM pg_type y JOIN pg_namespace n ON n.oid = y.typnamespace WHERE y.typtype IN ('e', 'd', 'r') AND {schema}""".replace(
    "{schema}", APP_SCHEMA
)

OWNERS = f"""SELECT class || ' ' || name, pg_get_userbyid(owner)::text, NULL,
       format('ALTER %s %s OWNER TO %I;', word, name, pg_get_userbyid(owner)), NULL, NULL FROM ({_OWNED}) o"""

# The owner's own privileges are left out: 17 adds MAINTAIN to them, and they are his without a grant.
GRANTS = f"""SELECT format('%s %s for %s', class, name, role), held, format('GRANT %s ON %s %s TO %s;', held, grant_word, name, role),
       format('GRANT %s ON %s %s TO %s;', held, grant_word, name, role),
       format('REVOKE %s ON %s %s FROM %s;', held, grant_word, name, role), CASE class WHEN 'relation' THEN name END
  FROM (SELECT class, name, grant_word, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS role,
               string_agg(privilege_type, ', ' ORDER BY privilege_type) AS held
          FROM ({_OWNED}) o, aclexplode(coalesce(acl, acldefault(kind, owner))) g
         WHERE g.grantee <> o.owner GROUP BY 1, 2, 3, 4) x
UNION ALL SELECT format('database for %s', role), held, format('GRANT %s ON DATABASE %I TO %s;', held, datname, role),
       format('GRANT %s ON DATABASE %I TO %s;', held, datname, role),
       format('REVOKE %s ON DATABASE %I FROM %s;', held, datname, role), NULL
  FROM (SELECT datname, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS role,
               string_agg(privilege_type, ', ' ORDER BY privilege_type) AS held
          FROM pg_database b, aclexplode(coalesce(datacl, acldefault('d', datdba))) g
         WHERE datname = current_database() AND g.grantee <> b.datdba GROUP BY 1, 2) x
UNION ALL SELECT format('column %s for %s', name, role), held, format('GRANT %s (%s) ON %s TO %s;', held, col, tbl, role),
       format('GRANT %s (%s) ON %s TO %s;', held, col, tbl, role), format('REVOKE %s (%s) ON %s FROM %s;', held, col, tbl, role), tbl
  FROM (SELECT format('%I.%I.%I', n.nspname, c.relname, a.attname) AS name, format('%I', a.attname) AS col,
               format('%I.%I', n.nspname, c.relname) AS tbl, string_agg(privilege_type, ', ' ORDER BY privilege_type) AS held,
               CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS role
          FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace,
               aclexplode(a.attacl) g
         WHERE a.attnum > 0 AND NOT a.attisdropped AND {APP_SCHEMA} GROUP BY 1, 2, 3, 5) x"""
