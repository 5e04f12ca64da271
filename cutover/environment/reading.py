"""How single values are read: what was written → a value, or a reason that never quotes what was written.

The field decides what a scalar means, so that NO, 0755, 12:30 and 1e3 stay text where text is wanted, and are refused,
not reinterpreted, where a number or a truth value is.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from cutover.environment.document import Unquoted

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST = 366 * 86400.0


def wrong(reason: str) -> PydanticCustomError:
    """The error that a validator raises; `reason` must not contain the input."""
    return PydanticCustomError("wrong", "{reason}", {"reason": reason})


@dataclass(frozen=True, eq=False)  # compared and hashed as itself: typing hashes what stands in an Annotated
class Reads:
    """Annotation of a field: `read` makes the value or raises `wrong(…)`, `schema` is what editors check."""

    read: Callable[[object], object]
    schema: Mapping[str, Any]

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return dict(self.schema)


def word(pattern: str, wants: str, canonical: Callable[[str], str] = str) -> Reads:
    """Text that matches the whole of `pattern`, then brought into its `canonical` form."""

    def read(value: object) -> str:
        written = canonical(text_of(value, wants))
        if not re.fullmatch(pattern, written, re.ASCII):
            raise wrong(f"wants {wants}")
        return written

    return Reads(read, {"type": "string", "pattern": f"^(?:{pattern})$"})


def prose(longest: int) -> Reads:
    """One line of text for people: at most `longest` characters, none of them invisible or a control character."""

    def read(value: object) -> str:
        written = text_of(value, "text").rstrip("\n")
        if not written.strip():
            raise wrong("needs some text")
        if len(written) > longest:
            raise wrong(f"is longer than {longest} characters")
        if any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in written):
            raise wrong("holds a line break, a control character or an invisible one")
        return written

    return Reads(read, {"type": "string", "minLength": 1, "maxLength": longest})


def _script(value: object) -> str:
    written = text_of(value, "shell commands").strip()
    if not written or len(written) > 4000:
        raise wrong("wants shell commands, at most 4000 characters")
    if any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c not in "\n\t" for c in written):
        raise wrong("holds a control character or an invisible one")
    return written


script = Reads(_script, {"type": "string", "minLength": 1, "maxLength": 4000})


def by_side_schema(longest: int) -> dict[str, Any]:
    """The JSON Schema of one text for both sides, or of one for each."""
    text = {"type": "string", "minLength": 1, "maxLength": longest}
    sides = {"type": "object", "properties": {"blue": text, "green": text}, "required": ["blue", "green"], "additionalProperties": False}  # fmt: skip
    return {"anyOf": [text, sides]}


def whole(least: int, most: int) -> Reads:
    """A whole number from `least` to `most`, in plain decimal digits."""

    def read(value: object) -> int:
        number = value if type(value) is int else None
        if isinstance(value, Unquoted) and re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", value, re.ASCII):
            number = int(value)
        if number is None:
            raise wrong(
                "wants a whole number in plain digits (no quotes, leading zero, underscore or exponent)"
                if value is not None
                else "needs a value"
            )
        if not least <= number <= most:
            raise wrong(f"must be from {least} to {most}" if least < most else f"must be {least}")
        return number

    return Reads(read, {"type": "integer", "minimum": least, "maximum": most})


def number(most: float, *, least: float = 0.0, above_zero: bool = False, step: float | None = None) -> Reads:
    """A decimal number up to `most`, from `least` or above 0, in multiples of `step`."""
    limits = f"must be {'more than 0 and at most' if above_zero else f'from {least:g} to'} {most:g}"

    def read(value: object) -> float:
        result = float(value) if type(value) in (int, float) else None  # type: ignore[arg-type]
        if isinstance(value, Unquoted) and re.fullmatch(r"-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?", value, re.ASCII):
            result = float(value)
        if value is None:
            raise wrong("needs a value")
        if result is None or not math.isfinite(result):
            raise wrong("wants a number in plain digits, such as 5 or 0.5 (no quotes or exponent)")
        if not least <= result <= most or (above_zero and result == 0):
            raise wrong(limits)
        if step and abs(result / step - round(result / step)) > 1e-6:
            raise wrong(f"must be a multiple of {step:g}")
        return round(result, 6)

    bound = {"exclusiveMinimum": 0} if above_zero else {"minimum": least or 0}
    return Reads(read, {"type": "number", **bound, "maximum": most})


def _flag(value: object) -> bool:
    if type(value) is bool:
        return value
    if isinstance(value, Unquoted) and value in ("true", "false"):
        return value == "true"
    raise wrong("wants true or false (yes, no, on, off and quoted words are not read)")


flag = Reads(_flag, {"type": "boolean"})


def _percentage(value: object) -> float:
    match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%?", str(value), re.ASCII) if value is not None else None
    if type(value) not in (int, float) and not isinstance(value, str) or match is None or float(match[1]) > 100:
        raise wrong("wants a percentage from 0% to 100%, such as 5% or 0.5%")
    return float(match[1])


percentage = Reads(
    _percentage,
    {
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": 100},
            {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?%?$"},
        ]
    },
)


def _sql_question(value: object) -> str:
    written = text_of(value, "an SQL query").strip().rstrip(";").rstrip()
    if not re.match(r"(?i)(select|with|table|values)\b", written) or len(written) > 10_000:
        raise wrong("wants one SQL query that begins with SELECT, WITH, TABLE or VALUES (at most 10000 characters)")
    return written


sql_question = Reads(_sql_question, {"type": "string", "minLength": 1, "maxLength": 10_000})


def seconds(value: object) -> float:
    """The seconds in `5`, `5s`, `250ms`, `10m`, `24h` or `7d`; raises `wrong(…)`."""
    if value is None:
        raise wrong("needs a value")
    result: float | None = None
    if type(value) in (int, float):
        result = float(value)  # type: ignore[arg-type]
    elif isinstance(value, str):
        match = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)?", value, re.ASCII)
        result = float(match[1]) * _UNITS[match[2] or "s"] if match else None
    if result is None or not 0 <= result <= _LONGEST:  # a NaN fails both comparisons
        raise wrong("wants a duration such as 5, 250ms, 30s, 10m, 24h or 7d, at most 366d")
    return result


def duration(*, above_zero: bool = False) -> Reads:
    """A duration in seconds; 0 is refused where it would mean never or always."""

    def read(value: object) -> float:
        result = seconds(value)
        if above_zero and result == 0:
            raise wrong("must be longer than 0")
        return result

    return Reads(read, DURATION_SCHEMA)


DURATION_SCHEMA: Mapping[str, Any] = {
    "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)?$"}]
}


def text_of(value: object, wants: str) -> str:
    """`value` if it is text, quoted or not; raises `wrong(…)`."""
    if value is None:
        raise wrong("needs a value")
    if not isinstance(value, str):
        raise wrong(f"wants {wants}")
    return str(value)
