"""What the program looks at: smoke tests that flap, figures that are absent, late or no number, and a notifier that hangs."""

import os
from pathlib import Path
from typing import Any

from cutover.faults.fault import IN_SHIFT, UNTIL_OVER, Act, Fault, Scene
from cutover.faults.ground import Ground
from cutover.faults.link import Mode

SMOKE: dict[str, Any] = {"smoke": {"blue": "env:SHOP_BLUE_URL", "green": "env:SHOP_GREEN_URL"}}
WATCHED: dict[str, Any] = {
    "metrics": {
        "sources": {"own": {"kind": "command", "variables": {"FIGURE": "env:FIGURE"}}},
        "figures": {
            "trouble": {"source": "own", "query": 'cat "$FIGURE"', "unit": "count", "side": "green", "step": "1s"}
        },
    },
    "triggers": {"trouble": {"when": "trouble > 5", "then": "rollback"}},
}
NOTIFIED: dict[str, Any] = {
    "notify": {"channels": {"own": {"kind": "webhook", "url": "env:NOTICES"}}, "patience": "2s", "flush": "3s"}
}


def _figure(ground: Ground) -> Path:
    return ground.root / "figure"


def _well(scene: Scene) -> None:
    _figure(scene.ground).unlink(missing_ok=True)
    _figure(scene.ground).write_text("0\n", encoding="utf-8")


def _absent(scene: Scene) -> None:
    _figure(scene.ground).unlink()


def _late(scene: Scene) -> None:
    """Whoever reads it waits for a writer that does not come."""
    _figure(scene.ground).unlink()
    os.mkfifo(_figure(scene.ground))


def _no_number(scene: Scene) -> None:
    _figure(scene.ground).write_text("NaN\n", encoding="utf-8")


def _given(ground: Ground) -> dict[str, str]:
    if not _figure(ground).exists():
        _figure(ground).write_text("0\n", encoding="utf-8")
    return {"FIGURE": str(_figure(ground))}


def _flapping(scene: Scene) -> Path:
    return scene.ground.repository / "smoke" / "flapping"


def _metrics(name: str, why: str, inject: Act) -> Fault:
    return Fault(name, why, inject, _well, environment="watched", words=WATCHED, variables=_given, first=IN_SHIFT)


FAULTS = (
    Fault(
        "smoke-flapping", "every second smoke test fails", lambda scene: _flapping(scene).touch(),
        lambda scene: _flapping(scene).unlink(missing_ok=True), UNTIL_OVER, environment="smoked", words=SMOKE,
        first=IN_SHIFT,
    ),
    _metrics("metrics-absent", "a figure that a trigger judges is not there", _absent),
    _metrics("metrics-late", "the source of a figure does not answer", _late),
    _metrics("metrics-nan", "a figure that a trigger judges is NaN", _no_number),
    Fault(
        "notifier-hanging", "the receiver of notices takes them and never answers",
        lambda scene: scene.ground.links["notices"].set(Mode.BLACK_HOLE),
        lambda scene: scene.ground.links["notices"].set(Mode.PASS),
        UNTIL_OVER, environment="notified", words=NOTIFIED,
        first=IN_SHIFT,
    ),
)  # fmt: skip
