"""Flags by which applications route: where each is kept, and what its router's counts must say before it rises."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from cutover.environment.reading import number, text_of, whole, word, wrong
from cutover.environment.reference import Ref, or_literal, reads_ref
from cutover.environment.section import Section
from cutover.environment.shapes import distinct
from cutover.environment.written import Line, Role, Wait

FlagName = Annotated[
    str, word(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", "the name of a flag: letters, digits, . _ and -, at most 128")
]

_HOST, _PORT = r"[A-Za-z0-9.-]{1,253}", r"(:[0-9]{1,5})?"
_PATH = r"/(?!/)(?!.*\.\.)[A-Za-z0-9_./-]{0,298}[A-Za-z0-9_-]"
_SSM = r"ssm:(/[A-Za-z0-9_.-]+)+(\?region=[a-z]{2,3}(-[a-z]+)+-[0-9]{1,2})?"
_POSTGRES = rf"postgres(ql)?://([A-Za-z0-9._-]+@)?{_HOST}{_PORT}/[A-Za-z_][A-Za-z0-9_-]{{0,62}}(\?sslmode=[a-z-]+)?"
_STORE = rf"(file|sqlite):{_PATH}|{_SSM}|rediss?://{_HOST}{_PORT}(/[0-9]{{1,3}})?|{_POSTGRES}"
_REFERENCE = r"env:[A-Za-z_][A-Za-z0-9_]{0,99}|secretsmanager:(?!.*//)[A-Za-z0-9:/_+=.-]{1,512}"
_STORES = (
    "the address of a store of flags without a password (file:/etc/shop/flags.json, sqlite:/var/lib/shop/flags.sqlite, "
    "ssm:/shop/flags, postgresql://user@host/database, redis://host:6379/0), or env:NAME or secretsmanager:ID that holds one"
)


def _store(value: object) -> Ref:
    """Of references only those whose beginning is no store's: `file:` and `ssm:` are addresses here."""
    if isinstance(value, Ref):
        return value
    written = text_of(value, _STORES)
    if re.fullmatch(_STORE, written, re.ASCII):
        return Ref("literal", str(written))
    if not re.fullmatch(_REFERENCE, written, re.ASCII):
        raise wrong(f"wants {_STORES}")
    return Ref.parse(value)


_SCHEMA: dict[str, Any] = {"type": "string", "pattern": f"^(?:{_STORE}|{_REFERENCE})$"}
FlagStore = Annotated[Ref, reads_ref(_store, _SCHEMA)]
SnapshotPlace = Annotated[
    Ref,
    or_literal(rf"https?://{_HOST}{_PORT}(/[A-Za-z0-9._~-]+)*/?|{_PATH}", "an address or the absolute path of a file"),
]


class FlagCriteria(Section):
    """What the counts of the candidate must say: READY when all is well, ROLL BACK when one is not, HOLD when it cannot be told."""

    error_rate: Annotated[float, number(100, above_zero=True)] = 5.0
    """Percent of the candidate's requests; it must have less."""
    fallback_rate: Annotated[float, number(100, above_zero=True)] = 1.0
    """Percent of the keys given to the candidate which legacy answered in its place; it must have less."""
    slower_ms: Annotated[float, number(600_000, above_zero=True)] = 100.0
    """The candidate's p95 must be below legacy's by less than so many milliseconds more."""
    at_least: Annotated[int, whole(1, 1_000_000_000)] = 1000
    """With fewer requests of a side than this its figures are insufficient."""
    fresh: Wait = 300.0
    """Counts that were taken longer ago are insufficient."""
    complaints: Role = "application"
    """Who attests that there is no critical complaint."""


class RoutedFlag(Section):
    """A flag, moved by `invoke flag.enable` and its like, or by the plan (`carrier: {kind: flag}`)."""

    store: FlagStore
    """Where it is kept, as the applications open it."""
    description: Line = "A flag"
    """What it decides; written into the flag when it is made."""
    criteria: FlagCriteria = FlagCriteria()
    snapshots: Annotated[tuple[SnapshotPlace, ...], AfterValidator(distinct)] = ()
    """Where each process shows what its router counted, as JSON: an address, or a file on this machine."""


RoutedFlags = Annotated[dict[FlagName, RoutedFlag], Field(default_factory=dict)]
