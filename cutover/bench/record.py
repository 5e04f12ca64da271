"""The record of figures: what each kind of measurement said last, with machine and day, as JSON and as Markdown."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cutover.bench.figures import HEAD, Figures, Reference, Spread
from cutover.core.errors import ConfigurationRefused
from cutover.world.processes import write_atomically

SCHEMA = "cutover.benchmarks/1"
JSON, MARKDOWN = "benchmarks.json", "benchmarks.md"
INTRODUCTION = """\
# Figures

Written by `invoke bench --record`; `invoke bench KIND --record` takes one kind anew. Each figure is measured beside its reference in
the same run, by turns. Ratios hold from machine to machine, seconds and milliseconds do not: compare only what was taken in one run, at one load. A target that is
missed is a "no". What was found with care and with more rounds, and what is known of it, is in [BENCH.md](../BENCH.md).
"""


def record(directory: Path, what: str, figures: Figures) -> tuple[Path, Path]:
    """Puts these figures in the place of the last ones of their kind; the other kinds stay. Returns both files.

    Raises ConfigurationRefused where the record that is there cannot be read.
    """
    kinds = {**read(directory / JSON), what: {"at": _now(), **figures.document()}}
    directory.mkdir(parents=True, exist_ok=True)
    write_atomically(
        directory / JSON, json.dumps({"schema": SCHEMA, "kinds": kinds}, indent=1, ensure_ascii=False) + "\n"
    )
    write_atomically(directory / MARKDOWN, markdown(kinds))
    return directory / JSON, directory / MARKDOWN


def read(file: Path) -> dict[str, Any]:
    """The kinds that are recorded, none where there is no record."""
    if not file.exists():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if found["schema"] != SCHEMA:
            raise ValueError(f"schema {found['schema']!r}, wanted {SCHEMA!r}")
        return dict(found["kinds"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationRefused(
            [f"{file}: this is no record of figures: {error}"], next_command=f"git checkout {file}"
        ) from error


def markdown(kinds: Mapping[str, Any]) -> str:
    """All kinds for a reader, each with a table."""
    parts = [INTRODUCTION]
    for what, kind in kinds.items():
        parts.append(f"## {what}\n\n{kind['title']}, {kind['at']}. {kind['machine']}.\n")
        parts += [_table(lines) for lines in (kind["lines"], kind["growth"]) if lines]
    return "\n".join(parts)


def _table(lines: Sequence[Mapping[str, Any]]) -> str:
    rows = [HEAD, ("---",) * len(HEAD), *map(_cells, lines)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cells(line: Mapping[str, Any]) -> tuple[str, ...]:
    ours = line["ours"]
    references = [Reference(one["name"], _spread(one) if "samples" in one else None) for one in line["references"]]
    ratios = [f"{line['ratios'][one.name]:.2f}" for one in references if one.name in line["ratios"]]
    return (
        line["figure"],
        str(_spread(ours)) if ours else "–",
        "; ".join(map(str, references)),
        "; ".join(ratios),
        ", ".join(line["targets"]),
        {True: "yes", False: "no", None: ""}[line["met"]],
        f"{line['load']:.1f}",
        line["seen"],
    )


def _spread(said: Mapping[str, Any]) -> Spread:
    return Spread(tuple(said["samples"]), said["unit"])


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
