"""The house's floors, read from the imports: they point down only, adapters keep apart, and names say what is inside."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOUSE = ROOT / "cutover"

FLOORS = {
    "core": 0,
    "postgres": 1,
    "aws": 1,
    "net": 1,
    "flags": 1,  # the flags by which applications route, through the routing library
    "machine": 1,  # this machine: its files, and the commands that a person wrote for it
    "metrics": 1,
    "notify": 1,
    "state": 1,
    "environment": 2,
    "plans": 2,
    "runbook": 4,
    "report": 4,
    "console": 4,
    "cli": 5,
}
# Beside the house: the local world, the library that applications import, figures, the model that the engine is tried in, and
# the twin of an environment in which its plan is rehearsed, and what goes wrong around a cutover.
ANNEXES = {"world", "routing", "bench", "simulation", "rehearsal", "faults"}
WIRING = 3  # a module that lies in cutover/ itself, as app.py does
ADAPTERS = {name for name, floor in FLOORS.items() if floor == 1}
# Who may import what else of the same floor, and why: a plan is built from a checked environment; text gets into Markdown, and
# files onto the disk, in one way.
SAME_FLOOR = {("plans", "environment"), ("report", "runbook")}
# One technology, one place: these packages are imported by their own adapter (and by the world, which runs the servers; and by
# the routing library, whose stores are in other people's applications, where no adapter is: inside of functions only).
TECHNOLOGIES = {
    "psycopg": {"postgres", "world", "bench", "routing", "rehearsal", "faults"},  # rehearsal: fills the twin's tables
    "boto3": {"aws", "world", "routing"},
    "botocore": {"aws", "world", "routing"},
    "moto": {"world"},
    "aiohttp": {"world"},
    "dns": {"net", "world"},
    "sqlite3": {"state", "routing", "bench"},  # bench: the bare write beside the journal's
    "redis": {"routing"},
    "yaml": {
        "environment",
        "aws",
        "metrics",
        "bench",
    },  # aws: the bounds of a parameter, from a template; metrics: Prometheus' own files; bench: a committed environment, changed
    "jinja2": {"runbook", "report", "console"},
    "markdown_it": {"runbook"},
    "invoke": {"cli"},
    "starlette": {"console", "routing"},  # routing: an example of what mounts its exporter
    "uvicorn": {"console"},
    "h11": {"console"},
}
VAGUE = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
LONGEST, LONGEST_TEST = 300, 400


@dataclass(frozen=True)
class Import:
    file: Path
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module}"


def room(module: str) -> str:
    """`cutover.aws.session` lies in `aws`, `cutover.app` in `app`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def floor(name: str) -> int:
    return FLOORS.get(name, WIRING)


def imports(folder: Path = HOUSE) -> Iterator[Import]:
    for file in sorted(folder.rglob("*.py")):
        here = file.relative_to(ROOT).with_suffix("").parts
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(file, node.lineno, alias.name)
            elif isinstance(node, ast.ImportFrom):
                start = ".".join(here[: len(here) - node.level]) if node.level else ""
                module = ".".join(part for part in (start, node.module) if part)
                if module == "cutover":
                    for alias in node.names:
                        yield Import(file, node.lineno, f"cutover.{alias.name}")
                else:
                    yield Import(file, node.lineno, module)


def own(found: Import) -> str:
    parts = found.file.relative_to(HOUSE).parts
    return parts[0] if len(parts) > 1 else parts[0].removesuffix(".py")


ALL = list(imports())
INSIDE = [found for found in ALL if found.module == "cutover" or found.module.startswith("cutover.")]


def test_the_reader_reads() -> None:
    assert len(INSIDE) > 100 and {room(found.module) for found in INSIDE} >= {"core", "aws", "postgres"}


def none(broken: list[Import]) -> None:
    assert not broken, "\n" + "\n".join(map(str, broken))


