"""Writes sbom.json, the software bill of materials (CycloneDX 1.6), from requirements.lock: `python release/bill_of_materials.py`.

Two runs write the same bytes: it bears no time and no serial number. Licences are read from the installed packages, which
therefore have to be the locked ones.
"""

import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

from packaging.markers import Marker

ROOT = Path(__file__).resolve().parent.parent
BILL = ROOT / "sbom.json"
LOCK = ROOT / "requirements.lock"
UPLOT = ROOT / "cutover" / "console" / "static" / "uplot" / "uPlot.iife.min.js"  # comes along in the wheel, not by pip
PINNED = re.compile(r"(?P<name>[a-z0-9._-]+)==(?P<version>[^ ;\\]+)(?: ; (?P<marker>.+?))? \\")
LINUX = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "implementation_name": "cpython"}


@dataclass(frozen=True)
class Locked:
    """One package of a lock: its exact version, where it is installed at all, by whose wish, and the hashes of its files."""

    name: str
    version: str
    marker: str
    wanted_by: tuple[str, ...]
    hashes: tuple[str, ...]

    @property
    def on_linux(self) -> bool:
        return not self.marker or Marker(self.marker).evaluate(LINUX)

    @property
    def purl(self) -> str:
        return f"pkg:pypi/{self.name}@{self.version}"


def locked(text: str) -> Iterator[Locked]:
    """The packages of a lock as `uv pip compile --generate-hashes` writes it."""
    for piece in re.split(r"\n(?=[a-z0-9])", text):
        found = PINNED.match(piece)
        if found is not None:
            wanted_by = re.findall(r"^    #(?: via|  ) ([a-z0-9._-]+)(?: \(pyproject\.toml\))?$", piece, re.MULTILINE)
            hashes = re.findall(r"--hash=(sha256:[0-9a-f]{64})(?= |$)", piece, re.MULTILINE)
            words = found["name"], found["version"], found["marker"] or ""
            yield Locked(*words, tuple(wanted_by), tuple(hashes))


def bill(packages: list[Locked], licences: Mapping[str, str]) -> dict[str, Any]:
    """The bill of what is installed on Linux by these packages, as a CycloneDX document."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    root = f"cutover@{project['version']}"
    here = [package for package in packages if package.on_linux]
    uplot = _uplot()
    refs = {"cutover": root} | {package.name: package.purl for package in here}
    wishes: dict[str, list[str]] = {root: [uplot["bom-ref"]], uplot["bom-ref"]: []} | {p.purl: [] for p in here}
    for package in here:
        for name in refs.keys() & set(package.wanted_by):
            wishes[refs[name]].append(package.purl)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": "cutover",
                "version": project["version"],
                "licenses": [{"expression": project["license"]}],
            }
        },
        "components": [uplot, *(_component(package, licences.get(package.name, "")) for package in here)],
        "dependencies": [{"ref": ref, "dependsOn": sorted(wishes[ref])} for ref in sorted(wishes)],
    }


def _uplot() -> dict[str, Any]:
    version = re.search(r"uPlot \(v([0-9.]+)\)", UPLOT.read_text(encoding="utf-8")[:300])
    assert version is not None, f"{UPLOT.name} does not begin with its version"
    purl = f"pkg:npm/uplot@{version[1]}"
    component = {"type": "library", "bom-ref": purl, "name": "uplot", "version": version[1], "purl": purl}
    return {**component, "licenses": [{"license": {"id": "MIT"}}]}


def _component(package: Locked, licence: str) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
    }
    return {**component, "licenses": [_as_data(licence)]} if licence else component


def _as_data(licence: str) -> dict[str, Any]:
    """An SPDX expression where the package gives one, else its own words."""
    by_spdx = re.fullmatch(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*", licence)
    return {"expression": licence} if by_spdx else {"license": {"name": licence}}


def installed_licences(packages: list[Locked]) -> dict[str, str]:
    """What each installed package says of its licence; raises SystemExit where another version than the locked one is installed."""
    licences = {}
    for package in packages:
        if not package.on_linux:
            continue
        try:
            said = metadata(package.name)
        except PackageNotFoundError:
            raise SystemExit(f"{package.name} is not installed: pip install --require-hashes -r {LOCK.name}") from None
        if said["Version"] != package.version:
            raise SystemExit(f"{package.name} is {said['Version']}, and {package.version} in {LOCK.name}")
        classified = [
            word.split(" :: ")[-1] for word in said.get_all("Classifier") or () if word.startswith("License ::")
        ]
        expression = said.get_all("License-Expression") or [", ".join(classified)]
        licences[package.name] = expression[0] or (said.get_all("License") or [""])[0]
    return licences


def written(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"


if __name__ == "__main__":
    packages = list(locked(LOCK.read_text(encoding="utf-8")))
    BILL.write_text(written(bill(packages, installed_licences(packages))), encoding="utf-8")
    sys.stdout.write(f"{BILL.name}: {len(packages)} locked packages\n")
