"""What is asked otherwise when the plan itself makes green's schema: what will come is no refusal, what it needs is."""

from collections.abc import Sequence
from dataclasses import dataclass

from cutover.core.gate import Finding
from cutover.postgres.made import BEGUN, NOTED, TABLES, TABLES_WORD
from cutover.postgres.preflight.compare import SameOnBoth
from cutover.postgres.preflight.question import REFUSES, DatabaseCheck, Remark, Visit, told
from cutover.postgres.programs import ProgramFailed, programs_of
from cutover.postgres.session import Database
from cutover.postgres.sides import APP_TABLES

# Checks that compare what a dump brings along. Encoding, locale, settings and roles are in no dump of a database.
BROUGHT = {
    "schemas", "tables", "columns", "generated", "defaults", "partitions", "keys", "constraints", "indexes", "types", "views",
    "functions", "sequence-definitions", "trigger-definitions", "policies", "owners", "grants", "extensions",
    "statistics-objects", "storage", "comments", "default-privileges", "operators", "casts", "collation-definitions",
    "text-search", "foreign-servers", "event-trigger-definitions",
}  # fmt: skip
COMING = f"SELECT ({TABLES_WORD}) IN ('absent', '{BEGUN}') OR coalesce(({NOTED}) = '{TABLES}', false)"
HAS_TABLES = f"SELECT EXISTS (SELECT FROM {APP_TABLES} t)"

INSTALLED = """SELECT format('extension %I', extname), 'to be had', 'install the package with it on the server of green', NULL, NULL,
       NULL FROM pg_extension WHERE extname <> 'plpgsql'"""
AVAILABLE = "SELECT format('extension %I', name), 'to be had', NULL, NULL, NULL, NULL FROM pg_available_extensions"


def with_schema_copied(
    checks: Sequence[tuple[str, DatabaseCheck]], blue: Database, green: Database
) -> list[tuple[str, DatabaseCheck]]:
    """The checks of the two databases for a plan that copies the schema."""
    asked = [(name, Arriving(check, blue, green) if name in BROUGHT else check) for name, check in checks]
    needed = SameOnBoth(blue, green, "extensions to be had", INSTALLED, "", REFUSES, None, None, AVAILABLE)
    return [*asked, ("programs", Programs(blue, green)), ("extensions-available", needed)]


@dataclass(frozen=True)
class Arriving(DatabaseCheck):
    """What the copy of the schema is still to bring is not missing; once it is complete, the sides are compared as ever."""

    check: DatabaseCheck
    blue: Database
    green: Database

    @property
    def title(self) -> str:  # type: ignore[override]
        return self.check.title

    def answer(self, visit: Visit) -> Finding:
        if not visit.rows(self.green, COMING)[0][0] or not visit.rows(self.blue, HAS_TABLES)[0][0]:
            return self.check.answer(visit)
        return told(
            self.title, "the same on both sides", (), fine="come with the schema, which the plan copies from blue"
        )

    def shell(self) -> str:
        return f"""if [ "$({self.green.ask(COMING)}
)" = t ]; then echo 'come with the schema'; else
{self.check.shell()}
fi"""


@dataclass(frozen=True)
class Programs(DatabaseCheck):
    """Only pg_dump of the newer side knows both: an older one refuses the newer server, or writes what it does not read."""

    blue: Database
    green: Database
    title: str = "pg_dump and pg_restore"

    def answer(self, visit: Visit) -> Finding:
        major = max(visit.version(self.blue), visit.version(self.green)) // 10000
        wanted = f"pg_dump and pg_restore {major} where the tool runs"
        try:
            folder = programs_of(major)
        except ProgramFailed as error:
            return told(self.title, wanted, [Remark(error.message, error.next_command)])
        return told(self.title, wanted, (), fine=f"{major}, in {folder}")

    def shell(self) -> str:
        return "pg_dump --version && pg_restore --version"
