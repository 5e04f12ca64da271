"""What routers counted, as Prometheus reads it: the text format, version 0.0.4."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate

from cutover.routing.histogram import BINS, upper
from cutover.routing.snapshot import (
    ERRORS_TOTAL,
    FALLBACKS_TOTAL,
    REQUESTS_TOTAL,
    RESPONSE_TIME,
    ROLLOUT_PERCENTAGE,
    Side,
    Snapshot,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
EACH = 8
"""Bins of a histogram that make one bucket here: from bucket to bucket the time grows by 38 %."""
BOUNDS = tuple(range(EACH - 1, BINS - 1, EACH))
"""The last bin of each bucket; what lies above, and all of the last bin, which has no end, is in +Inf."""
LE = tuple(f"{upper(number):.6g}" for number in BOUNDS)
SIDES = ("legacy", "candidate")

BY_SIDE: Mapping[str, tuple[str, str]] = {
    "requests": (REQUESTS_TOTAL, "Calls of this side's function that ended."),
    "errors": (ERRORS_TOTAL, "Of the requests, those that raised or ran out of their time."),
    "timeouts": ("cutover.timeouts_total", "Of the errors, those that ran out of their time."),
    "fallbacks": (FALLBACKS_TOTAL, "Keys that the flag gave to this side and the other one answered."),
    "spared": ("cutover.spared_total", "Of the fallbacks, those without a call of this side."),
    "shadows": ("cutover.shadows_total", "Of the requests, those of dual runs whose answer nobody got."),
}
BY_FLAG: Mapping[str, tuple[str, str]] = {
    "odd_keys": ("cutover.odd_keys_total", "Keys that could not be had or hashed: legacy answered."),
    "compared": ("cutover.compared_total", "Dual runs whose results were compared."),
    "mismatches": ("cutover.mismatches_total", "Of these, those whose results differ."),
    "skipped": ("cutover.skipped_total", "Dual runs that were chosen and not made or not finished."),
    "uncomparable": ("cutover.uncomparable_total", "Dual runs whose comparator raised or took too long."),
}
HANGING = "cutover.hanging"


def name_of(metric: str) -> str:
    """The name of a metric for Prometheus, which knows no dots."""
    return metric.replace(".", "_")


def exposition(
    found: Sequence[Snapshot],
    *,
    gone: Collection[str] = (),
    gauges: Mapping[str, tuple[str, float]] | None = None,
    remarks: Sequence[str] = (),
) -> str:
    """The text of one scrape; each flag stands in `found` once.

    `gone` are the flags that no living process has: their counters stay, their share is not known. `gauges` are further ones
    without labels, by name, with help and value; `remarks` become comments.
    """
    lines = [f"# cutover: {_one_line(remark)}" for remark in remarks]
    alive = [one for one in found if one.flag not in gone]
    lines += _family(
        ROLLOUT_PERCENTAGE,
        "gauge",
        "Share of the keys that the candidate answers, in percent; the smallest where processes differ.",
        ((_labels(one.flag), f"{one.share.normalize():f}") for one in alive),
    )
    for field, (name, words) in BY_SIDE.items():
        samples = ((_labels(flag, side), str(getattr(seen, field))) for flag, side, seen in _sides(found))
        lines += _family(name, "counter", words, samples)
    lines += _response_times(found)
    for field, (name, words) in BY_FLAG.items():
        lines += _family(name, "counter", words, ((_labels(one.flag), str(getattr(one, field))) for one in found))
    words = "Calls that ran out of their budget and have not ended yet."
    lines += _family(HANGING, "gauge", words, ((_labels(one.flag), str(one.hanging)) for one in alive))
    for name, (words, value) in (gauges or {}).items():
        lines += _family(name, "gauge", words, [("", f"{value:g}".replace("inf", "+Inf"))])
    return "".join(f"{line}\n" for line in lines)


def _family(name: str, kind: str, words: str, samples: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> list[str]:
    name = name_of(name)
    rows = [f"{name}{labels} {value}" for labels, value in samples]
    return [f"# HELP {name} {_one_line(words)}", f"# TYPE {name} {kind}", *rows] if rows else []


def _response_times(found: Sequence[Snapshot]) -> list[str]:
    name = name_of(RESPONSE_TIME)
    lines = []
    for flag, side, seen in _sides(found):
        times = seen.response_time
        below = list(accumulate(times.counts.get(number, 0) for number in range(BINS)))
        for number, le in zip(BOUNDS, LE, strict=True):
            lines.append(f"{name}_bucket{_labels(flag, side, le)} {below[number]}")
        lines.append(f"{name}_bucket{_labels(flag, side, '+Inf')} {below[-1]}")
        lines.append(f"{name}_sum{_labels(flag, side)} {times.seconds!r}")
        lines.append(f"{name}_count{_labels(flag, side)} {below[-1]}")
    words = "Time until a call of this side's function ended, in seconds."
    return [f"# HELP {name} {words}", f"# TYPE {name} histogram", *lines] if lines else []


def _sides(found: Sequence[Snapshot]) -> Iterator[tuple[str, str, Side]]:
    for one in found:
        yield one.flag, SIDES[0], one.legacy
        yield one.flag, SIDES[1], one.candidate


def _labels(flag: str, side: str = "", le: str = "") -> str:
    pairs = [("flag", flag), ("side", side), ("le", le)]
    return "{" + ",".join(f'{name}="{_quoted(value)}"' for name, value in pairs if value) + "}"


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _one_line(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").split())
