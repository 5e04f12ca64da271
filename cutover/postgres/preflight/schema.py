"""The list of what both sides must have the same, and how much each matters."""

from collections.abc import Iterator

from cutover.postgres.preflight import databases, details, objects, roles
from cutover.postgres.preflight.compare import SameOnBoth
from cutover.postgres.preflight.question import INFORMS, REFUSES, WARNS, DatabaseCheck, Severity
from cutover.postgres.session import Database


def same_on_both(blue: Database, green: Database) -> Iterator[tuple[str, DatabaseCheck]]:
    no, note, warn = REFUSES, INFORMS, WARNS
    dump = "bring green's schema up to blue's first (pg_dump --schema-only)"

    def same(
        title: str, sql: str, missing: Severity | None, extra: Severity | None, other: Severity | None, mend: str = dump
    ) -> SameOnBoth:
        return SameOnBoth(blue, green, title, sql, mend, missing, extra, other)

    yield "encoding", same("encoding", databases.ENCODING, no, no, no, "make green's database with blue's encoding")
    yield (
        "locale",
        same(
            "locale and settings that change what is read",
            databases.LOCALE,
            note,
            note,
            warn,
            "give green blue's value",
        ),
    )
    yield "database-settings", same("settings of database and roles", databases.SETTINGS, warn, note, warn)
    yield "extensions", same("extensions", databases.EXTENSIONS, no, note, None)
    yield (
        "extension-versions",
        same(
            "versions of extensions",
            databases.EXTENSION_VERSIONS,
            None,
            None,
            warn,
            "ALTER EXTENSION … UPDATE on one side",
        ),
    )
    yield "schemas", same("schemas", objects.SCHEMAS, no, note, None)
    yield (
        "tables",
        SameOnBoth(blue, green, "tables", objects.TABLES, dump, empty="blue has no tables"),
    )
    yield "columns", same("columns", objects.COLUMNS, no, no, no)
    yield "generated", same("generated columns, made anew on green", objects.GENERATED, no, no, no)
    yield "defaults", same("defaults", objects.DEFAULTS, warn, note, warn)
    yield "partitions", same("partitions", objects.PARTITIONS, no, no, no)
    yield "keys", same("keys and unique indexes", objects.KEYS, no, no, no)
    yield "constraints", same("constraints", objects.CONSTRAINTS, warn, no, warn)
    yield "indexes", same("indexes", objects.INDEXES, warn, note, warn)
    yield "types", same("types", objects.TYPES, no, note, no)
    yield "views", SameOnBoth(blue, green, "views", objects.VIEWS, dump, no, note, warn, qualified=True)
    yield "functions", same("functions", objects.FUNCTIONS, no, note, warn)
    yield "sequence-definitions", same("sequences", objects.SEQUENCES, no, warn, warn)
    yield "trigger-definitions", same("triggers and rules", objects.TRIGGERS, warn, warn, warn)
    yield "policies", same("row-level security", objects.POLICIES, warn, warn, warn)
    yield (
        "roles",
        SameOnBoth(blue, green, "roles", roles.NEEDED, dump, no, None, warn, roles.ROLES),
    )
    yield "owners", same("owners", roles.OWNERS, None, None, warn)
    yield "grants", same("grants", roles.GRANTS, warn, warn, warn)
    yield "statistics-objects", same("extended statistics", details.STATISTICS, warn, note, warn)
    yield (
        "storage",
        same("storage parameters", details.STORAGE, note, note, note),
    )
    yield "comments", same("comments", details.COMMENTS, note, note, note)
    yield "default-privileges", same("default privileges", details.DEFAULT_PRIVILEGES, warn, warn, warn)
    yield "operators", same("operators and operator classes", details.OPERATORS, no, note, warn)
    yield "casts", same("casts", details.CASTS, no, warn, warn)
    yield "collation-definitions", same("collations", details.COLLATIONS, no, note, warn)
    yield (
        "collation-versions",
        same(
            "versions of collations",
            details.COLLATION_VERSIONS,
            None,
            None,
            note,
            "nothing, if no query needs the same order",
        ),
    )
    yield "text-search", same("text search", details.TEXT_SEARCH, no, note, warn)
    yield "foreign-servers", same("foreign servers and user mappings", details.FOREIGN, warn, note, warn)
    yield "event-trigger-definitions", same("event triggers", details.EVENT_TRIGGERS, warn, warn, warn)
