"""The JSON Schema of environments/*.yaml, for editors."""

import json
from typing import Any

from cutover.environment.models import Environment


def json_schema() -> dict[str, Any]:
    """The schema as data; it is a little stricter than the loader, which also reads unquoted digits as text."""
    schema = Environment.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "cutover environment"} | {
        key: value for key, value in schema.items() if key != "title"
    }


def schema_text() -> str:
    """What environments/schema.json holds, byte for byte."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
