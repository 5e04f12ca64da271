"""Snapshots as lines of JSON: a head that says how many follow, so that half a file is not taken for a whole one."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from math import isfinite
from typing import Any

from cutover.routing.flag import FlagWrong, parsed
from cutover.routing.histogram import BINS, Histogram
from cutover.routing.snapshot import Side, Snapshot

SCHEMA = "cutover.counts/1"
GRAIN = 2.0**-20
"""Seconds are rounded to multiples of this (about 1 µs). Sums of such numbers are exact up to 272 years, in whatever order
they are added: a sum that came out smaller by its last digit would be a counter that fell, and so began anew."""


@dataclass(frozen=True)
class Lines:
    """What one file holds."""

    snapshots: Mapping[str, Snapshot]
    names: frozenset[str]
    """The processes whose counts these are, where the file has those of ended ones."""


def written_lines(head: Mapping[str, Any], found: Iterable[Snapshot]) -> str:
    """The text of a file."""
    rows = [json.dumps(one.document(), allow_nan=False) for one in found]
    return "\n".join([json.dumps({"schema": SCHEMA, **head, "flags": len(rows)}), *rows]) + "\n"


def parsed_lines(text: str) -> Lines:
    """The other way; raises FlagWrong, also for counts that are none."""
    first, *rows = text.splitlines() or [""]
    head = parsed(first, "line 1")
    if not isinstance(head, dict) or head.get("schema") != SCHEMA:
        raise FlagWrong(f"line 1: schema is not {SCHEMA}")
    if head.get("flags") != len(rows):
        raise FlagWrong(f"{head.get('flags')} flags were written, {len(rows)} are there")
    names = head.get("names", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise FlagWrong("line 1: names is no list of names")
    found: dict[str, Snapshot] = {}
    for number, row in enumerate(rows, 2):
        try:
            one = exact(Snapshot.parse(row))
        except (FlagWrong, ValueError, OverflowError) as error:
            raise FlagWrong(f"line {number}: {error}") from error
        if one.flag in found:
            raise FlagWrong(f"line {number}: {one.flag} stands twice")
        found[one.flag] = one
    return Lines(found, frozenset(names))


def exact(one: Snapshot) -> Snapshot:
    """The snapshot with seconds that add up exactly; raises FlagWrong where a count is none."""
    if not isinstance(one.flag, str) or not one.flag:
        raise FlagWrong("a snapshot without a flag")
    if not 0 <= one.share <= 100:
        raise FlagWrong(f"{one.flag}: share is {one.share}")
    for number in (one.began_at, one.taken_at):
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not isfinite(number):
            raise FlagWrong(f"{one.flag}: {number!r} is no time")
    for name in ("hanging", "odd_keys", "compared", "mismatches", "skipped", "uncomparable"):
        _count(one.flag, name, getattr(one, name))
    return replace(one, legacy=_exact(one.flag, one.legacy), candidate=_exact(one.flag, one.candidate))


def _exact(flag: str, side: Side) -> Side:
    for field in fields(side):
        if field.name != "response_time":
            _count(flag, field.name, getattr(side, field.name))
    times = side.response_time
    for number, count in times.counts.items():
        _count(flag, "a bin", count)
        if not 0 <= number < BINS:
            raise FlagWrong(f"{flag}: there is no bin {number}")
    seconds = times.seconds
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not (isfinite(seconds) and seconds >= 0):
        raise FlagWrong(f"{flag}: {seconds!r} are no seconds")
    return replace(side, response_time=Histogram(times.counts, round(seconds / GRAIN) * GRAIN))


def _count(flag: str, name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise FlagWrong(f"{flag}: {name} is no count: {value!r}")
