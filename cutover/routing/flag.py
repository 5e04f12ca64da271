"""A flag: what share of the keys the candidate answers, whether it is on at all, and who said so last."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal, DecimalException
from math import inf
from types import MappingProxyType
from typing import Any

BUCKETS = 10_000
"""A key falls into one of so many buckets; one is 0.01 % of the keys."""
SCHEMA = "cutover.flag/1"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


class FlagWrong(ValueError):
    """What stands there is no flag; the message says where and why."""


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One flag as it stands in a store; raises FlagWrong for values that are none.

    `share` is in percent, 0 to 100 in steps of 0.01; a number or a text is taken where it is exact. `version` counts the
    changes, and is 0 for a flag that no store has; read from a document it is at least 1. `more` are the fields of a newer schema: they survive reading and writing.
    """

    name: str
    description: str = ""
    enabled: bool = False
    share: Decimal = Decimal(0)
    salt: str = ""
    """What the keys are hashed with; empty: the name. With another salt other keys come first."""
    reason: str = ""
    author: str = ""
    changed_at: datetime | None = None
    version: int = 0
    more: Mapping[str, Any] = field(default_factory=_nothing, hash=False)
    buckets: int = field(init=False, compare=False, repr=False)
    """How many of the BUCKETS the candidate answers: 0 when the flag is off."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not NAME.match(self.name):
            raise FlagWrong(
                f"{self.name!r} is no name of a flag: letters, digits, . _ and -, at most 128, the first a letter or digit"
            )
        for word in ("description", "salt", "reason", "author"):
            if not isinstance(getattr(self, word), str):
                raise FlagWrong(f"{self.name}: {word} is no text: {getattr(self, word)!r}")
        if "\0" in self.salt:
            raise FlagWrong(f"{self.name}: a salt holds no NUL")  # it ends the salt in what is hashed
        if not isinstance(self.enabled, bool):
            raise FlagWrong(f"{self.name}: enabled is neither true nor false: {self.enabled!r}")
        if isinstance(self.version, bool) or not isinstance(self.version, int) or self.version < 0:
            raise FlagWrong(f"{self.name}: version is no count: {self.version!r}")
        if self.changed_at is not None and (
            not isinstance(self.changed_at, datetime) or self.changed_at.tzinfo is None
        ):
            raise FlagWrong(f"{self.name}: changed_at is no time with its zone: {self.changed_at!r}")
        share = _percent(self.name, self.share)
        object.__setattr__(self, "share", share)
        object.__setattr__(self, "buckets", int(share * 100) if self.enabled else 0)

    @property
    def salted(self) -> str:
        """The salt that holds."""
        return self.salt or self.name

    def at(self, share: Decimal | float | str, *, reason: str, author: str, now: datetime) -> "Flag":
        """The same flag, on, with another share."""
        return replace(
            self, share=_percent(self.name, share), enabled=True, reason=reason, author=author, changed_at=now
        )

    def disabled(self, *, reason: str, author: str, now: datetime) -> "Flag":
        """The same flag, off; its share is kept for the day when it is on again."""
        return replace(self, enabled=False, reason=reason, author=author, changed_at=now)

    def rolled_back(self, *, reason: str, author: str, now: datetime) -> "Flag":
        """The same flag at 0 and off."""
        return replace(self, share=Decimal(0), enabled=False, reason=reason, author=author, changed_at=now)

    def document(self) -> dict[str, Any]:
        """The JSON object of this flag, the same in every store; the share is a number, the time RFC 3339 in UTC."""
        return {
            **self.more,
            "schema": SCHEMA,
            "name": self.name,
            "description": self.description,
            "enabled": self.enabled,
            "share": int(self.share) if self.share == int(self.share) else float(self.share),
            "salt": self.salt,
            "reason": self.reason,
            "author": self.author,
            "changed_at": self.changed_at and _written(self.changed_at),
            "version": self.version,
        }

    def text(self) -> str:
        """The document as one line of JSON."""
        return json.dumps(self.document(), ensure_ascii=False, allow_nan=False)

    @classmethod
    def of(cls, document: object, *, name: str = "") -> "Flag":
        """The flag that a JSON value means; raises FlagWrong.

        `name` is the one under which it was found, and stands for a missing one. Missing fields have their defaults: `share` 0
        and `enabled` false, so that half a flag sends nobody anywhere. A bare number is a share, on when it is above 0: what
        the toolkit's `carrier: {kind: file, key: NAME}` writes.
        """
        if isinstance(document, (int, float)) and not isinstance(document, bool):
            share = _percent(name, document)
            # Whoever writes bare numbers raises no version: another number is another version, or `put` would write over it.
            return cls(name=name, share=share, enabled=share > 0, version=1 + int(share * 100))
        if not isinstance(document, Mapping):
            raise FlagWrong(f"{name or 'flag'}: neither an object nor a number")
        known = {word: document[word] for word in _FIELDS if document.get(word) is not None}
        if name and known.setdefault("name", name) != name:
            raise FlagWrong(f"{name}: calls itself {known['name']!r}")
        schema = document.get("schema", SCHEMA)
        if not isinstance(schema, str) or schema.rpartition("/")[0] != SCHEMA.rpartition("/")[0]:
            raise FlagWrong(f"{name or known.get('name')}: schema is {schema!r}, not {SCHEMA}")
        if "name" not in known:
            raise FlagWrong("a flag without a name")
        if "changed_at" in known:
            known["changed_at"] = _time(known["name"], known["changed_at"])
        known["version"] = known.get("version") or 1
        more = {word: value for word, value in document.items() if word not in _FIELDS and word != "schema"}
        return cls(**known, more=MappingProxyType(more))

    @classmethod
    def parse(cls, text: str | bytes, *, name: str = "") -> "Flag":
        """The flag of a JSON text; raises FlagWrong, also for a key that stands twice, NaN, and text that is no UTF-8."""
        return cls.of(parsed(text, name or "flag"), name=name)

    @classmethod
    def read(cls, text: str | bytes, name: str) -> "Flag | FlagWrong":
        """The flag of a JSON text, or what is wrong with it."""
        try:
            return cls.parse(text, name=name)
        except FlagWrong as wrong:
            return wrong


_FIELDS = ("name", "description", "enabled", "share", "salt", "reason", "author", "changed_at", "version")


def parsed(text: str | bytes, where: str) -> Any:
    """A JSON text, strictly; raises FlagWrong that names `where`."""
    try:
        return json.loads(text, parse_constant=_refused, parse_float=_finite, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise FlagWrong(f"{where}: not JSON: {error}") from error


def _percent(name: str, value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise FlagWrong(f"{name}: share is no number: {value!r}")
    try:
        share = Decimal(str(value))
        if share.is_finite() and 0 <= share <= 100 and share == (exact := share.quantize(Decimal("0.01"))):
            return exact
    except (DecimalException, ValueError):
        pass
    raise FlagWrong(f"{name}: share is {str(value)[:40]}: 0 to 100 percent in steps of 0.01")


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _time(name: str, value: object) -> datetime:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise FlagWrong(f"{name}: changed_at is no time: {str(value)[:40]!r}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")  # which of the two was meant nobody knows
    return found


def _finite(written: str) -> float:
    found = float(written)
    if found in (inf, -inf):
        raise ValueError(f"{written[:40]} is too large")  # it could not be written again
    return found


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
