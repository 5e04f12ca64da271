"""Blue's configuration and state, saved before anything is touched (C6)."""

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cutover.core.clock import Deadline
from cutover.core.plain import digest, plain
from cutover.core.step import Command, Step
from cutover.environment import SnapshotBackup
from cutover.plans.means import Means
from cutover.postgres.dump import Dumped
from cutover.postgres.identity import IDENTITY, identity
from cutover.postgres.pair import DatabasePair
from cutover.postgres.session import Database

DATABASE_FACTS = {
    "version": "SELECT version()",
    "settings": "SELECT name, setting FROM pg_settings WHERE source NOT IN ('default', 'override') ORDER BY 1",
    "database_settings": "SELECT setdatabase::regclass::text, setrole::text, setconfig::text FROM pg_db_role_setting ORDER BY 1, 2",
    "extensions": "SELECT extname, extversion FROM pg_extension ORDER BY 1",
    "tables": "SELECT format('%I.%I', schemaname, relname), n_live_tup FROM pg_stat_user_tables ORDER BY 1",
    "sequences": "SELECT format('%I.%I', schemaname, sequencename), last_value FROM pg_sequences ORDER BY 1",
    "roles": "SELECT rolname, rolsuper, rolcanlogin, rolreplication FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1",
    "publications": "SELECT pubname FROM pg_publication ORDER BY 1",
    "slots": "SELECT slot_name, plugin FROM pg_replication_slots ORDER BY 1",
}


@dataclass(frozen=True)
class SaveRecord(Command):
    """Writes the record, reads it back, and only then gives it its name."""

    path: Path
    blues: tuple[Database, ...]
    traffic: Callable[[], Any] = field(compare=False, repr=False)

    def run(self, deadline: Deadline) -> None:
        whose = identities(self.blues)
        kept = document_of(self.path)
        if kept is not None and kept.get("identities", whose) == whose:
            return
        if kept is not None:  # of another blue, from an earlier cutover
            SetAside(self.path, "").run(deadline)
        facts = {blue.label: _facts(blue) for blue in self.blues}
        saved(self.path, {"traffic": self.traffic(), **facts, "identities": whose, "saved_at": time.time()})

    def shell(self) -> str:
        return 'invoke backup --env "$CUTOVER_ENV"'


@dataclass(frozen=True)
class SetAside(Command):
    """Keeps the record under another name, so that the next try saves a new one."""

    path: Path
    shown: str

    def run(self, deadline: Deadline) -> None:
        if self.path.exists():
            self.path.replace(self.path.with_name(f"{self.path.stem}-{int(self.path.stat().st_mtime * 1000)}.json"))

    def shell(self) -> str:
        return f'if [ -e "{self.shown}" ]; then mv "{self.shown}" "{self.shown}.$(date +%s)"; fi'


@dataclass(frozen=True, kw_only=True)
class Recorded(Step[str]):
    """Saves blue's configuration and final state before anything is touched: what a person needs when all else fails.

    Load balancer listeners, rules, record sets, database settings, sequences, table sizes. Read back and checked.
    """

    path: Path
    shown: str
    """The path as a person types it."""
    blues: tuple[Database, ...]
    traffic: Callable[[], Any] = field(compare=False, repr=False)
    before: str = "not saved"
    after: str = "saved"

    @property
    def resource(self) -> str:
        return "record-of-blue"

    def observe(self) -> str:
        kept = document_of(self.path)
        if kept is None:
            return "not saved"
        whose = identities(self.blues)
        return "saved" if kept.get("identities", whose) == whose else "not saved"

    def commands(self, target: str) -> Sequence[Command]:
        return (
            SaveRecord(self.path, self.blues, self.traffic) if target == "saved" else SetAside(self.path, self.shown),
        )

    def check_shell(self) -> str:
        known = "".join(f' && grep -qF "$({blue.ask(IDENTITY)}\n)" "{self.shown}"' for blue in self.blues)
        return f'if [ -s "{self.shown}" ]{known}; then echo saved; else echo not saved; fi'


def identities(blues: Sequence[Database]) -> dict[str, str]:
    """Which databases these are, by their labels; raises Unreachable when one does not answer."""
    return {blue.label: identity(blue) for blue in blues}


def _facts(blue: Database) -> dict[str, list[list[str]]]:
    with blue.open("record") as session:
        return {name: [[str(v) for v in row] for row in session.rows(sql)] for name, sql in DATABASE_FACTS.items()}


def backup_of(means: Means, pair: DatabasePair, moment: str) -> Step[str]:
    """The backup of one database that the environment asks for; `moment` is `before` or `final`."""
    words, name = means.words(pair).backup, pair.named(f"blue-{moment}-backup")
    label = pair.named(means.environment.name)
    if isinstance(words, SnapshotBackup):
        from cutover.aws.rds import SnapshotTaken

        return SnapshotTaken(
            name=name, aws=means.aws, instance=words.instance, prefix=f"cut-{label}-{words.instance}-{moment}"
        )
    file = f"{label}-{moment}.dump"
    path, shown = means.file(file)
    if words.folder is not None:
        path, shown = Path(words.folder) / file, f"{words.folder}/{file}"
    return Dumped(name=name, database=pair.blue, file=path, shown=shown)


def saved(path: Path, content: Any) -> None:
    """Writes the content with its digest, reads it back, and only then gives the file its name; raises OSError."""
    content = plain(content)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_suffix(".partial")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({"sha256": digest(content), "content": content}, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    if document_of(partial) is None:
        raise OSError(f"{partial} does not read back as it was written")
    partial.replace(path)


def document_of(path: Path) -> Any:
    """The content of a saved document, None when there is none that is whole."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return document["content"] if document["sha256"] == digest(document["content"]) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
