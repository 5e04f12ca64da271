"""The commands for the repository: init, schema, runbook, test, lint."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.cli.ends import ended, say

AS_PACKAGES = (
    "whole",
    "faults",
    "cli",
    "notify",
    "report",
)  # folders of tests/ whose files import each other by its name
STAGE = ("tests/whole", "tests/faults")
DEBIAN = {
    "dig": "bind9-dnsutils",
    "curl": "curl",
    "/usr/sbin/pgbouncer": "pgbouncer",
    "prometheus": "prometheus",
    "redis-server": "redis-server",
    "sqlite3": "sqlite3",
    "cc": "build-essential",  # the clock that a fault sets is a few lines of C
    "promtool": "prometheus",
    "amtool": "prometheus-alertmanager",
}  # real components that have no wheel
FOR_PAGES = {
    "chromium": "chromium",
    "npm": "npm",  # fetches the two scripts that tests of pages hold them against
}  # which only the whole of the tests asks for: a part of them may have none of pages
# An older PostgreSQL, with ICU and extensions, which the wheel's builds lack; without it tests say that they skip.
DEBIAN_12 = {"/usr/lib/postgresql/15/bin/postgres": "postgresql-15"}
NO_CLUSTER = Path("/etc/postgresql-common/createcluster.d/zz-cutover-tests.conf")
NO_SERVICE = Path("/usr/sbin/policy-rc.d")  # what Debian asks before a package starts its service


@task(positional=["name"], help={"name": "the new environment"})
@ended
def init(c: Context, name: str) -> None:
    """Write an annotated environments/NAME.yaml to fill in. Example: invoke init staging-eu"""
    from cutover.app import DIRECTORY
    from cutover.cli.opening import is_dry
    from cutover.core.errors import Refused
    from cutover.environment import schema_text, template

    path = DIRECTORY / f"{name}.yaml"
    content = template(name)
    if path.exists():
        raise Refused(f"{path} is there already; nothing was written")
    if is_dry(c, False):
        print(content, end="")
        return
    DIRECTORY.mkdir(exist_ok=True)
    path.write_text(content, encoding="utf-8")
    if not (DIRECTORY / "schema.json").exists():
        (DIRECTORY / "schema.json").write_text(schema_text(), encoding="utf-8")
    say(f"{path} is written; fill it in, then: invoke plan --env {name}")


@task(help={"check": "end with 2 when environments/schema.json is stale, write nothing"})
@ended
def schema(c: Context, check: bool = False) -> None:
    """Write environments/schema.json, which editors use for completion and checks. Example: invoke schema"""
    from cutover.app import DIRECTORY
    from cutover.cli.opening import is_dry
    from cutover.environment import schema_text

    path = DIRECTORY / "schema.json"
    if check or is_dry(c, False):
        if not path.exists() or path.read_text(encoding="utf-8") != schema_text():
            say(f"{path} is stale: invoke schema")
            raise Exit(code=2)
        return
    path.write_text(schema_text(), encoding="utf-8")
    say(f"{path} is written")


@task(
    help={
        "env": "environment; all when left out",
        "check": "end with 2 when a committed runbook is stale, write nothing",
        "html": "write the pages as HTML into .cutover/reviews/ENV instead, for reading and for paper",
    }
)
@ended
def runbook(c: Context, env: str = "", check: bool = False, html: bool = False) -> None:
    """Render runbooks/ENV/*.md from the plan. Example: invoke runbook --env prod --check"""
    from cutover.app import DIRECTORY, open_environment
    from cutover.cli.opening import is_dry
    from cutover.environment import names
    from cutover.runbook import stale, write
    from cutover.runbook.compose import book_of

    complaints: list[str] = []
    for name in [env] if env else names(DIRECTORY):
        app = open_environment(name)
        book = book_of(app)
        folder = Path("runbooks") / name
        if html and not check:
            _write_html(book, app.home / "reviews" / name, dry_run=is_dry(c, False))
            continue
        if check or is_dry(c, False):
            complaints += [f"{folder}/{line}" for line in stale(book, folder)]
            continue
        for path in write(book, folder):
            say(str(path))
    if complaints:
        for line in complaints:
            say(line)
        say("next: invoke runbook" + (f" --env {env}" if env else ""))
        raise Exit(code=2)


def _write_html(book: Any, folder: Path, *, dry_run: bool) -> None:
    from cutover.runbook.files import replaced
    from cutover.runbook.html_pages import html_pages

    pages = html_pages(book)
    if not dry_run:
        folder.mkdir(parents=True, exist_ok=True)
    for name, page in pages.items():
        say(f"{folder / name} would be written" if dry_run else str(replaced(folder / name, page)))


@task(
    help={
        "quick": "leave out what needs the local world (under a minute)",
        "keyword": "as for pytest -k",
        "install": "install what is missing of the tools that have no wheel (apt-get; needs root)",
    }
)
@ended
def test(c: Context, quick: bool = False, keyword: str = "", install: bool = True) -> None:
    """Run the tests. Example: invoke test --quick"""
    provide_tools(install=install, pages=not (quick or keyword))
    command = [sys.executable, "-m", "pytest", "-q", *(["-k", keyword] if keyword else [])]
    if quick or keyword:
        run([*command, *(["-m", "not slow"] if quick else [])])
        return
    # The whole cutovers come last, and each folder has a world of its own: they measure what customers see.
    parts = ([*command, "tests", *(f"--ignore={folder}" for folder in STAGE)], [*command, *STAGE])
    failed: Exit | None = None
    for part in parts:  # what fails in one hides nothing of the other
        try:
            run(part)
        except Exit as error:
            if error.code != 1:  # interrupted
                raise
            failed = error
    if failed is not None:
        raise failed


@task
@ended
def lint(c: Context) -> None:
    """Check style, types, and that schema and runbooks are current. Example: invoke lint"""
    run([sys.executable, "-m", "ruff", "check", "."])
    run([sys.executable, "-m", "ruff", "format", "--check", "."])
    run([sys.executable, "-m", "mypy"])
    for folder in sorted(
        {
            path.parent
            for root in ("tests", "smoke")
            for path in Path(root).glob("*/test_*.py" if root == "tests" else "test_*.py")
        }
    ):
        path = "tests:tests/core" if folder.name in AS_PACKAGES else f"{folder}:tests:tests/core:release"
        command = [sys.executable, "-m", "mypy", "--strict", "--explicit-package-bases", str(folder)]
        run(command, {**os.environ, "MYPYPATH": "." if folder.name == "smoke" else path})
    schema(c, check=True)
    runbook(c, check=True)


