"""What stands in the twin for figures whose source is not there, and for commands that ask the outside."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover.environment import Environment
from cutover.metrics.rule import Rule
from cutover.rehearsal import shop_has
from cutover.rehearsal.constants import allowed, constant
from cutover.rehearsal.shop_has import NotThere
from cutover.rehearsal.spans import Shorter
from cutover.rehearsal.words import ADDRESS, OUTSIDE, TIME, Words
from cutover.world.faults import SHOPS
from cutover.world.shop_log import file_of

TWIN, OUTSIDER = "twin", "stand-in"
"""The sources that the twin has beside the environment's: its own Prometheus, and a constant in place of what has no twin."""
SCRAPED = 2.0
STEP, STEP_OF_SQL = 1.0, 2.0
WRITTEN = 1.0
"""In seconds: how old a sample of the twin's Prometheus may be, the distance of samples, and how late a line of a log may come."""
LOGS = "access"
"""In the twin's repository: the folder of its shops' access logs."""
_OF_SIDE = 'side="{side}"'
_ANSWERED = f'shop_requests_total{{{_OF_SIDE},route=~"/api/.*|/creators/.*"}}'
_RATE = f"sum(rate({_ANSWERED}[10s]))"
_ERRORS = f'100 * (sum(rate(shop_requests_total{{{_OF_SIDE},status=~"5.."}}[10s])) or vector(0)) / {_RATE}'
NOISE = 100.0
"""In milliseconds: what answers sooner counts as this long, because a machine that runs the whole world answers unevenly."""
_P = "clamp_min(1000 * histogram_quantile({share}, sum by (le) (rate(shop_request_seconds_bucket{{{side}}}[10s]))), {noise:g})"
_QUANTILES = {n: (_P.format(share=n / 100, side=_OF_SIDE, noise=NOISE), "ms") for n in (50, 95, 99)}
BALANCER_FIGURES: Mapping[str, tuple[str, str]] = {
    "alb-request-rate": (_RATE, "/s"),
    "alb-error-rate": (_ERRORS, "%"),
    **{f"alb-p{n}": query for n, query in _QUANTILES.items()},
}
"""Presets of CloudWatch about a load balancer, as the twin's Prometheus counts the same."""
SCRAPED_FIGURES: Mapping[str, tuple[str, str]] = {
    "request-rate": (_RATE, "/s"),
    "error-rate": (_ERRORS, "%"),
    **{f"p{n}": query for n, query in _QUANTILES.items()},
    "memory": (f"sum(process_resident_memory_bytes{{{_OF_SIDE}}})", "bytes"),
    "cpu": (f"sum(rate(process_cpu_seconds_total{{{_OF_SIDE}}}[10s]))", "cores"),
    "up": (f"100 * avg(up{{{_OF_SIDE}}})", "%"),
}
"""Presets of Prometheus about a job or the routing library, of the twin's shops."""


def stand_ins(
    words: Words, environment: Environment, rules: Sequence[Rule], shorter: Shorter, *, watched: bool
) -> None:
    """Rewrites figures and the lines of both checklists; with `watched` the twin has a Prometheus.

    `rules` are the environment's own triggers, which a constant must keep well.
    """
    figures = _Figures(words, environment, rules, shorter, watched)
    figures.sources()
    figures.rewrite()
    for part in ("readiness", "checklist"):
        for number, line in enumerate(words.at(part) or ()):
            if "command" in line:
                words.put((part, number, "command"), f"echo {allowed(line)}", OUTSIDE)
                words.put((part, number, "variables"), {}, OUTSIDE)
                words.leave_out(
                    f"{part}.{line['name']}", "its command asks the outside; a script answers that it is well"
                )
    figures.spare()


