"""The committed files, the JSON Schema and the template agree with the loader."""

import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from cutover.core.errors import ConfigurationRefused
from cutover.environment import json_schema, load, names, parse, schema_text, template

COMMITTED = Path(__file__).parents[2] / "environments"


def _validator() -> Any:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    return jsonschema.Draft202012Validator(json_schema())


def _data(name: str) -> Any:
    return yaml.safe_load((COMMITTED / f"{name}.yaml").read_text())


def test_the_environments_that_ship() -> None:
    assert names(COMMITTED) == (
        "local",
        "local-databases",
        "local-flag",
        "local-maintenance",
        "local-watched",
        "prod",
        "staging",
    )


@pytest.mark.parametrize("name", names(COMMITTED))
def test_a_committed_file_loads_and_fits_the_schema(name: str) -> None:
    assert load(name, COMMITTED).name == name
    assert list(_validator().iter_errors(_data(name))) == []
    assert (COMMITTED / f"{name}.yaml").read_text().splitlines()[0] == "# yaml-language-server: $schema=schema.json"


def test_the_committed_schema_is_the_one_that_the_models_give() -> None:
    assert (COMMITTED / "schema.json").read_text() == schema_text(), "run `invoke schema`"


@pytest.mark.parametrize(
    "path",
    [(), ("database", "fence"), ("hostnames", "api", "carrier", "ttl"), ("hostnames", "shop", "carrier"), ("owners",)],
)
def test_the_schema_refuses_an_unknown_key_at_any_depth(path: tuple[str, ...]) -> None:
    data = _data("prod")
    section = data
    for key in path:
        section = section[key]
    section["unknwon"] = 1
    assert list(_validator().iter_errors(data))


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("database", "blue", "postgresql://u:p@h/d"),
        ("window", "budget", "soon"),
        ("shift", "shares", [0, 100]),
        ("checklist", "x", {"attest": "nobody"}),
        ("maintenance", "kind", "page"),
        ("smoke", "blue", "https://u:p@h"),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(section: str, key: str, value: object) -> None:
    data = _data("prod")
    data[section][key] = value
    assert list(_validator().iter_errors(data))


def test_the_schema_describes_its_keys() -> None:
    fence = json_schema()["$defs"]["Fence"]["properties"]["dead_man"]
    assert "gives blue its writes back" in fence["description"]


def test_the_template_loads_as_it_is() -> None:
    assert parse(template("new-one"), name="new-one", file="f").name == "new-one"
    assert list(_validator().iter_errors(yaml.safe_load(template("new-one")))) == []


def test_the_template_says_every_key() -> None:
    written = template("x")
    for section in json_schema()["$defs"].values():
        for key in section["properties"]:
            assert f"{key}:" in written or key in ("rows", "rate", "hooks", "watched", "smoke", "attest"), key


def test_what_the_template_shows_as_default_is_the_default() -> None:
    text = template("x")
    shown = yaml.safe_load(re.sub(r"^( *)# ( *[a-z_0-9]+:(?: |$))", r"\1\2", text, flags=re.MULTILINE))
    assert shown["database"]["fence"] == {
        "dead_man": "10s",
        "lock_timeout": "5s",
        "catch_up": "5s",
        "sequence_margin": 1000,
    }
    assert shown["maintenance"]["methods"] == ["POST", "PUT", "PATCH", "DELETE"]
    plain = parse(text, name="x", file="f")
    assert plain.maintenance.message == shown["maintenance"]["message"]
    assert plain.every_database[""].lag_limit_bytes == shown["database"]["lag_limit_bytes"]
    assert plain.shift.limits.model_dump() == shown["shift"]["limits"]


@pytest.mark.parametrize("name", ["", "../x", "A", "a b", "a\nb: c", "x" * 41])
def test_a_template_needs_a_name_that_can_be_a_file(name: str) -> None:
    with pytest.raises(ConfigurationRefused):
        template(name)
