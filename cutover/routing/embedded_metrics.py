"""What routers counted, as lines of JSON that CloudWatch Logs makes metrics of (Embedded Metric Format)."""

import json
import os
import re
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

from cutover.routing.events import Stream
from cutover.routing.exposition import BY_FLAG, BY_SIDE, HANGING, SIDES
from cutover.routing.histogram import GAMMA, SHORTEST, Histogram, upper
from cutover.routing.repeating import Repeating
from cutover.routing.router import snapshots
from cutover.routing.snapshot import RESPONSE_TIME, ROLLOUT_PERCENTAGE, Side, Snapshot

# The limits are those of "Specification: Embedded metric format" and of "CloudWatch service quotas" (CloudWatch user guide).
MOST_VALUES = 100
MOST_DIMENSIONS = 30
NAMESPACE = re.compile(r"[A-Za-z0-9._/#:-]{1,255}")
DIMENSION = re.compile(r"[!-9;-~][!-~]{0,254}")
VALUE = re.compile(r"(?=.*[!-~])[ -~]{1,1024}")
NOTHING = Side()


class EmbeddedMetrics:
    """Writes what was counted since the last time: for each flag a line, and one for each of its sides that did anything.

    `where` is a file, which is appended to, or a stream; without one it is standard output, as on Lambda and for most log
    drivers. Each process writes its own: CloudWatch adds up. `dimensions` are further ones of every metric, such as the
    service; each value is a metric to be paid for. `every` seconds a thread writes, and once more when the process ends; without
    it, call `write` (on Lambda: at the end of an invocation). Where writing fails, the next time makes up for it; if the failure
    came after a part was out, that part counts twice.

    Response times are Values and Counts, the middles of their bins, at most 2 % off, and at most 100 a line. The published
    specification speaks of numbers and of arrays of them; this shorter form is the one that AWS's exporter of OpenTelemetry
    (awsemf) sends. Raises ValueError for names that CloudWatch would refuse.
    """

    def __init__(
        self,
        where: str | os.PathLike[str] | Stream | None = None,
        *,
        namespace: str = "cutover",
        dimensions: Mapping[str, str] = MappingProxyType({}),
        read: Callable[[], Sequence[Snapshot]] = snapshots,
        every: float | None = None,
    ) -> None:
        _check(namespace, dimensions)
        self._where, self._namespace, self._dimensions, self._read = where, namespace, dict(dimensions), read
        self._before: Mapping[str, Snapshot] = {}
        self._lock = threading.Lock()
        self._repeating = (
            Repeating("cutover-embedded-metrics", self.write, every, forked=self._forked) if every is not None else None
        )

    def _forked(self) -> None:
        self._lock = threading.Lock()
        self._before = {}

    def close(self) -> None:
        """Writes once more and ends."""
        if self._repeating is not None:
            self._repeating.end()
        else:
            self.write()

    def write(self) -> None:
        """Writes what was counted since the last time; raises what the file or the stream raises."""
        with self._lock:
            now = {one.flag: one for one in self._read()}
            text = "".join(f"{line}\n" for one in now.values() for line in self._lines(one, self._before.get(one.flag)))
            self._append(text)
            self._before = now

    def _append(self, text: str) -> None:
        if isinstance(self._where, (str, os.PathLike)):
            with open(self._where, "a", encoding="utf-8") as file:
                file.write(text)
        else:
            stream = self._where if self._where is not None else sys.stdout
            stream.write(text)
            stream.flush()

    def _lines(self, now: Snapshot, before: Snapshot | None) -> list[str]:
        since = _since(now, before)
        values: dict[str, Any] = {ROLLOUT_PERCENTAGE: float(now.share), HANGING: now.hanging}
        values |= {name: getattr(since, word) for word, (name, _) in BY_FLAG.items()}
        lines = [self._line(now, {"flag": now.flag}, values)]
        for side, seen in zip(SIDES, (since.legacy, since.candidate), strict=True):
            if seen == NOTHING:
                continue
            about = {"flag": now.flag, "side": side}
            values = {name: getattr(seen, word) for word, (name, _) in BY_SIDE.items()}
            first, *more = _distributions(seen.response_time) or [{}]
            lines.append(self._line(now, about, values | ({RESPONSE_TIME: first} if first else {})))
            lines += [self._line(now, about, {RESPONSE_TIME: times}) for times in more]
        return lines

    def _line(self, now: Snapshot, about: Mapping[str, str], values: Mapping[str, Any]) -> str:
        targets = {**self._dimensions, **about}
        metrics = [{"Name": name, "Unit": UNITS.get(name, "Count")} for name in values]
        directive = {"Namespace": self._namespace, "Dimensions": [list(targets)], "Metrics": metrics}
        head = {"Timestamp": int(now.taken_at * 1000), "CloudWatchMetrics": [directive]}
        return json.dumps({"_aws": head, **targets, **values}, allow_nan=False)


