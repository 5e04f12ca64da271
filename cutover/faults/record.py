"""The fault table: faults × places × outcome, with its figures, as Markdown and as one document."""

import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any

from cutover.bench.figures import machine
from cutover.faults.catalogue import FAULTS
from cutover.faults.matrix import Tally
from cutover.faults.places import PLACES

SCHEMA = "cutover.faults/1"


def document(tally: Tally) -> dict[str, Any]:
    """Everything of one run, for programs; seconds, and times since 1970."""
    return {
        "schema": SCHEMA,
        "version": version("cutover"),
        "machine": machine(),
        "began": tally.began,
        "seconds": round(tally.ended - tally.began, 1),
        "cells": tally.all_cells,
        "tried": _tried(tally),
        "defects": len(tally.defects),
        "acknowledged_writes": sum(result.acknowledged for result in tally.results),
        "longest_pause": max((result.gap for result in tally.results), default=0.0),
        "skipped": tally.skipped,
        "results": [
            {
                "strikes": result.strikes, "leg": result.leg, "outcome": result.outcome, "typed": result.path,
                "problems": result.problems, "acknowledged_writes": result.acknowledged, "pause": result.gap,
                "seconds": result.seconds,
            }
            for result in tally.results
        ],
    }  # fmt: skip


def markdown(document: dict[str, Any]) -> str:
    """The table as `runbooks/faults.md` has it."""
    return "\n".join(_lines(document)) + "\n"


def _lines(found: dict[str, Any]) -> Iterator[str]:
    results = found["results"]
    lost = sum(any(words.startswith(("LOST", "DOUBLED", "TWO")) for words in one["problems"]) for one in results)
    yield "# Faults"
    yield ""
    yield (
        "What became of a cutover, and of its way back, when something went wrong at a place of it. Each cell is one run on real servers"
        " with customers who buy all the time, taken on by the commands that it printed until it was at its end."
    )
    yield ""
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(found["began"]))
    yield f"- {when}, {found['seconds'] / 60:.0f} minutes, version {found['version']}, {found['machine']}"
    yield f"- {found['tried']} of {found['cells']} cells tried; {found['defects']} defects, {lost} with a write lost or doubled, or with two writable sides"
    yield f"- {found['acknowledged_writes']} acknowledged writes, every one looked for on the side that served at the end"
    yield f"- longest time without an acknowledged write: {found['longest_pause']:g} s; what the fault itself took is in it"
    for name, lacking in found["skipped"].items():
        yield f"- skipped: {name}: this machine lacks {lacking}"
    yield ""
    yield "Again: `invoke faults --all --record`, one cell: `invoke faults --only FAULT --at PLACE`."
    for leg, title in (("forward", "Forward"), ("back", "The way back")):
        yield ""
        yield from _table(results, leg, title)
    yield ""
    yield from _faults_and_places()
    if defects := [one for one in results if one["problems"]]:
        yield ""
        yield from ("## Defects", "")
        for one in defects:
            yield f"- `{','.join(one['strikes'])}`: {'; '.join(_short(words) for words in one['problems'])} ({one['typed']})"


def _table(results: Iterable[dict[str, Any]], leg: str, title: str) -> Iterator[str]:
    places = [place.name for place in PLACES if (place.leg == "back") == (leg == "back")]
    cells: dict[tuple[str, str], str] = {}
    for one in results:
        for strike in one["strikes"]:
            fault, _, place = strike.partition("@")
            cells[fault, place] = f"{'**DEFECT** ' if one['problems'] else ''}{one['outcome']}, {one['pause']:.1f} s"
    yield from (f"## {title}", "")
    yield "What the program did, and the longest time without an acknowledged write; an empty cell was not tried."
    yield ""
    yield f"| fault | {' | '.join(places)} |"
    yield f"| --- |{' --- |' * len(places)}"
    for fault in FAULTS:
        yield f"| {fault.name} | {' | '.join(cells.get((fault.name, place), '') for place in places)} |"


def _faults_and_places() -> Iterator[str]:
    yield from ("## What is meant", "")
    for fault in FAULTS:
        yield f"- `{fault.name}`: {fault.why}"
    yield ""
    for place in PLACES:
        yield f"- `@{place.name}`: {place.why}"


def _tried(tally: Tally) -> int:
    return len({strike for result in tally.results for strike in result.strikes if strike not in result.missed})


def _short(words: str) -> str:
    return " ".join(words.split())[:300]
