"""The fault table: faults × places × outcome, with its figures, as one document and as Markdown; it grows piece by piece."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cutover.bench.figures import machine
from cutover.core.errors import Refused
from cutover.faults.catalogue import FAULTS
from cutover.faults.matrix import Tally
from cutover.faults.places import PLACES
from cutover.faults.schedule import cells

SCHEMA = "cutover.faults/2"
CELLS, DRAWN = "results", "drawn"
"""Where a document keeps what became of cells, and of schedules that were drawn from a seed."""
WORST = ("LOST", "DOUBLED", "TWO")


def document(tally: Tally, kind: str = CELLS) -> dict[str, Any]:
    """Everything of one run, for programs; seconds, and times since 1970."""
    results = [
        {
            "strikes": list(result.strikes), "leg": result.leg, "outcome": result.outcome, "typed": result.path,
            "problems": list(result.problems), "acknowledged_writes": result.acknowledged, "pause": result.gap,
            "seconds": result.seconds, "missed": list(result.missed), "began": round(result.began, 1),
        }
        for result in tally.results
    ]  # fmt: skip
    piece = {
        "began": round(tally.began, 1),
        "seconds": round((tally.ended or time.time()) - tally.began, 1),
        "version": version("cutover"),
        "machine": machine(),
    }
    found = {
        "schema": SCHEMA,
        "cells": tally.all_cells,
        "skipped": tally.skipped,
        "pieces": [piece],
        CELLS: [],
        DRAWN: [],
        kind: results,
    }
    return summed(found)


def joined(former: dict[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    """The record with what is new in it: a cell that was tried again has its newest outcome alone.

    A world that broke failed for all that was to be tried in it: that is over when each of these went well.
    """
    found = {**new, "cells": len(cells())}
    if former is not None:
        well = well_tried(former) | well_tried(new)
        began = {piece["began"] for piece in new["pieces"]}
        found["pieces"] = [piece for piece in former["pieces"] if piece["began"] not in began] + new["pieces"]
        for kind in (CELLS, DRAWN):
            again = {_key(one) for one in new[kind]}
            over = [one for one in former[kind] if one["problems"] and set(one["strikes"]) <= well]
            found[kind] = [one for one in former[kind] if _key(one) not in again and one not in over] + new[kind]
    return summed(found)


def read(path: Path) -> dict[str, Any] | None:
    """The record that is there, None without one; raises Refused for a file that is none."""
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["schema"] != SCHEMA:
            raise ValueError(f"its schema is {found['schema']!r}, not {SCHEMA!r}")
        return summed(found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(f"{path} is no record of faults: {error}", next_command=f"git restore {path}") from error


def well_tried(found: dict[str, Any] | None) -> set[str]:
    """The cells that need not be tried again: their place was reached, and nothing was wrong."""
    results = found[CELLS] if found else []
    return {one for result in results if not result["problems"] for one in result["strikes"]} - {
        one for result in results for one in result["missed"]
    }


def summed(found: dict[str, Any]) -> dict[str, Any]:
    """The document with its sums."""
    every = [*found[CELLS], *found[DRAWN]]
    reached = {one for result in found[CELLS] for one in result["strikes"] if one not in result["missed"]}
    return {
        **found,
        "tried": len(reached),
        "defects": sum(bool(one["problems"]) for one in every),
        "worst": sum(any(words.startswith(WORST) for words in one["problems"]) for one in every),
        "acknowledged_writes": sum(one["acknowledged_writes"] for one in every),
        "longest_pause": max((one["pause"] for one in every), default=0.0),
    }


def markdown(document: dict[str, Any]) -> str:
    """The table as `runbooks/faults.md` has it."""
    return "\n".join(_lines(document)) + "\n"


def _lines(found: dict[str, Any]) -> Iterator[str]:
    yield "# Faults"
    yield ""
    yield (
        "What became of a cutover, and of its way back, when something went wrong at a place of it. Each cell is one run on real servers"
        " with customers who buy all the time, taken on by the commands that it printed until it was at its end."
    )
    yield ""
    yield f"- {found['tried']} of {found['cells']} cells tried; {found['defects']} defects, {found['worst']} with a write lost or doubled, or with two writable sides"
    if found[DRAWN]:
        ways = len(found[DRAWN])
        yield f"- {ways} ways under two or three faults at once, drawn from seeds"
    yield f"- {found['acknowledged_writes']} acknowledged writes, every one looked for on the side that served at the end"
    yield f"- longest time without an acknowledged write: {found['longest_pause']:g} s; what the fault itself took is in it"
    for name, lacking in found["skipped"].items():
        yield f"- skipped: {name}: this machine lacks {lacking}"
    yield from _when(found["pieces"])
    yield ""
    yield "Again: `invoke faults --all --record`, what is missing: `--rest`, one cell: `invoke faults --only FAULT --at PLACE`."
    for leg, title in (("forward", "Forward"), ("back", "The way back")):
        yield ""
        yield from _table(found[CELLS], leg, title)
    if found[DRAWN]:
        yield ""
        yield from _drawn(found[DRAWN])
    yield ""
    yield from _faults_and_places()
    if defects := [one for one in [*found[CELLS], *found[DRAWN]] if one["problems"]]:
        yield ""
        yield from ("## Defects", "")
        for one in defects:
            yield f"- `{','.join(one['strikes'])}`: {'; '.join(_short(words) for words in one['problems'])} ({one['typed']})"


def _when(pieces: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """When and where, a line for each version and machine."""
    for tool, where in dict.fromkeys((piece["version"], piece["machine"]) for piece in pieces):
        mine = [piece for piece in pieces if (piece["version"], piece["machine"]) == (tool, where)]
        first, last = (time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(mine[at]["began"])) for at in (0, -1))
        spent = sum(piece["seconds"] for piece in mine) / 60
        when = f"from {first} on" if len(mine) == 1 else f"in {len(mine)} pieces that began from {first} to {last}"
        yield f"- tried {when}, {spent:.0f} minutes in all: version {tool}, {where}"


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


def _drawn(results: Iterable[dict[str, Any]]) -> Iterator[str]:
    yield from ("## Several at once", "")
    yield from ("| schedule | outcome | longest time without an acknowledged write |", "| --- | --- | --- |")
    for one in results:
        defect = "**DEFECT** " if one["problems"] else ""
        yield f"| `{','.join(one['strikes'])}` | {defect}{one['outcome']} | {one['pause']:.1f} s |"


def _faults_and_places() -> Iterator[str]:
    yield from ("## What is meant", "")
    for fault in FAULTS:
        yield f"- `{fault.name}`: {fault.why}"
    yield ""
    for place in PLACES:
        yield f"- `@{place.name}`: {place.why}"


def _key(one: dict[str, Any]) -> tuple[str, ...]:
    return (one["leg"], *one["strikes"])


def _short(words: str) -> str:
    return " ".join(words.split())[:300]
