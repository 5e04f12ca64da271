"""The record of an environment's rehearsal, beside its runbooks: written whole, read with its seal, and bound to one plan."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutover.core.errors import CutoverError
from cutover.core.plain import digest
from cutover.core.plan import Plan
from cutover.environment.regular_file import NotReadable, read_regular

SCHEMA = "cutover.rehearsal/1"
RUNBOOKS = Path("runbooks")
FILE = "rehearsal.json"
SUCCEEDED, FAILED = "succeeded", "failed"
MAX_BYTES = 4 * 1024 * 1024


class Damaged(CutoverError):
    """The file is no record of a rehearsal, or one that was changed."""


@dataclass(frozen=True)
class Record:
    """What one rehearsal came to; `document` is all of it, times are seconds since the epoch."""

    document: Mapping[str, Any]

    @property
    def plan_digest(self) -> str:
        return str(self.document["plan_digest"])

    @property
    def ended(self) -> float:
        return float(self.document["ended"])

    @property
    def succeeded(self) -> bool:
        return str(self.document["outcome"]) == SUCCEEDED

    @property
    def why(self) -> str:
        """Why it failed; empty where it did not."""
        return str(self.document.get("why", ""))

    @property
    def never_undone(self) -> list[str]:
        return [str(name) for name in self.document["never_undone"]]

    @property
    def legs(self) -> int:
        return len(self.document["legs"])

    def changed(self, plan: Plan) -> list[str]:
        """The places of the environment's words that were others, two levels deep."""
        mine, now = self.document["bound"], parts(plan)
        return sorted(name for name in mine.keys() | now.keys() if mine.get(name) != now.get(name))


def parts(plan: Plan) -> dict[str, str]:
    """A short digest of each part of the words that the plan is bound to, two levels deep."""
    found: dict[str, str] = {}
    for key, value in plan.configuration.items():
        below = value if isinstance(value, Mapping) and value else {"": value}
        found |= {".".join(filter(None, (key, str(name)))): digest(one)[:12] for name, one in below.items()}
    return found


def place(environment: str) -> Path:
    """Where the record of an environment lies."""
    return RUNBOOKS / environment / FILE


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with its own digest."""
    return {**document, "seal": digest({key: value for key, value in document.items() if key != "seal"})}


def read(environment: str) -> Record | None:
    """The record; None where there is none. Raises Damaged for what is no such record, or was changed by hand."""
    path = place(environment)
    if not path.exists():
        return None
    try:
        text = read_regular(path, MAX_BYTES)[0].decode()
    except NotReadable as error:
        raise Damaged(f"{path} {error}") from None
    except UnicodeDecodeError:
        raise Damaged(f"{path} is not UTF-8 text") from None
    try:
        document = json.loads(text)
    except ValueError:
        raise Damaged(f"{path} is no JSON") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise Damaged(f"{path} is no record of a rehearsal ({SCHEMA})")
    if document.get("seal") != sealed(document)["seal"]:
        raise Damaged(f"{path} was changed since it was written: its seal does not hold")
    if document.get("environment") != environment:
        raise Damaged(f"{path} is the record of another environment")
    return Record(document)
