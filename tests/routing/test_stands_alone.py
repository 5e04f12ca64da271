"""What a service team imports: the standard library and this package, and nothing that it does not need yet."""

import json
import os
import subprocess
import sys
from pathlib import Path

from cutover import routing

ROOT = Path(__file__).parents[2]
LOADED = """
import json, sys
before = set(sys.modules)
from cutover.routing import Router
print(json.dumps(sorted(set(sys.modules) - before)))
"""
# Slow to load, or with effects of its own when it is.
NOT_AT_ONCE = {
    "asyncio",
    "logging",
    "uuid",
    "ssl",
    "socket",
    "subprocess",
    "http",
    "random",
    "pathlib",
    "fcntl",
    "sqlite3",
}


def loaded(code: str) -> set[str]:
    """What a bare interpreter, without site packages, has loaded after it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    return set(json.loads(done.stdout))


def test_importing_it_loads_the_standard_library_and_nothing_else() -> None:
    found = loaded(LOADED)
    foreign = {
        name
        for name in found
        if name.split(".")[0] not in sys.stdlib_module_names and not f"{name}.".startswith("cutover.routing.")
    }
    assert foreign == {"cutover"} and "cutover.routing.router" in found
    assert not found & NOT_AT_ONCE


def test_everything_that_it_promises_is_there_and_loads_the_standard_library_only() -> None:
    found = loaded(LOADED.replace("import Router", "import *"))
    assert {name.split(".")[0] for name in found} - set(sys.stdlib_module_names) == {"cutover"}
    assert {name for name in found if name.startswith("cutover.")} == {
        name for name in found if f"{name}.".startswith("cutover.routing.")
    }
    assert all(getattr(routing, name) for name in routing.__all__)


def test_it_works_without_site_packages() -> None:
    code = """
import json
from cutover.routing import *
flags = Flags(MemoryStore(Flag(name="a", enabled=True, share=100, version=1)))
router = Router("a", legacy=str, candidate=repr, key=lambda one: one, flags=flags, dual_run=dual_run(sample=1.0))
print(json.dumps([router("x"), callable(dual_run)]))
"""
    assert loaded(code) == {"'x'", True}
