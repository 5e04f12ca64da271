"""How soon the program is there: from the start of the process to its end, beside the interpreter and Invoke alone."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from cutover.bench.figures import BenchFailed, Limit, Line, Reference, Spread
from cutover.bench.staged import Staged

MOST = 500.0  # milliseconds
LONGEST = 120.0  # seconds for one start
COMMANDS: Mapping[str, Sequence[str]] = {
    "invoke --list": ("-m", "invoke", "--list"),
    "invoke --help cutover": ("-m", "invoke", "--help", "cutover"),
    "invoke plan --env local, no world": ("-m", "invoke", "plan", "--env", "local"),
}
BESIDE: Mapping[str, Sequence[str]] = {
    "python -c pass": ("-c", "pass"),
    "python -c 'import invoke'": ("-c", "import invoke"),
    "the imports of boto3, psycopg, pydantic, requests, dnspython": (
        "-c",
        "import boto3, psycopg, pydantic, requests, dns.resolver",
    ),
}


def starts(rounds: int, say: Callable[[str], None]) -> Iterator[Line]:
    """A line for each command; the first start of each is not counted, because it writes the bytecode."""
    found: dict[str, list[float]] = {name: [] for name in (*COMMANDS, *BESIDE)}
    with tempfile.TemporaryDirectory() as folder:
        stage = Staged(Path(folder))
        stage.make_folder()
        stage.environment("local")
        for number in range(rounds + 1):
            for name, words in {**COMMANDS, **BESIDE}.items():
                took = _started(stage, words)
                if number:
                    found[name].append(took)
    for name in COMMANDS:
        say(f"{name}: {Spread.of(found[name]).short()}")
        beside = [Reference(one, Spread.of(found[one])) for one in BESIDE]
        yield Line(f"from start to end of {name}", Spread.of(found[name]), beside, (Limit("median", MOST),))


def _started(stage: Staged, words: Sequence[str]) -> float:
    """Milliseconds; raises BenchFailed where it does not end well."""
    variables = {k: v for k, v in stage.variables().items() if k != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *words],
        cwd=stage.repository,
        env=variables,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    took = 1000 * (time.perf_counter() - began)
    if done.returncode:
        raise BenchFailed(f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-500:]}")
    return took
