"""What a side does by itself: triggers and rules that fire for replicated rows, and triggers on DDL."""

from cutover.postgres.preflight.question import APP_SCHEMA

# They run in the apply worker too: their effect is there twice, and under a read-only default they stop the worker.
TRIGGERS = f"""SELECT format('%s trigger %s on %I.%I', CASE tgenabled WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END, tgname,
         n.nspname, c.relname), format('ALTER TABLE %I.%I ENABLE TRIGGER %I;', n.nspname, c.relname, tgname)
  FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE tgenabled IN ('R', 'A') AND NOT tgisinternal AND {APP_SCHEMA}
UNION ALL SELECT format('%s rule %s on %I.%I', CASE ev_enabled WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END, rulename,
         n.nspname, c.relname), format('ALTER TABLE %I.%I ENABLE RULE %I;', n.nspname, c.relname, rulename)
  FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE ev_enabled IN ('R', 'A') AND {APP_SCHEMA}"""

# A rule rewrites a statement before any trigger sees it, so the fence on the table that was named may never fire.
RULES = f"""SELECT format('rule %s on %I.%I', rulename, n.nspname, c.relname)
  FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE rulename <> '_RETURN' AND ev_enabled <> 'D' AND c.relkind IN ('r', 'p') AND {APP_SCHEMA}"""

EVENT_TRIGGERS = """SELECT format('event trigger %s (%s)', evtname, evtevent), format('ALTER EVENT TRIGGER %I DISABLE;', evtname)
  FROM pg_event_trigger e WHERE evtenabled <> 'D' AND evtname !~ '^(cut_|cutover)'
   AND NOT EXISTS (SELECT FROM pg_depend d
         WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid AND d.deptype = 'e') ORDER BY 1"""

# Rows cost it nothing. RDS lets whoever has rds_superuser make event triggers; untested there.
DDL_GUARD = """SELECT CASE WHEN may THEN 'event triggers will note DDL' ELSE
         format('polling alone will notice DDL: role %s may not make event triggers', current_user) END,
       CASE WHEN NOT may THEN CASE WHEN managed THEN format('GRANT rds_superuser TO %I;', current_user)
                                   ELSE 'connect as a superuser' END END,
       CASE WHEN may THEN 'informs' ELSE 'warns' END
  FROM (SELECT rolsuper OR coalesce(pg_has_role(current_user, managed, 'MEMBER'), false) AS may, managed IS NOT NULL AS managed
          FROM pg_roles r LEFT JOIN (SELECT oid AS managed FROM pg_roles WHERE rolname = 'rds_superuser') m ON true
         WHERE rolname = current_user) x"""
