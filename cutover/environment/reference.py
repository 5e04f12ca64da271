"""References to values that do not stand in the file: secrets above all, and addresses known only at run time."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from cutover.core.errors import ConfigurationRefused, CutoverError
from cutover.core.hidden import remember
from cutover.environment.reading import Reads, text_of, wrong
from cutover.environment.regular_file import NotReadable, read_regular

Fetch = Callable[[str, str], str]
"""(`ssm` or `secretsmanager`, name) → the value; raises when it cannot."""

MAX_SECRET_BYTES = 64 * 1024

_NAMES = {
    "env": r"[A-Za-z_][A-Za-z0-9_]{0,99}",
    "file": r"(?!.*//)[^\x00-\x1f\x7f:@]{1,500}",
    "ssm": r"/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*",
    "secretsmanager": r"(arn:[a-z0-9-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:)?(?!.*//)[A-Za-z0-9/_+=.-]{1,512}",
}
PATTERN = "|".join(f"{kind}:{name}" for kind, name in _NAMES.items())
WANTS = "a reference: env:NAME, file:PATH, ssm:NAME or secretsmanager:ID"


@dataclass(frozen=True)
class Ref:
    """Where a value is to be found: `kind` is env, file, ssm, secretsmanager, or literal for what is no secret.

    `address`: the value itself might have been written in its place, so only a password in it is a secret.
    """

    kind: str
    name: str
    address: bool = field(default=False, compare=False, repr=False)

    @classmethod
    def parse(cls, written: object) -> "Ref":
        """The reference that was written; raises a validation error that does not repeat it."""
        if isinstance(written, Ref):
            return written
        if written is None:
            raise wrong(f"needs {WANTS}")
        reference = text_of(written, WANTS)
        if not re.fullmatch(PATTERN, reference, re.ASCII):
            raise wrong(f"wants {WANTS}; a value that may hold a secret is not written into the file")
        kind, _, name = reference.partition(":")
        return cls(kind, name)

    def resolve(self, environ: Mapping[str, str], fetch: Fetch | None = None) -> str:
        """The value; `fetch` reads ssm: and secretsmanager:. Raises ConfigurationRefused, which never shows the value."""
        match self.kind:
            case "literal":
                value = self.name
            case "env":
                if self.name not in environ:
                    raise self._refused("this environment variable is not set")
                value = environ[self.name]
            case "file":
                value = self._from_file(Path(self.name))
            case _:
                value = self._from_aws(fetch)
        if not value:
            raise self._refused("is empty")
        if any(ord(character) < 32 or ord(character) == 127 for character in value):
            raise self._refused("is not a single line of text")
        if self.kind != "literal":
            remember(value, address=self.address)
        return value

    def _from_file(self, path: Path) -> str:
        try:
            return read_regular(path, MAX_SECRET_BYTES)[0].decode().rstrip("\r\n")
        except NotReadable as error:
            raise self._refused(str(error)) from None
        except UnicodeDecodeError:
            raise self._refused("is not UTF-8 text") from None

    def _from_aws(self, fetch: Fetch | None) -> str:
        if fetch is None:
            raise self._refused("cannot be read here: there is no connection to AWS")
        try:
            value = fetch(self.kind, self.name)
        except CutoverError:
            raise
        except Exception as error:  # noqa: BLE001 - any client: its text may hold the answer, so only its name is told
            raise self._refused(f"could not be read ({type(error).__name__})") from None
        return value.rstrip("\r\n")

    def _refused(self, reason: str) -> ConfigurationRefused:
        return ConfigurationRefused([f"{self}: {reason}"])

    def __str__(self) -> str:
        return self.name if self.kind == "literal" else f"{self.kind}:{self.name}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _schema(cls.parse)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^(?:{PATTERN})$"}


def secret_variables(value: object) -> Iterator[str]:
    """The environment variables that are named anywhere in a section of the file for what may be a secret."""
    match value:
        case Ref():
            if value.kind == "env" and not value.address:
                yield value.name
        case Mapping():
            for one in value.values():
                yield from secret_variables(one)
        case list() | tuple():
            for one in value:
                yield from secret_variables(one)
        case BaseModel():
            for name in type(value).model_fields:
                yield from secret_variables(getattr(value, name))


def reads_ref(read: Callable[[object], Ref], schema: dict[str, Any]) -> Reads:
    """A word that becomes a reference, or a literal, in its own way."""
    return _ReadsRef(read, schema)


class _ReadsRef(Reads):
    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _schema(self.read)


def _schema(read: Callable[[object], object]) -> CoreSchema:
    return core_schema.no_info_plain_validator_function(read, serialization=core_schema.to_string_ser_schema())


def or_literal(pattern: str, wants: str, *, address: bool = True) -> Reads:
    """A reference, or the value itself where it matches `pattern`; of an `address` only a password in it is a secret."""

    def read(value: object) -> Ref:
        if isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII):
            return Ref("literal", str(value))
        if isinstance(value, str) and not re.fullmatch(PATTERN, value, re.ASCII):
            raise wrong(f"wants {wants}, or {WANTS}")
        return replace(Ref.parse(value), address=address)

    return _ReadsRef(read, {"type": "string", "pattern": f"^(?:{PATTERN}|{pattern})$"})


_HOST, _PORT = r"[A-Za-z0-9.-]{1,253}", r":[0-9]{1,5}"
_URL = rf"https?://{_HOST}({_PORT})?(/[A-Za-z0-9._~-]+)*/?"
BaseUrl = Annotated[Ref, or_literal(_URL, "a base URL without user, password or query")]
DnsServers = Annotated[Ref, or_literal(rf"{_HOST}{_PORT}(,{_HOST}{_PORT})*", "host:port, separated by commas")]
HostPort = Annotated[Ref, or_literal(rf"{_HOST}{_PORT}", "host:port")]
LedgerPath = Annotated[Ref, or_literal(r"(?!.*//)[^\x00-\x1f\x7f:@]{1,500}", "a path")]
_BUCKET, _KEY = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
_DSN = rf"postgres(ql)?://([A-Za-z0-9._-]+@)?{_HOST}({_PORT})?/[A-Za-z_][A-Za-z0-9_-]{{0,62}}(\?sslmode=[a-z-]+)?"
StatePlace = Annotated[
    Ref,
    or_literal(
        rf"sqlite|s3://{_BUCKET}(/{_KEY})+|{_DSN}",
        "sqlite, s3://bucket/prefix, postgresql://host/database without a password",
    ),
]
SettingValue = Annotated[
    Ref,
    or_literal(
        rf"(?!({'|'.join(_NAMES)}):)[^\x00-\x1f\x7f]{{1,2000}}",
        "a value of one line, at most 2000 characters",
        address=False,
    ),
]
