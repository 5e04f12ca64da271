"""The locks: every dependency with one version that satisfies it and with hashes, and the bill of materials made of them."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from bill_of_materials import BILL, Locked, bill, locked, written
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RUNTIME, DEV = "requirements.lock", "requirements-dev.lock"


def lock(name: str) -> dict[str, list[Locked]]:
    """The packages by name; one may be there in several versions, each for other interpreters."""
    found: dict[str, list[Locked]] = {}
    for package in locked((ROOT / name).read_text(encoding="utf-8")):
        found.setdefault(package.name, []).append(package)
    return found


def wanted(name: str) -> list[Requirement]:
    """What pyproject.toml asks for, and what is to be in this lock."""
    extras = PROJECT["optional-dependencies"]
    words = [*PROJECT["dependencies"]]
    if name == DEV:
        words += [word for extra in ("local", "openfeature", "redis", "dev") for word in extras[extra]]
    return [asked for word in words if (asked := Requirement(word)).name != "cutover"]


@pytest.mark.parametrize("name", [RUNTIME, DEV])
def test_every_dependency_is_locked_to_a_version_that_satisfies_it(name: str) -> None:
    has = lock(name)
    for asked in wanted(name):
        versions = [package.version for package in has.get(canonicalize_name(asked.name), [])]
        assert versions and all(asked.specifier.contains(version) for version in versions), f"{asked}: {versions}"


@pytest.mark.parametrize("name", [RUNTIME, DEV])
def test_every_locked_package_has_hashes_and_is_wanted_by_something(name: str) -> None:
    has = lock(name)
    assert len(has) > 30
    for package in (one for packages in has.values() for one in packages):
        assert package.hashes and package.wanted_by, package.name


@pytest.mark.parametrize("name", [RUNTIME, DEV])
def test_the_reader_of_locks_overlooks_no_line(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    packages = [one for packages in lock(name).values() for one in packages]
    assert len(packages) == len(re.findall(r"^[^ #\n]", text, re.MULTILINE))
    assert sum(len(package.hashes) for package in packages) == text.count("--hash=")


@pytest.mark.parametrize("name", [RUNTIME, DEV])
def test_a_lock_names_no_registry_and_no_path(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(
        r"://|--index|--extra-index|--find-links|--trusted-host| @ |^-e|/(?!pyproject)", text, re.MULTILINE
    )


def test_what_runs_in_production_is_what_the_tests_are_locked_to() -> None:
    tested = lock(DEV)
    for name, packages in lock(RUNTIME).items():
        assert {one.version for one in packages} <= {one.version for one in tested[name]}, name


def test_the_bill_of_materials_is_the_locks() -> None:
    """Without the licences, which are the installed packages' own words: `python release/bill_of_materials.py` asks them."""
    packages = [one for packages in lock(RUNTIME).values() for one in packages]
    committed = json.loads(BILL.read_text(encoding="utf-8"))
    assert BILL.read_text(encoding="utf-8") == written(committed), "made by hand"
    assert all(component.get("licenses") for component in committed["components"])
    for component in committed["components"][1:]:
        del component["licenses"]
    assert committed == bill(packages, {}), "python release/bill_of_materials.py"


def test_what_no_linux_installs_is_not_in_the_bill() -> None:
    packages = {name: one[0] for name, one in lock(RUNTIME).items()}
    assert not packages["colorama"].on_linux and packages["psycopg-binary"].on_linux
    assert "colorama" not in BILL.read_text(encoding="utf-8")