def provide_tools(*, install: bool, pages: bool) -> None:
    """Sees to it that the programs are there which the tests need; raises Refused with the command that installs them."""
    from cutover.core.errors import Refused

    missing = {tool: package for tool, package in _wanted(pages=pages).items() if shutil.which(tool) is None}
    if not missing:
        return
    packages = sorted(set(missing.values()))
    if not install or os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Refused(
            f"the tests need {', '.join(missing)}", next_command=f"sudo apt-get install -y {' '.join(packages)}"
        )
    say(f"installing {' '.join(packages)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _programs_only():
        for command in (
            ["apt-get", "update", "-qq"],
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
        ):
            done = subprocess.run(command, env=quiet, capture_output=True, text=True, timeout=600, check=False)
            if done.returncode:
                raise Refused(f"{' '.join(command)} failed: {done.stderr.strip()[-400:]}")


@contextmanager
def _programs_only() -> Iterator[None]:
    """While it lasts, no package makes or starts a server of its own; afterwards everything is as before."""
    asked_already = NO_SERVICE.exists()
    if not asked_already:
        NO_SERVICE.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        NO_SERVICE.chmod(0o755)
    made = [folder for folder in (NO_CLUSTER.parent.parent, NO_CLUSTER.parent) if not folder.exists()]
    NO_CLUSTER.parent.mkdir(parents=True, exist_ok=True)
    NO_CLUSTER.write_text("create_main_cluster = false\n", encoding="utf-8")
    try:
        yield
    finally:
        NO_CLUSTER.unlink()
        if not asked_already:
            NO_SERVICE.unlink()
        for folder in reversed(made):
            with suppress(OSError):  # the package has put its own files there
                folder.rmdir()


def _wanted(*, pages: bool) -> dict[str, str]:
    release = Path("/etc/os-release")
    is_12 = release.exists() and {"ID=debian", 'VERSION_ID="12"'} <= set(
        release.read_text(encoding="utf-8").splitlines()
    )
    return {**DEBIAN, **(FOR_PAGES if pages else {}), **(DEBIAN_12 if is_12 else {})}


def run(command: list[str], environ: dict[str, str] | None = None) -> None:
    say("$ " + " ".join(["python", *command[1:]]))
    code = subprocess.run(command, env=environ, check=False).returncode
    if code:
        raise Exit(code=code if code in (2, 130, 143) else 1)
