"""The generated monitoring of one environment as files: the same bytes for the same triggers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from cutover.metrics.alert_rules import Alerts
from cutover.metrics.alertmanager import Level, Receiver, Route, configuration
from cutover.metrics.rule_tests import unit_tests

FIGURES, TRIGGERS, BASELINES, TESTS, ROUTES = (
    "figures.rules.yaml",
    "triggers.rules.yaml",
    "baselines.rules.yaml",
    "triggers.test.yaml",
    "alertmanager.yaml",
)


def files(
    alerts: Alerts,
    receivers: Mapping[str, Receiver],
    baselines: Mapping[str, float],
    routes: Sequence[Route] = (),
    levels: Sequence[Level] = (),
    by_hand: Sequence[str] = (),
) -> dict[str, str]:
    """Every file by its name; `alertmanager.yaml` is a whole configuration, to be merged into one's own."""
    return {
        FIGURES: alerts.figures_file(),
        TRIGGERS: alerts.alerts_file(),
        BASELINES: alerts.baselines_file(baselines),
        TESTS: unit_tests(alerts, TRIGGERS),
        ROUTES: configuration(alerts, receivers, routes, levels, by_hand),
    }


def write(found: Mapping[str, str], folder: Path) -> tuple[Path, ...]:
    """Writes what differs, and returns those paths; a second time nothing is written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in found.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            written.append(path)
    return tuple(written)


def stale(found: Mapping[str, str], folder: Path) -> tuple[str, ...]:
    """The names of the files that are missing or differ; nothing is written."""

    def current(name: str, text: str) -> bool:
        path = folder / name
        return path.exists() and path.read_text(encoding="utf-8") == text

    return tuple(name for name, text in found.items() if not current(name, text))
