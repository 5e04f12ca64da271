"""The schema of a rehearsal: a plain file of `pg_dump --schema-only`, loaded into both sides of the twin."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from cutover.app import open_environment
from cutover.core.clock import Deadline
from cutover.core.errors import ConfigurationRefused, Refused
from cutover.environment.regular_file import NotReadable, read_regular
from cutover.postgres.programs import programs_from, reached, run
from cutover.rehearsal.statements import Statement, statements

MAX_BYTES = 64 * 1024 * 1024
DUMPED = 300.0  # seconds
LEFT_OUT: Mapping[str, str] = {
    r"ALTER .* OWNER TO ": "owners: everything belongs to the twin's superuser",
    r"(GRANT|REVOKE|ALTER DEFAULT PRIVILEGES) ": "privileges: the twin's application may do everything",
    r"(CREATE|ALTER|COMMENT ON) (PUBLICATION|SUBSCRIPTION) ": "publications and subscriptions: the plan makes its own",
    r"COMMENT ON EXTENSION ": "comments on extensions",
    r"SET (TRANSACTION_TIMEOUT|DEFAULT_TABLE_ACCESS_METHOD|DEFAULT_TABLESPACE|SESSION AUTHORIZATION)\b": "settings of the dump itself",
    r"ALTER .* SET TABLESPACE ": "tablespaces",
    r"(CREATE|ALTER|DROP) (ROLE|USER|DATABASE|TABLESPACE)\b": "roles, databases and tablespaces",
    r"SECURITY LABEL ": "security labels",
}
NOT_A_SCHEMA = re.compile(r"(COPY .* FROM STDIN|INSERT INTO )")
SHOP = "shop"


@dataclass
class Schema:
    """The statements of a schema; `left_out` is what of it the twin does without, in words."""

    name: str
    sha256: str
    loaded: tuple[Statement, ...]
    left_out: list[str] = field(default_factory=list)

    def load(self, variables: Mapping[str, str], sides: Sequence[str] = ("blue", "green")) -> None:
        """Into the shop's database on these sides; raises Refused with the line of what a server refuses, and for a missing extension."""
        if self.is_the_shops():
            self.left_out.append("all of it: it is the demo shop's own schema, which is there")
            return
        for side in sides:
            with psycopg.connect(variables[f"SHOP_{side.upper()}_DSN"], connect_timeout=5) as connection:
                connection.execute("SET default_transaction_read_only = off")
                connection.commit()
                self._extensions(connection, side)
                self._made(connection, side)

    def is_the_shops(self) -> bool:
        return any(re.match(rf"CREATE TABLE {SHOP}\.ORDERS\b", one.words, re.IGNORECASE) for one in self.loaded)

    def _extensions(self, connection: "psycopg.Connection[tuple[object, ...]]", side: str) -> None:
        there = {str(name) for (name,) in connection.execute("SELECT name FROM pg_available_extensions").fetchall()}
        missing = [(name, line) for name, line in self._wanted() if name not in there]
        connection.commit()
        if missing:
            listed = ", ".join(f"{name} (line {line})" for name, line in missing)
            raise Refused(
                f"{self.name} wants extensions that the twin's {side} does not have: {listed}",
                next_command="take them and what uses them out of a copy of the file; the record then names that file",
            )

    def _wanted(self) -> Iterator[tuple[str, int]]:
        for one in self.loaded:
            found = re.match(r'CREATE EXTENSION (?:IF NOT EXISTS )?"?([A-Z0-9_-]+)"?', one.words)
            if found is not None:
                yield found[1].lower(), one.line

    def _made(self, connection: "psycopg.Connection[tuple[object, ...]]", side: str) -> None:
        before = _namespaces(connection)
        for one in self.loaded:
            try:
                connection.execute(one.text.encode())
            except psycopg.Error as error:
                told = (error.diag.message_primary or str(error)).strip()
                head = " ".join(one.text.split())[:80]
                raise Refused(f"{self.name}:{one.line}: the twin's {side} refuses `{head}…`: {told}") from None
        connection.execute("RESET ALL")
        for namespace in ("public", *sorted(_namespaces(connection) - before)):
            for what in ("TABLES", "SEQUENCES", "ROUTINES"):
                connection.execute(f'GRANT ALL ON ALL {what} IN SCHEMA "{namespace}" TO {SHOP}'.encode())
            connection.execute(f'GRANT USAGE ON SCHEMA "{namespace}" TO {SHOP}'.encode())
        connection.commit()


