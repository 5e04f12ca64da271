"""What the routers of all processes counted, read from where each shows it, and added up."""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from cutover.routing import FlagWrong, Side, Snapshot
from cutover.routing.histogram import Histogram

CONNECT_SECONDS, READ_SECONDS, WHOLE_SECONDS = 2.0, 3.0, 6.0
LARGEST = 4_000_000  # bytes of one document
AT_ONCE = 16


@dataclass(frozen=True)
class Counted:
    """The sum of what was read; None where nothing was. `shares` are those that hold, in percent, by place."""

    total: Snapshot | None
    oldest: float | None
    """When the oldest of them was taken, in seconds since the epoch."""
    shares: dict[str, float]
    unread: dict[str, str]
    """Places that could not be read, and why."""


def counted(flag: str, places: Sequence[str]) -> Counted:
    """The counts of one flag at these addresses and files; what cannot be read is said and stops nothing."""
    total: Snapshot | None = None
    oldest: float | None = None
    shares: dict[str, float] = {}
    unread: dict[str, str] = {}
    with ThreadPoolExecutor(min(AT_ONCE, len(places)) or 1) as pool:
        for place, found in zip(places, pool.map(lambda place: _read(flag, place), places), strict=True):
            if isinstance(found, str):
                unread[place] = found
                continue
            for one in found:
                total = one if total is None else total + one
                oldest = one.taken_at if oldest is None else min(oldest, one.taken_at)
            shares[place] = float(min(one.share for one in found))
    return Counted(total, oldest, shares, unread)


def since(before: Snapshot, now: Snapshot) -> Snapshot:
    """What was counted between the two; all of `now` where a count has fallen, because a process began anew."""
    try:
        legacy, candidate = _less(before.legacy, now.legacy), _less(before.candidate, now.candidate)
    except FlagWrong:
        return now
    return replace(now, legacy=legacy, candidate=candidate)


def _less(before: Side, now: Side) -> Side:
    counts = {
        word.name: getattr(now, word.name) - getattr(before, word.name)
        for word in fields(Side)
        if word.name != "response_time"
    }
    old, new = before.response_time, now.response_time
    bins = {number: new.counts.get(number, 0) - old.counts.get(number, 0) for number in {*old.counts, *new.counts}}
    if min([*counts.values(), *bins.values()], default=0) < 0:
        raise FlagWrong("a count has fallen")
    times = Histogram({number: count for number, count in bins.items() if count}, max(0.0, new.seconds - old.seconds))
    return Side(**counts, response_time=times)


def _read(flag: str, place: str) -> list[Snapshot] | str:
    """The snapshots of this flag in one document: one, or a list of them; else what is wrong."""
    try:
        text = _fetched(place) if place.startswith(("http://", "https://")) else _content(Path(place))
        document = json.loads(text)
        each = document if isinstance(document, list) else [document]
        found = [_sound(Snapshot.parse(json.dumps(one))) for one in each if _flag_of(one) == flag]
    except (requests.RequestException, HTTPError, OSError) as error:
        return getattr(error, "strerror", None) or f"does not answer ({type(error).__name__})"
    except (ValueError, ArithmeticError, RecursionError) as error:
        return f"is no snapshot: {str(error)[:200]}"
    return found or f"says nothing of {flag}"


def _flag_of(document: Any) -> Any:
    if not isinstance(document, dict):
        raise FlagWrong("snapshot: no object")
    return document.get("flag")


def _sound(one: Snapshot) -> Snapshot:
    """The snapshot, whose numbers are numbers that can be; raises FlagWrong."""
    counts: list[object] = [one.odd_keys, one.compared, one.mismatches, one.skipped, one.uncomparable]
    for side in (one.legacy, one.candidate):
        counts += [getattr(side, word.name) for word in fields(Side) if word.name != "response_time"]
        counts += [*side.response_time.counts, *side.response_time.counts.values()]
    if any(isinstance(count, bool) or not isinstance(count, int) or count < 0 for count in counts):
        raise FlagWrong("snapshot: a count is none")
    if not all(isinstance(at, (int, float)) and 0 <= at < 1e11 for at in (one.began_at, one.taken_at)):
        raise FlagWrong("snapshot: a time is none")
    if not 0 <= one.share <= 100:
        raise FlagWrong("snapshot: the share is none")
    return one


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        found = file.read(LARGEST + 1)
    if len(found) > LARGEST:
        raise ValueError(f"larger than {LARGEST} bytes")
    return found


def _fetched(url: str) -> bytes:
    end = time.monotonic() + WHOLE_SECONDS
    with requests.get(url, timeout=(CONNECT_SECONDS, READ_SECONDS), stream=True, allow_redirects=False) as answer:
        if answer.status_code != 200:
            raise ValueError(f"the answer is {answer.status_code}")
        body = b""
        while chunk := answer.raw.read1(65_536, decode_content=True):
            body += chunk
            if len(body) > LARGEST or time.monotonic() > end:
                raise ValueError("the answer is too long, or too slow")
    return body
