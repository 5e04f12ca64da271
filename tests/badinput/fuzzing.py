"""Runs one target under atheris, or once on the bytes of a file: `fuzzing.py TARGET SECONDS RUNS FOLDER`, `fuzzing.py TARGET --file FILE`.

What is found is written into FOLDER; libFuzzer's own exit code, 77, says that something was.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any


def main() -> None:
    """Reads the command line, which `invoke fuzz` writes."""
    target, *rest = sys.argv[1:]
    if rest[0] == "--file":
        from targets import TARGETS

        TARGETS[target].run(Path(rest[1]).read_bytes())
        return
    seconds, runs, folder = rest
    atheris: Any = import_module("atheris")  # it has no wheel everywhere, and no types

    with atheris.instrument_imports(include=["cutover", "yaml", "dns"]):
        from targets import TARGETS
    corpus = Path(folder, "corpus", target)
    corpus.mkdir(parents=True, exist_ok=True)
    for number, good in enumerate(TARGETS[target].begun_from):
        Path(corpus, f"good-{number}").write_bytes(good)
    limits = [f"-max_total_time={seconds}", f"-runs={runs}", "-timeout=60", "-rss_limit_mb=4096", "-max_len=16384"]
    found = f"-artifact_prefix={folder}/{target}-"
    atheris.Setup([sys.argv[0], *limits, found, "-print_final_stats=1", str(corpus)], TARGETS[target].run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
