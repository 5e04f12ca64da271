"""What writes or changes one side by itself: jobs of extensions, background workers, and sessions of schedulers.

They know nothing of a fence and go on where they are: refused on the fenced side, and after the switch perhaps done twice.
"""

from dataclasses import dataclass

from cutover.core.gate import Finding
from cutover.postgres.preflight.question import SideQuestion, Visit, told

JOBS = """SELECT format('extension %s', extname), 'stop its jobs on this side for the cutover, and start them on the other'
  FROM pg_extension WHERE extname IN ('pg_cron', 'pg_partman', 'pgagent', 'pg_timetable', 'timescaledb', 'pgq', 'pg_background')
UNION ALL SELECT format('background worker %s, pid %s', backend_type, pid), 'stop its jobs on this side for the cutover'
  FROM pg_stat_activity WHERE datname = current_database() AND backend_type NOT IN ('client backend', 'parallel worker',
   'autovacuum worker', 'walsender') AND backend_type NOT LIKE 'logical replication%'
UNION ALL SELECT format('%s sessions of %s (%s)', count(*), application_name, usename),
       'stop it on this side for the cutover, or give it the address that follows the switch'
  FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
   AND application_name ~* '(cron|schedul|agent|partman|timetable|airflow|debezium|fivetran|airbyte|stitch|dms|etl)'
 GROUP BY application_name, usename"""

# Tables that may not be there, in the schemas that their extensions were given.
TABLES = """SELECT coalesce(to_regclass('cron.job')::text, '') AS cron, coalesce((SELECT format('%I.%I', n.nspname, c.relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = 'part_config' AND c.relkind = 'r'
     AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'automatic_maintenance') LIMIT 1), '') AS partman"""
CRON = """SELECT format('pg_cron job %s (%s): %s', jobid, schedule, command), format('SELECT cron.alter_job(%s, active := false);', jobid)
  FROM cron.job WHERE active AND database = current_database() ORDER BY jobid"""
PARTMAN = """SELECT format('pg_partman makes partitions of %s by itself, which nobody publishes or fences', parent_table),
       format('UPDATE {table} SET automatic_maintenance = ''off'' WHERE parent_table = %L;', parent_table)
  FROM {table} WHERE automatic_maintenance = 'on' ORDER BY parent_table"""


@dataclass(frozen=True)
class Jobs(SideQuestion):
    """A job that goes on by itself writes on a side that nobody watches it on, or makes tables that nobody follows."""

    def answer(self, visit: Visit) -> Finding:
        ((cron, partman),) = visit.rows(self.database, TABLES)
        asked = [self.sql, *([CRON] if cron else []), *([PARTMAN.format(table=partman)] if partman else [])]
        found = [self._remark(*row) for sql in asked for row in visit.rows(self.database, sql)]
        return told(self.title, self.wanted, found)

    def _psql(self) -> str:
        return f"""{TABLES} \\gset
SELECT :'cron' <> '' AS has_cron, :'partman' <> '' AS has_partman \\gset
\\if :has_cron
{CRON};
\\endif
\\if :has_partman
{PARTMAN.format(table=":partman")};
\\endif
{self.sql}"""
