"""One line for each table: small enough to be asked again and again while a plan is under way."""

from dataclasses import dataclass

from cutover.core.errors import CutoverError
from cutover.core.gate import Check, Finding
from cutover.postgres.session import Database, ask_function
from cutover.postgres.sides import APP_TABLES

# The identity of partitions is left out: 17 and newer mark it on the leaves, 16 does not.
COLUMNS = f"""SELECT t.name, md5(string_agg(concat_ws('|', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
         a.attgenerated, CASE WHEN NOT t.relispartition THEN a.attidentity END), E'\\n' ORDER BY a.attname COLLATE "C"))
  FROM {APP_TABLES} t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
 GROUP BY t.name ORDER BY t.name COLLATE "C\""""


@dataclass(frozen=True)
class SameSchema(Check):
    """Logical replication carries no DDL: green needs every table and column of blue before rows can arrive."""

    blue: Database
    green: Database

    def look(self) -> Finding:
        try:
            with self.blue.open("preflight") as b, self.green.open("preflight") as g:
                ours, theirs = dict(b.rows(COLUMNS)), dict(g.rows(COLUMNS))
        except CutoverError as error:
            return Finding.blind(error.message)
        odd = [f"{name} only on blue" for name in sorted(set(ours) - set(theirs))]
        odd += [f"{name} only on green" for name in sorted(set(theirs) - set(ours))]
        odd += [f"{name} has other columns" for name in sorted(set(ours) & set(theirs)) if ours[name] != theirs[name]]
        if not ours:
            return Finding.failed("blue has no tables", "is this the right database?")
        if odd:
            return Finding.failed("; ".join(odd[:8]), "bring green's schema up to blue's first (pg_dump --schema-only)")
        return Finding.passed(f"{len(ours)} tables with the same columns")

    def shell(self) -> str:
        # What is printed differs: < is blue, > is green.
        return f"""({ask_function("columns", COLUMNS)}
blue=$(columns "${self.blue.variable}") && green=$(columns "${self.green.variable}") &&
diff <(echo "$blue") <(echo "$green"))"""
