"""Which entries of a dump belong to what: its list names objects by their numbers on the side that was dumped."""

import re
from collections.abc import Iterable, Mapping

from cutover.postgres.ddl_guard import OUR_TRIGGERS
from cutover.postgres.session import Session
from cutover.postgres.sides import FENCE

TIMEOUT = 120.0

# What comes after the rows, by catalog, number there, and the name that is the same on both sides.
LATER = """SELECT x.class::oid, x.oid, o.identity FROM (
    SELECT 'pg_constraint'::regclass AS class, oid FROM pg_constraint WHERE conrelid <> 0 OR contypid <> 0
    UNION ALL SELECT 'pg_class'::regclass, indexrelid FROM pg_index
    UNION ALL SELECT 'pg_trigger'::regclass, oid FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'pg_rewrite'::regclass, oid FROM pg_rewrite
    UNION ALL SELECT 'pg_policy'::regclass, oid FROM pg_policy
    UNION ALL SELECT 'pg_statistic_ext'::regclass, oid FROM pg_statistic_ext
    UNION ALL SELECT 'pg_event_trigger'::regclass, oid FROM pg_event_trigger) x, pg_identify_object(x.class, x.oid, 0) o
 WHERE x.oid >= 16384"""
# Our own fence comes with the kit, enabled; blue's is a disabled one, and its function is not in the dump. The same of the
# event triggers that note DDL.
OURS = f"""SELECT 'pg_trigger'::regclass::oid, oid FROM pg_trigger WHERE tgname = '{FENCE}'
UNION ALL SELECT 'pg_event_trigger'::regclass::oid, oid FROM pg_event_trigger WHERE {OUR_TRIGGERS}"""
# What UPDATE and DELETE find their row by: the primary key, or the index that was made the replica identity.
KEYS = """SELECT 'pg_constraint'::regclass::oid, c.oid FROM pg_constraint c LEFT JOIN pg_index i ON i.indexrelid = c.conindid
 WHERE c.contype = 'p' OR (c.contype = 'u' AND i.indisreplident)
UNION ALL SELECT 'pg_class'::regclass::oid, indexrelid FROM pg_index WHERE indisreplident"""

Entry = tuple[int, int]


def entries(listed: str) -> Mapping[str, Entry]:
    """The lines of `pg_restore --list`, each with the catalog and the number that its object has on the dumped side."""
    found: dict[str, Entry] = {}
    for line in listed.splitlines():
        if match := re.match(r"\d+; (\d+) (\d+) ", line):
            found[line] = (int(match[1]), int(match[2]))
    return found


def missing(listed: str, source: Session, target: Session) -> list[str]:
    """The lines whose objects the target lacks; lines that name no object of their own may be run again and again."""
    there = {(klass, identity) for klass, _, identity in target.rows(LATER, timeout=TIMEOUT)}
    skipped = {(int(c), int(o)) for c, o, identity in source.rows(LATER, timeout=TIMEOUT) if (c, identity) in there}
    skipped |= _pairs(source.rows(OURS))
    return [line for line, entry in entries(listed).items() if entry not in skipped]


def keys(lines: Iterable[str], source: Session) -> list[str]:
    """Those of the lines that make replica identities."""
    wanted = _pairs(source.rows(KEYS, timeout=TIMEOUT))
    return [line for line, entry in entries("\n".join(lines)).items() if entry in wanted]


def _pairs(rows: Iterable[tuple[object, ...]]) -> set[Entry]:
    return {(int(str(klass)), int(str(oid))) for klass, oid in rows}
