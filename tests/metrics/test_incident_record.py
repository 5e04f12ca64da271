"""What is kept of a rollback: figures and logs of that time, within its time whatever the sources do, and no secret."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from odd_server import OddServer, answers, hangs

from cutover.aws.session import Aws
from cutover.core.journal import Entry, position_of
from cutover.core.series import Sample
from cutover.environment import parse
from cutover.incident_record import figure_lines, log_excerpts, record
from cutover.plans.means import Means
from cutover.run_views import RunView

BEGAN = 1_700_000_000.0
SMALL = """\
name: small
description: A small environment
owners: {decision: a, database: b, traffic: c, application: d}
database: {name: shop, blue: env:BLUE, green: env:GREEN}
hostnames:
  shop:
    host: shop.example.com
    carrier: {kind: alb, load_balancer: shop, blue: shop-blue, green: shop-green}
"""
FORWARD = {"direction": "forward", "plan": "cutover", "digest": "d"}
BACK = {"direction": "back", "plan": "cutover", "digest": "d", "cause": "policy", "reason": "errors"}
GUARD = {"guard": "errors", "seen": "7 %", "policy": "rollback"}
STANDING = {"guard": "errors", "seen": "6 %", "seconds": 60.0, "then": "rollback"}


def view(*kinds: tuple[float, str, dict[str, Any]]) -> RunView:
    entries = tuple(Entry(n, "r1", BEGAN + at, 1, kind, data, "", "") for n, (at, kind, data) in enumerate(kinds, 1))
    return RunView("r1", entries, position_of("r1", entries), "rolled-back")


TAKEN_BACK = view(
    (0, "leg-started", FORWARD),
    (700, "guard-failed", {**GUARD, "guard": "other", "policy": "notify"}),
    (800, "standing", STANDING),
    (860, "guard-failed", GUARD),
    (861, "leg-started", BACK),
    (900, "leg-ended", {"outcome": "rolled-back"}),
)


def means(words: str, folder: Path, **values: str) -> Means:
    environment = parse(SMALL + words, name="small", file="small.yaml")
    aws = Aws("eu-west-1", read_only=True)
    return Means(environment, (), aws, folder, lambda: values, lambda: 0)


def series(samples: Sequence[Sample]) -> str:
    values = [[one.at, str(one.value)] for one in samples]
    return json.dumps(
        {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": values}]}}
    )


def test_every_figure_of_that_time_is_kept_with_its_samples(tmp_path: Path, odd: Callable[..., OddServer]) -> None:
    told = [Sample(BEGAN + at, at / 100) for at in range(200, 900, 15)]
    server, dead = odd(answers(series(told))), odd(answers("{}", status=503))
    words = f"""\
metrics:
  sources:
    p: {{kind: prometheus, url: '{server.url}', delay: 15s}}
    gone: {{kind: prometheus, url: '{dead.url}'}}
  figures:
    errors: {{source: p, query: errors, unit: "%", side: green}}
    orders: {{source: gone, query: orders, unit: /s, side: blue}}
"""
    document = record(means(words, tmp_path), TAKEN_BACK)
    assert (document["verdict"], document["until"]) == (BEGAN + 800, BEGAN + 900)  # since it stood still for it
    assert document["since"] == BEGAN + 200
    errors, orders = document["figures"]
    assert (errors["min"], errors["max"], errors["last"], errors["gap"]) == (2.0, 8.9, 8.9, None)
    assert errors["mean"] == pytest.approx(5.45) and len(errors["samples"]) == len(told)
    assert (orders["min"], orders["gap"]) == (None, "unreachable") and "503" in orders["seen"]
    assert json.loads(json.dumps(document)) == document
    assert list(figure_lines(document)) == [
        "errors of green: min 2%, mean 5.45%, max 8.9%, last 8.9% (47 samples)",
        f"orders of blue: unreachable: {orders['seen']}",
    ]


def test_what_has_no_memory_is_told_from_what_the_run_kept(tmp_path: Path) -> None:
    words = "metrics:\n  sources: {own: {kind: command}}\n  figures:\n    x: {source: own, query: echo 4, unit: s, side: green}\n"
    found = record(means(words, tmp_path), TAKEN_BACK)["figures"][0]
    assert (found["last"], len(found["samples"])) == (4.0, 1)  # nothing was kept: it is of now
    from cutover.figures import Figures

    source = Figures(means(words, tmp_path)).one("x", "green").source
    path = source._file("echo 4")  # type: ignore[attr-defined]
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"[{BEGAN + at}, {at}]\n" for at in range(0, 2000, 15)))
    found = record(means(words, tmp_path), TAKEN_BACK)["figures"][0]
    assert (found["min"], found["last"], found["gap"]) == (210.0, 900.0, None)


def test_who_hangs_costs_a_bounded_time_and_is_named(tmp_path: Path, odd: Callable[..., OddServer]) -> None:
    server = odd(hangs)
    log = tmp_path / "app.log"
    log.write_text(f'{{"time": {BEGAN + 790}, "said": "boom"}}\n')
    words = f"""\
