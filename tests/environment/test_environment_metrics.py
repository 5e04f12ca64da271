"""Figures and their sources: what may be written, what goes together, and what is said where it does not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cutover.environment import Environment, load

SOURCES = """\
metrics:
  sources:
    prom: {kind: prometheus, url: https://prom.example.com, token: env:PROM_TOKEN}
    aws: {kind: cloudwatch}
    sql: {kind: postgres}
    log: {kind: json-lines, blue: /var/log/blue.jsonl, green: /var/log/green.jsonl}
    cache: {kind: redis, blue: "cache:6379", green: "cache:6379"}
    probe: {kind: probe, blue: https://blue.example.com, green: https://green.example.com}
    own: {kind: command, variables: {TOKEN: env:TOKEN}}
"""
FIGURES = f"{SOURCES}  figures:\n    x: "


def test_without_a_word_nothing_is_measured(loaded: Callable[..., Environment]) -> None:
    assert loaded("").metrics.figures == {}


def test_a_query_is_filled_for_each_side(loaded: Callable[..., Environment]) -> None:
    found = loaded(f"""{FIGURES}{{source: prom, query: 'sum(a{{side="{{side}}"}})', unit: ms}}
    y: {{source: own, query: {{blue: echo 1, green: echo 2}}, unit: count, step: 5s}}
    z: {{source: sql, preset: connections-used}}
    w: {{source: aws, preset: alb-p95, of: {{load_balancer: lb, target_group: {{blue: b, green: g}}}}}}
    v: {{source: prom, query: up, unit: count, side: green}}
""").metrics
    assert found.query("x", "green") == 'sum(a{side="green"})'
    assert (found.query("y", "blue"), found.query("y", "green"), found.step("y")) == ("echo 1", "echo 2", 5)
    assert (found.unit("x"), found.unit("z"), found.unit("w")) == ("ms", "%", "ms")
    assert "TargetGroup=g" in found.query("w", "green")
    assert (found.step("w"), found.step("z")) == (60, 15)
    assert (found.figures["v"].sides, found.figures["z"].sides) == (("green",), ("blue", "green"))


@pytest.mark.parametrize(
    ("figure", "problem"),
    [
        ("{source: prmo, query: up, unit: s}", "x.source: is none of the sources: prom, aws, sql, log, cache, probe, own (did you mean prom?)"),
        ("{query: up, unit: s}", "x.source: is missing"),
        ("{source: prom, unit: s}", "x: needs either `preset` or `query`, and not both"),
        ("{source: sql, preset: connections, query: SELECT 1}", "x: needs either `preset` or `query`"),
        ("{source: sql, preset: conections}", "x.preset: is none of postgres: connections, connections-used"),
        ("{source: sql, preset: conections}", "(did you mean connections?)"),
        ("{source: own, preset: p95}", "x.preset: is none of command: it has none: write a query"),
        ("{source: prom, query: up, unit: s}", "x.query: asks the same for both sides: put {side} into it"),
        ("{source: own, query: echo 1, unit: s}", "x.query: asks the same for both sides"),
        ("{source: aws, preset: rds-cpu, of: {instance: shop}}", "x.of.instance: asks the same for both sides"),
        ("{source: prom, preset: up}", "x.of: needs `job`, which the preset is about"),
        ("{source: prom, preset: up, of: {jbo: '{side}', job: 'x-{side}'}}", "x.of.jbo: is no word of the preset: job (did you mean job?)"),
        ("{source: prom, query: '{side}', unit: s, of: {job: a}}", "x.of: belongs to a preset"),
        ("{source: prom, query: '{side}'}", "x: needs a `unit`"),
        ("{source: prom, query: '{side}', unit: seconds}", "x.unit: wants a unit: %, ms, s"),
        ("{source: own, query: {blue: a, green: a}, unit: s}", "x.query.green: is the same text as blue's"),
        ("{source: own, query: {blue: a, green: b}, unit: s, side: green}", "x.query: is for both sides, and the figure for one only"),
        ("{source: own, query: {blue: a}, unit: s}", "x.query: wants one text, or one for each side"),
        ("{source: own, query: '', unit: s, side: blue}", "x.query: wants a query, at most 4000 characters"),
        ("{source: own, query: [a], unit: s, side: blue}", "x.query: wants a query"),
        ("{source: sql, query: DROP TABLE x, unit: s}", "x.query: wants SQL that begins with SELECT"),
        ("{source: log, query: p95, unit: s}", "x.query: wants `count`, `rate`, `share`"),
        ("{source: probe, query: GET /, unit: s}", "x.query: wants `latency /path`"),
        ("{source: cache, query: a b, unit: s}", "x.query: wants a sum of INFO's fields"),
        ("{source: aws, query: r, unit: s, side: blue}", "x.query: wants an expression in the first line"),
        ("{source: sql, preset: connections, side: red}", "x.side: must be one of blue, green, both"),
        ("{source: sql, preset: connections, sides: both}", "x.sides: unknown key (did you mean side?)"),
        ("{source: sql, preset: connections, step: 0}", "x.step: must be longer than 0"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_figure_is_told_with_its_place(
    told: Callable[..., list[str]], figure: str, problem: str
) -> None:
    problems = told(f"{FIGURES}{figure}\n")
    assert len(problems) == 1, problems
    assert f"metrics.figures.{problem}" in problems[0] or problem in problems[0], problems


@pytest.mark.parametrize("name", ["Error", "error-rate", "1a", "a" * 41])
def test_a_figures_name_is_one_that_a_condition_can_use(told: Callable[..., list[str]], name: str) -> None:
    problems = told(f"{SOURCES}  figures:\n    {name}: {{source: sql, preset: connections}}\n")
    assert len(problems) == 1, problems
    assert "wants lower-case letters, digits and _" in problems[0]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{kind: prometheus, url: 'https://u:p@prom'}", "metrics.sources.s.url: "),
        ("{kind: prometheus}", "metrics.sources.s.url: is missing"),
        ("{kind: prometheus, url: https://p.example.com, tokne: env:X}", "metrics.sources.s.tokne: unknown key (did you mean token?)"),
        ("{kind: prometheus, url: https://p.example.com, token: s3cret}", "metrics.sources.s.token: wants a reference"),
        ("{kind: prometheus, url: https://p.example.com, user: me}", "metrics.sources.s: needs `user` and `password`"),
        ("{kind: prometheus, url: https://p.example.com, user: me, password: env:P, token: env:T}", "metrics.sources.s.token: there is a user as well"),
        ("{kind: promethius, url: https://p.example.com}", "metrics.sources.s: kind must be one of prometheus, cloudwatch"),
        ("{url: https://p.example.com}", "metrics.sources.s: needs a kind: prometheus or cloudwatch or cost-explorer"),
        ("{kind: postgres, database: orders}", "metrics.sources.s.database: is none of the databases: there is only one"),
        ("{kind: json-lines, blue: /a, green: /a}", "metrics.sources.s.green: is the same file as blue's"),
        ("{kind: json-lines, blue: '/a*', green: /b}", "metrics.sources.s.blue: wants the path of a log file"),
        ("{kind: probe, blue: https://a.example.com, green: https://a.example.com}", "metrics.sources.s.green: is the same address"),
        ("{kind: redis, blue: 'a:1', green: 'b:1', user: me}", "metrics.sources.s.user: needs a `password`"),
        ("{kind: redis, blue: 'a', green: 'b:1'}", "metrics.sources.s.blue: wants host:port"),
        ("{kind: command, variables: {x: env:X}}", "metrics.sources.s.variables.x: wants a variable's name in capitals"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_source_is_told(told: Callable[..., list[str]], source: str, problem: str) -> None:
    problems = told(f"metrics: {{sources: {{s: {source}}}}}\n")
    assert len(problems) == 1, problems
    assert problem in problems[0], problems


def test_one_of_several_databases_has_to_be_named(told_text: Callable[[str], list[str]], small_text: str) -> None:
    one = "database:\n  name: shop\n  blue: env:BLUE\n  green: env:GREEN\n"
    two = "databases:\n  orders: {name: o, blue: env:A, green: env:B}\n  hooks: {name: h, blue: env:C, green: env:D}\n"
    several = small_text.replace(one, two)
    problems = told_text(several + "metrics: {sources: {s: {kind: postgres}}}\n")
    assert len(problems) == 1 and "needs `database`, the one to ask: orders, hooks" in problems[0]
    problems = told_text(several + "metrics: {sources: {s: {kind: postgres, database: hook}}}\n")
    assert len(problems) == 1 and "orders, hooks (did you mean hooks?)" in problems[0]
    assert told_text(several + "metrics: {sources: {s: {kind: postgres, database: hooks}}}\n") == []


@pytest.mark.parametrize(
    ("cost", "problem"),
    [
        ("used: {rqs: 1}", "metrics.cost.used.rqs: is none of the figures: rps, p95 (did you mean rps?)"),
        ("used: {p95: 1}", "metrics.cost.used.p95: is priced by what it counts, and so has to be measured in /s"),
        ("currency: dollars", "metrics.cost.currency: wants a currency such as USD"),
        ("hourly: {db: -1}", "metrics.cost.hourly.db: must be from 0"),
        ("budget: 0", "metrics.cost.budget: must be more than 0"),
    ],
)
def test_what_is_wrong_with_prices_is_told(told: Callable[..., list[str]], cost: str, problem: str) -> None:
    figures = "  figures:\n    rps: {source: log, preset: request-rate}\n    p95: {source: log, preset: p95, of: {duration: ms}}\n"
    problems = told(f"{SOURCES}{figures}  cost: {{{cost}}}\n")
    assert len(problems) == 1, problems
    assert problem in problems[0], problems


def test_the_written_examples_say_what_they_measure() -> None:
    for name in ("prod", "staging", "local"):
        metrics = load(name, Path(__file__).parents[2] / "environments").metrics
        assert len(metrics.figures) >= 5
        for figure, words in metrics.figures.items():
            assert all(metrics.query(figure, side) for side in words.sides)


def test_where_alerts_and_dashboards_are_brought_is_a_word_of_the_metrics(
    loaded: Callable[..., Environment], told: Callable[..., list[str]]
) -> None:
    found = loaded("""metrics:
  sources: {prom: {kind: prometheus, url: https://prom.example.com, rules: /etc/prometheus/cutover}}
  grafana: {url: https://grafana.example.com, token: env:GRAFANA_TOKEN, folder: cut-over_1}
""").metrics
    assert found.grafana is not None and (str(found.grafana.token), found.grafana.folder) == ("env:GRAFANA_TOKEN", "cut-over_1")  # fmt: skip
    assert "metrics.grafana.token: is missing" in "\n".join(
        told("metrics: {grafana: {url: https://grafana.example.com}}\n")
    )
    written = "metrics: {grafana: {url: https://grafana.example.com, token: glsa_abc}}\n"
    assert "metrics.grafana.token: " in "\n".join(told(written))
    folder = "metrics: {grafana: {url: https://grafana.example.com, token: env:T, folder: Our Folder}}\n"
    assert "metrics.grafana.folder: wants the uid of a folder" in "\n".join(told(folder))
