"""`invoke validate` as an operator and a pipeline see it: exit codes, the JSON report, talk on standard error."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import preloading
import pytest
from markers import database, drop, followed_markers
from pairs import Pair

from cutover.environment import template

CHECKS = """  validation:
    checks:
      - {name: orders, sql: SELECT count(*) FROM orders, within: 5%}
"""


@dataclass
class Desk:
    """A folder with one environment whose databases are the test's own."""

    folder: Path
    pair: Pair

    def validate(self, *flags: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [preloading.invoke(), "validate", "--env", "desk", *flags],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "BLUE_DSN": self.pair.dsns["blue"], "GREEN_DSN": self.pair.dsns["green"]},
        )

    def document(self, *flags: str) -> dict[str, Any]:
        done = self.validate("--json", *flags)
        found: dict[str, Any] = json.loads(done.stdout)
        return {**found, "code": done.returncode}


@pytest.fixture(scope="module")
def pair_of_orders(pair: Pair) -> Iterator[Pair]:
    blue, green = (database(pair.dsns[side], "orders") for side in ("blue", "green"))
    made = followed_markers(blue, green, "orders_markers")
    for side in ("blue", "green"):
        made.sql(side, "CREATE TABLE public.orders (id int PRIMARY KEY, card text)")
        made.sql(side, "INSERT INTO public.orders SELECT i, 'card ' || i FROM generate_series(1, 500) i")
    yield made
    drop(made, "orders_markers")


@pytest.fixture
def desk(pair_of_orders: Pair, tmp_path: Path) -> Desk:
    (tmp_path / "environments").mkdir()
    written = template("desk").replace("database:\n", "database:\n" + CHECKS, 1)
    (tmp_path / "environments" / "desk.yaml").write_text(written, encoding="utf-8")
    (tmp_path / "tasks.py").write_text("from cutover.cli import namespace\n\nns = namespace()\n", encoding="utf-8")
    return Desk(tmp_path, pair_of_orders)


def test_equal_sides_are_0_with_all_five_checks(desk: Desk) -> None:
    found = desk.document()
    assert (found["code"], found["status"], found["rows"], found["tables"]) == (0, "equal", 500, 1)
    assert {check["name"]: check["verdict"] for check in found["checks"]} == {
        "business-figures": "pass",
        "data-integrity": "pass",
        "performance": "not measured",
        "error-handling": "not measured",
        "audit-trail": "not measured",
    }
    assert found["figures"] == [{"name": "orders", "verdict": "equal", "seen": "500 on blue, 500 on green"}]
    sample = desk.document("--sample", "20")
    assert (sample["code"], sample["status"]) == (0, "equal on a sample") and 0 < sample["rows"] < 500


def test_sides_that_differ_are_1_and_no_value_is_told(desk: Desk) -> None:
    desk.pair.sql("green", "UPDATE public.orders SET card = 'stolen' WHERE id = 7")
    try:
        found = desk.document("--repair", "repair.sql")
        assert (found["code"], found["status"], found["differences"]) == (1, "differs", 1)
        assert [(row["key"], row["columns"][0]["column"]) for row in found["first"]] == [("7", "card")]
        assert "stolen" not in json.dumps(found) and "card 7" not in json.dumps(found)
        assert "'card 7'" in (desk.folder / "repair.sql").read_text(encoding="utf-8")
        plain = desk.validate()
        assert plain.returncode == 1 and "public.orders (7): different on green" in plain.stdout
        assert "stolen" not in plain.stdout + plain.stderr
    finally:
        desk.pair.sql("green", "UPDATE public.orders SET card = 'card 7' WHERE id = 7")


def test_a_figure_that_is_too_far_off_is_1(desk: Desk) -> None:
    desk.pair.sql("green", "ALTER TABLE public.orders RENAME TO orders_kept")
    desk.pair.sql("blue", "ALTER TABLE public.orders RENAME TO orders_kept")
    try:
        for side, rows in (("blue", 100), ("green", 90)):
            desk.pair.sql(side, f"CREATE VIEW public.orders AS SELECT i AS id FROM generate_series(1, {rows}) i")
        found = desk.document()
        assert (found["code"], found["status"], found["differences"]) == (1, "differs", 0)
        assert [check["verdict"] for check in found["checks"]][:2] == ["fail", "pass"]
    finally:
        for side in ("blue", "green"):
            desk.pair.sql(side, "DROP VIEW public.orders")
            desk.pair.sql(side, "ALTER TABLE public.orders_kept RENAME TO orders")


def test_what_cannot_be_proven_is_2_and_a_wrong_flag_is_3(desk: Desk) -> None:
    gone = desk.validate("--resume")
    assert gone.returncode == 2 and "nothing to go on with" in gone.stderr and "next:" in gone.stderr
    assert desk.validate("--sample", "0").returncode == 3
    assert desk.validate("--record", "--tables", "public.orders").returncode == 3
    missing = desk.validate("--tables", "public.nowhere")
    assert missing.returncode == 1 and "public.nowhere" in missing.stderr