def _namespaces(connection: "psycopg.Connection[tuple[object, ...]]") -> set[str]:
    return {str(name) for (name,) in connection.execute("SELECT nspname FROM pg_namespace").fetchall()}


def read(path: Path) -> Schema:
    """The schema in a file; raises ConfigurationRefused for what is none."""
    try:
        data = read_regular(path, MAX_BYTES)[0]
        return parsed(path.as_posix(), data.decode("utf-8-sig"))
    except NotReadable as error:
        raise ConfigurationRefused([f"{path} {error}"]) from None
    except UnicodeDecodeError:
        raise ConfigurationRefused(
            [f"{path} is not UTF-8 text: a plain file is wanted, pg_dump --schema-only --format=plain"]
        ) from None


def parsed(name: str, text: str) -> Schema:
    """The schema in a text; raises ConfigurationRefused where it holds rows, or no table."""
    kept: list[Statement] = []
    left_out: Counter[str] = Counter()
    for one in statements(text):
        if one.is_meta:
            left_out["commands of psql"] += 1
            continue
        if NOT_A_SCHEMA.match(one.words):
            raise ConfigurationRefused(
                [f"{name}:{one.line}: holds rows; a schema alone is wanted: pg_dump --schema-only"]
            )
        why = next((why for form, why in LEFT_OUT.items() if re.match(form, one.words)), "")
        if why:
            left_out[why] += 1
        else:
            kept.append(one)
    if not any(re.match(r"CREATE (UNLOGGED )?TABLE ", one.words) for one in kept):
        raise ConfigurationRefused([f"{name}: makes no table; a plain file of pg_dump --schema-only is wanted"])
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return Schema(name, sha256, tuple(kept), [f"{why} ({count})" for why, count in left_out.items()])


def read_from(environment: str, side: str) -> Schema:
    """The schema of a side, by pg_dump, which only reads; its address must be an environment variable that is set.

    Raises ConfigurationRefused for another reference, Refused where pg_dump cannot read it.
    """
    if side not in ("blue", "green"):
        raise ConfigurationRefused([f"--from is blue or green, not {side!r}"])
    app = open_environment(environment, read_only=True)
    first = app.environment.ledger_database
    pair = next((one for one in app.means.pairs if one.name == first), next(iter(app.means.pairs), None))
    ref = getattr(app.means.words(pair), side) if pair is not None else None
    if pair is None or ref is None or ref.kind != "env" or ref.name not in os.environ:
        at = f"{ref.kind}:{ref.name}" if ref is not None else "nothing"
        raise ConfigurationRefused(
            [f"{side} of {environment} is {at}: a rehearsal resolves no secret"],
            next_command=f"pg_dump --schema-only … > schema.sql; invoke rehearse --env {environment} --schema schema.sql",
        )
    database = pair.blue if side == "blue" else pair.green
    with database.open("schema") as session:
        major = int(str(session.rows("SHOW server_version_num")[0][0])) // 10_000
    way = reached(database, {"default_transaction_read_only": "on"})
    argv = [
        str(programs_from(major) / "pg_dump"),
        "--schema-only",
        "--no-owner",
        "--no-privileges",
        "--dbname",
        way.conninfo,
    ]
    return parsed(f"the schema of {environment}'s {side}", run(argv, way, Deadline.after(DUMPED)))