@dataclass(frozen=True)
class _Figures:
    words: Words
    environment: Environment
    rules: Sequence[Rule]
    shorter: Shorter
    watched: bool

    def sources(self) -> None:
        """Where the twin has a source of the same kind, its address."""
        for name, source in (self.words.at("metrics", "sources") or {}).items():
            place = ("metrics", "sources", name)
            match source["kind"]:
                case "probe":
                    for side in ("blue", "green"):
                        self.words.put((*place, side), f"env:SHOP_{side.upper()}_URL", ADDRESS)
                    self.words.put((*place, "ca"), None, ADDRESS)
                case "prometheus" if self.watched:
                    for key in ("token", "user", "password", "ca", "rules"):
                        self.words.put((*place, key), None, ADDRESS)
                    self.words.put((*place, "url"), "env:SHOP_PROMETHEUS_URL", ADDRESS)
                    self.words.at_most((*place, "delay"), SCRAPED)
                case "json-lines":
                    for side, shop in SHOPS.items():
                        self.words.put((*place, side), f"{LOGS}/{file_of(shop)}", ADDRESS)
                    self.words.put((*place, "time"), "time", ADDRESS)
                    self.words.at_most((*place, "delay"), WRITTEN)

    def rewrite(self) -> None:
        """Each figure: asked as it is, asked of what the twin has instead, or a constant."""
        kinds = {name: source.kind for name, source in self.environment.metrics.sources.items()}
        for name, figure in (self.words.at("metrics", "figures") or {}).items():
            kind, preset = kinds[figure["source"]], figure.get("preset")
            if kind in ("postgres", "probe"):
                self._sampled(name, STEP_OF_SQL if kind == "postgres" else STEP)
            elif kind == "cloudwatch" and self.watched and preset in BALANCER_FIGURES:
                self._scraped(name, figure, *BALANCER_FIGURES[preset], f"CloudWatch's figure {name}")
            elif kind == "prometheus" and self.watched and preset in SCRAPED_FIGURES:
                self._scraped(name, figure, *SCRAPED_FIGURES[preset], f"Prometheus' figure {name}")
            elif (why := self._as_it_is(name, kind)) is not None:
                self._constant(name, figure, why)

    def spare(self) -> None:
        """Takes out the sources that nothing asks any more."""
        asked = {figure["source"] for figure in (self.words.at("metrics", "figures") or {}).values()}
        asked.add(self.words.at("comparison", "source"))
        for name in list(self.words.at("metrics", "sources") or {}):
            if name not in asked:
                self.words.put(("metrics", "sources", name), None, OUTSIDE)

    def _as_it_is(self, name: str, kind: str) -> str | None:
        """Leaves the figure's own query where the twin's shop has all that it names; else why not."""
        place = ("metrics", "figures", name)
        if kind not in ("prometheus", "json-lines") or (kind == "prometheus" and not self.watched):
            return f"there is no {kind} in the twin"
        try:
            if kind == "json-lines":
                for side in self.environment.metrics.figures[name].sides:
                    shop_has.log(self.environment.metrics.query(name, side))
            else:
                for path, query in self._queries(name):
                    self.words.put((*place, *path), shop_has.promql(query, self.shorter), TIME)
        except NotThere as error:
            return f"the twin's shop has nothing of the kind ({error})"
        self._sampled(name, STEP)
        return None

    def _queries(self, name: str) -> Iterator[tuple[tuple[str, ...], str]]:
        """Where its texts stand; all of them are read before the first is written. Raises NotThere."""
        figure = self.environment.metrics.figures[name]
        if figure.query is None:
            texts: list[tuple[tuple[str, ...], str]] = [
                ((), self.environment.metrics.query(name, side)) for side in figure.sides
            ]
        elif isinstance(figure.query, str):
            texts = [(("query",), figure.query)]
        else:
            texts = [(("query", side), text) for side, text in figure.query.items()]
        for _, text in texts:
            shop_has.promql(text, self.shorter)
        return ((path, text) for path, text in texts if path)

    def _sampled(self, name: str, step: float) -> None:
        """Samples more often, as spans are shorter."""
        if self.words.at("metrics", "figures", name, "step") is None and self.shorter.factor == 1.0:
            return
        if self.environment.metrics.step(name) > step:
            self.words.put(("metrics", "figures", name, "step"), step, TIME)

    def _scraped(self, name: str, figure: Mapping[str, Any], query: str, unit: str, what: str) -> None:
        self._source(TWIN, {"kind": "prometheus", "url": "env:SHOP_PROMETHEUS_URL", "delay": SCRAPED})
        self._asks(name, figure, TWIN, query, unit)
        self.words.leave_out(what, "the twin's Prometheus, which scrapes both shops, stands for it")

    def _constant(self, name: str, figure: Mapping[str, Any], why: str) -> None:
        rules = [rule for rule in self.rules if any(one.name == name for one in rule.condition.figures)]
        lines = [line for part in ("readiness", "checklist") for line in self.words.at(part) or ()]
        unit = self.words.units[name]
        value = constant([line for line in lines if line.get("figure") == name], rules, name, unit)
        if value is None:
            self.words.no_twin.append(f"metrics.figures.{name}: {why}, and no constant keeps all of its bounds")
            return
        self._source(OUTSIDER, {"kind": "command"})
        self._asks(name, figure, OUTSIDER, f": {{side}}; echo {value}", unit)
        told = f"; so it starts nothing: {', '.join(rule.name for rule in rules)}" if rules else ""
        self.words.leave_out(f"the figure {name}", f"{why}; a constant that keeps its bounds stands for it{told}")

    def _source(self, name: str, source: Mapping[str, Any]) -> None:
        self.words.put(("metrics", "sources", name), dict(source), ADDRESS)

    def _asks(self, name: str, figure: Mapping[str, Any], source: str, query: str, unit: str) -> None:
        now = {"source": source, "query": query, "unit": figure.get("unit") or unit, "side": figure["side"]}
        why = OUTSIDE if source == OUTSIDER else ADDRESS
        self.words.put(("metrics", "figures", name), {**now, "step": STEP}, why)
