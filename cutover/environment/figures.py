"""Which figures an environment has, read from plain data."""

from collections.abc import Mapping
from typing import Any

from cutover.environment.measured import DELAYS, PRESETS, STEPS
from cutover.environment.plain_data import at, items, seconds_of
from cutover.metrics.figures import Known, Side

_SIDES: Mapping[str, Side] = {"blue": "blue", "green": "green", "both": "both"}
NO_BASELINE = (
    "has no baseline: before the cutover green's database has no rows; leave out `side: green`, and blue's is taken"
)
STEP = 15.0  # seconds between two samples, where neither the figure nor the kind of its source says more


def known_figures(data: Mapping[str, Any]) -> Mapping[str, Known]:
    """The figures under `metrics.figures`, with unit, side, step and delay as they are meant where they are not written."""
    sources = at(data, "metrics", "sources")
    known: dict[str, Known] = {}
    for name, entry in items(at(data, "metrics", "figures")):
        side = str(at(entry, "side") or "both")
        if side not in _SIDES:
            continue
        source = at(sources, str(at(entry, "source")))
        kind = str(at(source, "kind"))
        known[name] = Known(
            _unit(entry, kind),
            _SIDES[side],
            seconds_of(at(entry, "step"), STEPS.get(kind, STEP)) or STEP,
            seconds_of(at(source, "delay"), DELAYS.get(kind, 0.0)) or 0.0,
        )
    return known


def empty_before(data: Mapping[str, Any]) -> frozenset[str]:
    """The figures that are asked of green's own database alone: before the cutover there are no rows in it."""
    if at(data, "shared_database"):
        return frozenset()
    sources = at(data, "metrics", "sources")
    return frozenset(
        name
        for name, entry in items(at(data, "metrics", "figures"))
        if str(at(entry, "side")) == "green" and str(at(at(sources, str(at(entry, "source"))), "kind")) == "postgres"
    )


def _unit(entry: object, kind: str) -> str:
    written = at(entry, "unit")
    preset = PRESETS.get(kind, {}).get(str(at(entry, "preset")))
    unit = str(written) if written else preset.unit if preset is not None else "count"
    return "" if unit == "count" else unit
