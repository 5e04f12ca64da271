"""Which charts the page has: the views of the dashboards, each figure with both sides, and where its bounds are."""

from typing import Any

from cutover.app import App
from cutover.dashboards import dashboards_of
from cutover.metrics.views import INFRASTRUCTURE


def charts(app: App) -> list[dict[str, Any]]:
    """By view its title and figures; what a view lacks is said. The infrastructure's panels are the dashboards' alone."""
    if not app.environment.metrics.figures:
        return []
    return [
        {
            "title": view.title,
            "absent": list(view.absent),
            "panels": [
                {
                    "title": panel.title,
                    "figure": panel.figure.name,
                    "unit": panel.figure.unit,
                    "warn": panel.warn,
                    "critical": panel.critical,
                }
                for panel in view.panels
            ],
        }
        for view in dashboards_of(app).views
        if view.title != INFRASTRUCTURE
    ]
