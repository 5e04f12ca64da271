"""What stands in the twin for figures whose source is not there, and for commands that ask the outside."""

from collections.abc import Mapping
from typing import Any

from cutover.environment.checklist import quantity
from cutover.rehearsal.words import ADDRESS, OUTSIDE, Words

TWIN, OUTSIDER = "twin", "stand-in"
"""The sources that the twin has beside the environment's: its own Prometheus, and a constant in place of what has no twin."""
SCRAPED = 2.0  # seconds
_OF_SIDE = 'side="{side}"'
_ANSWERED = f'shop_requests_total{{{_OF_SIDE},route=~"/api/.*|/creators/.*"}}'
_P = "1000 * histogram_quantile({share}, sum by (le) (rate(shop_request_seconds_bucket{{{side}}}[10s])))"
BALANCER_FIGURES: Mapping[str, tuple[str, str]] = {
    "alb-request-rate": (f"sum(rate({_ANSWERED}[10s]))", "/s"),
    "alb-error-rate": (
        f'100 * (sum(rate(shop_requests_total{{{_OF_SIDE},status=~"5.."}}[10s])) or vector(0)) / sum(rate({_ANSWERED}[10s]))',
        "%",
    ),
    **{f"alb-p{n}": (_P.format(share=n / 100, side=_OF_SIDE), "ms") for n in (50, 95, 99)},
}
"""Presets of CloudWatch about a load balancer, as the twin's Prometheus counts the same."""


def stand_ins(words: Words, *, watched: bool) -> None:
    """Rewrites figures and the lines of both checklists; with `watched` the twin has a Prometheus."""
    _sources(words, watched)
    _figures(words, watched)
    for part in ("readiness", "checklist"):
        for number, line in enumerate(words.at(part) or ()):
            if "command" in line:
                words.put((part, number, "command"), f"echo {_allowed(line)}", OUTSIDE)
                words.put((part, number, "variables"), {}, OUTSIDE)
                words.leave_out(
                    f"{part}.{line['name']}", "its command asks the outside; a script answers that it is well"
                )


def _sources(words: Words, watched: bool) -> None:
    for name, source in (words.at("metrics", "sources") or {}).items():
        place = ("metrics", "sources", name)
        match source["kind"]:
            case "probe":
                for side in ("blue", "green"):
                    words.put((*place, side), f"env:SHOP_{side.upper()}_URL", ADDRESS)
                words.put((*place, "ca"), None, ADDRESS)
            case "prometheus" if watched:
                for key in ("token", "user", "password", "ca", "rules"):
                    words.put((*place, key), None, ADDRESS)
                words.put((*place, "url"), "env:SHOP_PROMETHEUS_URL", ADDRESS)
                words.at_most((*place, "delay"), SCRAPED)


def _figures(words: Words, watched: bool) -> None:
    kinds = {name: source["kind"] for name, source in (words.at("metrics", "sources") or {}).items()}
    for name, figure in (words.at("metrics", "figures") or {}).items():
        place, kind = ("metrics", "figures", name), kinds[figure["source"]]
        if kind in ("postgres", "probe") or (kind == "prometheus" and watched):
            if "step" in figure:
                words.at_most((*place, "step"), 1.0)
            continue
        if watched and kind == "cloudwatch" and figure.get("preset") in BALANCER_FIGURES:
            query, unit = BALANCER_FIGURES[figure["preset"]]
            _source(words, TWIN, {"kind": "prometheus", "url": "env:SHOP_PROMETHEUS_URL", "delay": SCRAPED})
            _asks(words, place, figure, TWIN, query, unit)
            words.leave_out(
                f"CloudWatch's figure {name}", "the twin's Prometheus, which scrapes both shops, stands for it"
            )
            continue
        _source(words, OUTSIDER, {"kind": "command"})
        _asks(words, place, figure, OUTSIDER, f": {{side}}; echo {_kept(words, name)}", words.units[name])
        words.leave_out(
            f"the figure {name}", f"there is no {kind} in the twin; a constant that keeps its bounds stands for it"
        )


def _source(words: Words, name: str, source: Mapping[str, Any]) -> None:
    words.put(("metrics", "sources", name), dict(source), ADDRESS)


def _asks(words: Words, place: tuple[str, ...], figure: Mapping[str, Any], source: str, query: str, unit: str) -> None:
    now = {"source": source, "query": query, "unit": figure.get("unit") or unit, "side": figure["side"], "step": 1.0}
    words.put(place, now, OUTSIDE if source == OUTSIDER else ADDRESS)


def _kept(words: Words, name: str) -> str:
    """A value that keeps every bound under which a checklist has the figure."""
    lines = [line for part in ("readiness", "checklist") for line in words.at(part) or () if line.get("figure") == name]
    return _allowed(lines[0], words.units[name]) if lines else "0"


def _allowed(line: Mapping[str, Any], unit: str = "") -> str:
    """The number at the line's bound, in that unit where there is one; 0 for a line without one."""
    bound = line.get("at_least") or line.get("at_most")
    if bound is None:
        return "0"
    read = quantity(str(bound))
    return f"{read.in_unit(unit) if unit else read.value:g}"
