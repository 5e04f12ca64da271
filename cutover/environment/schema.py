"""The JSON Schema of environments/*.yaml, for editors."""

import ast
import inspect
import json
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from textwrap import dedent
from typing import Any

from cutover.environment.models import Environment
from cutover.environment.section import Section


def json_schema() -> dict[str, Any]:
    """The schema as data; it is a little stricter than the loader, which also reads unquoted digits as text."""
    schema = Environment.model_json_schema()
    for model in _sections(Section):
        full = f"{model.__module__}.{model.__qualname__}".replace(".", "__")  # where two have the same short one
        named = schema["$defs"].get(model.__name__) or schema["$defs"].get(full, {})
        _describe(schema if model is Environment else named, model)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "cutover environment"} | {
        key: value for key, value in schema.items() if key != "title"
    }


def schema_text() -> str:
    """What environments/schema.json holds, byte for byte."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _sections(model: type[Section]) -> Iterator[type[Section]]:
    for one in model.__subclasses__():
        yield one
        yield from _sections(one)


def _describe(schema: dict[str, Any], model: type[Section]) -> None:
    """Adds what stands below each field in the source; pydantic can do it, but at each start of the program."""
    properties = schema.get("properties", {})
    for name, words in _docstrings(model).items():
        field = model.model_fields.get(name)
        shown = properties.get(name if field is None else field.alias or name)
        if shown is not None and "description" not in shown:
            shown["description"] = words
            for key in sorted(shown):
                shown[key] = shown.pop(key)


def _docstrings(model: type[Section]) -> Mapping[str, str]:
    """The docstring below each field, inherited ones too."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if issubclass(one, Section):
            found |= _own_docstrings(one)
    return found


@cache  # finding a class reads and parses its whole file
def _own_docstrings(model: type[Section]) -> Mapping[str, str]:
    body = ast.parse(dedent(inspect.getsource(model))).body[0]
    assert isinstance(body, ast.ClassDef)
    return _of_fields(body.body)


def _of_fields(body: list[ast.stmt]) -> dict[str, str]:
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    }