metrics:
  sources: {{p: {{kind: prometheus, url: '{server.url}'}}}}
  figures:
    errors: {{source: p, query: errors, unit: "%", side: green}}
incidents:
  logs: {{app: {{kind: file, path: {log}}}, none: {{kind: file, path: {tmp_path}/none.log}}}}
"""
    begun = time.monotonic()
    document = record(means(words, tmp_path), TAKEN_BACK, within=1.0)
    assert time.monotonic() - begun < 8
    assert document["figures"][0]["gap"] == "unreachable" and "within" in document["figures"][0]["seen"]
    assert [one["lines"] for one in document["logs"]] == [[f'{{"time": {BEGAN + 790}, "said": "boom"}}'], []]
    assert document["logs"][1]["gap"] == f"{tmp_path}/none.log: No such file or directory"


def test_the_logs_of_green_are_kept_without_secrets(tmp_path: Path) -> None:
    log, access = tmp_path / "app.log", tmp_path / "access.jsonl"
    log.write_text(
        "2023-11-14T22:26:00Z cannot log in with s3same99\n  of ann@example.com\n2023-11-14T22:40:00Z later\n"
    )
    access.write_text("".join(f'{{"time": {BEGAN + at}, "n": {at}}}\n' for at in range(100, 900, 10)))
    words = f"""\
metrics:
  sources: {{access: {{kind: json-lines, blue: {tmp_path}/blue.jsonl, green: {access}}}}}
incidents: {{before: 10m, lines: 3, logs: {{app: {{kind: file, path: {log}}}}}}}
"""
    values = {"BLUE": "postgresql://shop:s3same99@db/shop", "GREEN": "postgresql://db/shop"}
    document = record(means(words, tmp_path, **values), TAKEN_BACK)
    app, lines = document["logs"]
    assert app == {
        "log": "app",
        "lines": ["2023-11-14T22:26:00Z cannot log in with ***", "  of ***@example.com"],
        "gap": "",
    }
    assert lines["log"] == "access (green)"
    assert [json.loads(line)["n"] for line in lines["lines"]] == [
        810,
        820,
        830,
    ]  # up to half a minute after the verdict
    assert list(log_excerpts(document, 2))[1] == ("access (green), the last 2 of 3 lines", lines["lines"][-2:])


def test_without_the_secrets_no_line_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(f'{{"time": {BEGAN + 790}, "said": "boom"}}\n')
    words = f"incidents: {{logs: {{app: {{kind: file, path: {log}}}}}}}\nstate: ssm:shop/state\n"
    document = record(means(words, tmp_path), TAKEN_BACK)
    (one,) = document["logs"]
    assert one["lines"] == [] and "what has to be hidden is not known: ssm:shop/state" in one["gap"]


def test_where_a_person_went_back_it_is_counted_from_there(tmp_path: Path) -> None:
    asked = view(
        (0, "leg-started", FORWARD), (700, "guard-failed", GUARD | {"policy": "notify"}), (800, "leg-started", BACK)
    )
    document = record(means("", tmp_path), asked, now=lambda: BEGAN + 850)
    assert (document["verdict"], document["until"]) == (BEGAN + 800, BEGAN + 850)
    with pytest.raises(LookupError, match="was not taken back"):
        record(means("", tmp_path), view((0, "leg-started", FORWARD)))