def test_every_room_has_a_floor() -> None:
    rooms = {path.name for path in HOUSE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert rooms <= FLOORS.keys() | ANNEXES, "a new room needs its floor here, and a line in the design"


def test_the_engine_uses_the_standard_library_only() -> None:
    none(
        [
            found
            for found in ALL
            if own(found) == "core"
            and room(found.module) != "core"
            and found.module.split(".")[0] not in sys.stdlib_module_names
        ]
    )


def test_imports_point_down_only() -> None:
    def allowed(user: str, used: str) -> bool:
        if user == used or user in ANNEXES or used in ANNEXES or not used:
            return True
        if (user, used) in SAME_FLOOR or (floor(user) == floor(used) == WIRING):
            return True
        return floor(used) < floor(user)

    none([found for found in INSIDE if not allowed(own(found), room(found.module))])


def test_adapters_know_the_engine_and_nothing_else() -> None:
    may = {"flags": {"routing"}}  # a flag that applications read is to be written by what they read it with
    none(
        [
            found
            for found in INSIDE
            if own(found) in ADAPTERS and room(found.module) not in {own(found), "core", *may.get(own(found), ())}
        ]
    )


def test_the_world_is_imported_by_the_command_line_only_and_knows_nothing_above_the_adapters() -> None:
    none(
        [
            found
            for found in INSIDE
            if room(found.module) == "world" and own(found) not in {"world", "bench", "rehearsal", "faults", "cli"}
        ]
    )
    none(
        [
            found
            for found in INSIDE
            if own(found) == "world"
            and room(found.module) not in {"world", "routing"}
            and floor(room(found.module)) > 2
        ]
    )


def test_figures_are_measured_from_the_command_line_only() -> None:
    none([found for found in INSIDE if room(found.module) == "bench" and own(found) not in {"bench", "faults", "cli"}])


def test_what_rehearses_is_imported_by_the_command_line_only() -> None:
    none([found for found in INSIDE if room(found.module) == "rehearsal" and own(found) not in {"rehearsal", "cli"}])


def test_the_model_knows_the_engine_and_nothing_else() -> None:
    none([found for found in INSIDE if own(found) == "simulation" and room(found.module) not in {"simulation", "core"}])
    none([found for found in INSIDE if room(found.module) == "simulation" and own(found) not in {"simulation", "cli"}])


def test_the_routing_library_stands_alone() -> None:
    none([found for found in INSIDE if own(found) == "routing" and room(found.module) != "routing"])
    users = {"routing", "flags", "bench", "world"}
    none([found for found in INSIDE if room(found.module) == "routing" and own(found) not in users])


def test_importing_the_routing_library_needs_the_standard_library_only() -> None:
    """What an extra brings is imported inside the functions that need it; but for the examples, which nothing imports."""
    at_once = {
        (file, node.lineno)
        for file in sorted((HOUSE / "routing").rglob("*.py"))
        if file.parent.name != "examples"
        for node in _at_once(ast.parse(file.read_text()))
    }
    none(
        [
            found
            for found in ALL
            if (found.file, found.line) in at_once
            and found.module.split(".")[0] not in {*sys.stdlib_module_names, "cutover"}
        ]
    )


def test_nothing_imports_the_examples() -> None:
    examples = HOUSE / "routing" / "examples"
    none([found for found in INSIDE if "routing.examples" in found.module and found.file.parent != examples])


def _at_once(node: ast.AST) -> Iterator[ast.stmt]:
    """The imports that loading the module runs: not those inside functions, nor those for type checkers."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, (ast.Import, ast.ImportFrom)):
            yield inner
        elif isinstance(inner, ast.If) and getattr(inner.test, "id", "") == "TYPE_CHECKING":
            continue
        elif not isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _at_once(inner)


@pytest.mark.parametrize("technology", sorted(TECHNOLOGIES))
def test_a_technology_has_one_place(technology: str) -> None:
    none(
        [
            found
            for found in ALL
            if found.module.split(".")[0] == technology and own(found) not in TECHNOLOGIES[technology]
        ]
    )


def test_no_import_hides_behind_a_string() -> None:
    """`import_module("…")` and `__import__` would pass by unseen."""
    broken = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in sorted(HOUSE.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and (getattr(node.func, "id", "") == "__import__" or getattr(node.func, "attr", "") == "import_module")
    ]
    assert not broken


def python_files() -> Iterator[Path]:
    for folder in (HOUSE, ROOT / "tests", ROOT / "smoke"):
        yield from sorted(folder.rglob("*.py"))


def test_no_two_files_of_tests_have_one_name() -> None:
    """The folders are no packages, so that the second one would not be collected."""
    names = [path.name for path in sorted((ROOT / "tests").rglob("test_*.py"))]
    assert len(set(names)) == len(names), sorted(name for name in set(names) if names.count(name) > 1)


def test_names_say_what_is_inside() -> None:
    vague = [path for path in python_files() if VAGUE & {path.stem, *path.relative_to(ROOT).parts[:-1]}]
    assert not vague


def test_a_file_past_the_limit_is_asking_to_be_two() -> None:
    long = {}
    for path in python_files():
        lines = len(path.read_text().splitlines())
        if lines > (LONGEST if HOUSE in path.parents else LONGEST_TEST):
            long[str(path.relative_to(ROOT))] = lines
    assert not long