UNITS = {ROLLOUT_PERCENTAGE: "Percent", RESPONSE_TIME: "Seconds"}
NAMES = {ROLLOUT_PERCENTAGE, RESPONSE_TIME, HANGING, *(name for one in (BY_SIDE, BY_FLAG) for name, _ in one.values())}


def _check(namespace: str, dimensions: Mapping[str, str]) -> None:
    if not NAMESPACE.fullmatch(namespace) or namespace.startswith("AWS/"):
        raise ValueError(
            f"{namespace!r} is no namespace of ours: 1 to 255 letters, digits and . _ - / # : and not AWS/…"
        )
    taken = {"_aws", "flag", "side"} | NAMES
    for name, value in dimensions.items():
        if name in taken or not DIMENSION.fullmatch(name):
            raise ValueError(
                f"{name!r} is no name of a dimension: 1 to 255 printable ASCII, not {', '.join(sorted(taken))}"
            )
        if not isinstance(value, str) or not VALUE.fullmatch(value):
            raise ValueError(f"{name}: {value!r} is no value of a dimension: 1 to 1024 printable ASCII")
    if len(dimensions) > MOST_DIMENSIONS - 2:
        raise ValueError(f"{len(dimensions)} dimensions, and flag and side: a metric has at most {MOST_DIMENSIONS}")


def _since(now: Snapshot, before: Snapshot | None) -> Snapshot:
    """What was counted after `before`; everything, where the counts began anew."""
    if before is None or before.began_at != now.began_at:
        return now
    legacy, candidate = _side(now.legacy, before.legacy), _side(now.candidate, before.candidate)
    counts = {word: getattr(now, word) - getattr(before, word) for word in BY_FLAG}
    if legacy is None or candidate is None or min(counts.values()) < 0:
        return now
    return replace(now, legacy=legacy, candidate=candidate, **counts)


def _side(now: Side, before: Side) -> Side | None:
    """None where a count fell."""
    counts = {
        one.name: getattr(now, one.name) - getattr(before, one.name)
        for one in fields(now)
        if one.name != "response_time"
    }
    times = now.response_time.counts
    bins = {number: count - before.response_time.counts.get(number, 0) for number, count in times.items()}
    if min([*counts.values(), *bins.values()]) < 0 or before.response_time.counts.keys() - times.keys():
        return None
    more = {number: count for number, count in bins.items() if count}
    return Side(**counts, response_time=Histogram(more))


def _distributions(times: Histogram) -> list[dict[str, Any]]:
    """All values with their counts, at most 100 at a time."""
    bins = sorted(times.counts.items())
    parts = []
    for begin in range(0, len(bins), MOST_VALUES):
        values = [
            (2 * upper(number) / (GAMMA + 1) if number else SHORTEST) for number, _ in bins[begin : begin + MOST_VALUES]
        ]
        counts = [count for _, count in bins[begin : begin + MOST_VALUES]]
        total = sum(value * count for value, count in zip(values, counts, strict=True))
        parts.append(
            {
                "Values": values,
                "Counts": counts,
                "Min": values[0],
                "Max": values[-1],
                "Count": sum(counts),
                "Sum": total,
            }
        )
    return parts
