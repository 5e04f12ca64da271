"""invoke metrics: every figure once, its age and its gap in words, and an exit code that a script can use."""

from __future__ import annotations

import json
import time

import pytest
from cli.shell import Shell

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


@pytest.fixture
def figures(shell: Shell) -> str:
    """Words for a log of two lines and a command."""
    now = time.time()
    for side, errors in (("blue", 1), ("green", 0)):
        lines = [{"time": now - age, "status": 500 if n < errors else 200} for n, age in enumerate(range(400, -1, -1))]
        (shell.folder / f"{side}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return SMALL + (
        "metrics:\n  sources:\n    own: {kind: command}\n    log: {kind: json-lines, blue: blue.jsonl, green: green.jsonl}\n"
        "  figures:\n    rate: {source: log, query: rate, unit: /s, step: 10s}\n"
        "    queue: {source: own, query: echo 7, unit: count, side: green}\n"
    )


def written(shell: Shell, text: str) -> None:
    (shell.folder / "environments" / "small.yaml").write_text(text, encoding="utf-8")


def test_all_that_is_wired_is_shown_and_nothing_is_kept(shell: Shell, figures: str) -> None:
    written(shell, figures)
    said = shell.invoke("metrics", "--env", "small").ended(0)
    assert "1 /s" in said.out and "7 count" in said.out
    assert "3 of 3 read" in said.out
    assert not shell.home.exists()


def test_a_gap_is_said_in_words_with_the_command_by_hand(shell: Shell, figures: str) -> None:
    written(shell, figures + "    broken: {source: own, query: 'echo [bold]no; exit 3', unit: s, side: blue}\n")
    said = shell.invoke("metrics", "--env", "small").ended(1)
    assert "unreachable: the command ended with 3" in said.out and "[bold]no" in said.out
    assert "broken of blue by hand: " in said.out
    assert "3 of 4 read" in said.out


def test_one_document_for_scripts(shell: Shell, figures: str) -> None:
    written(shell, figures.replace("green: green.jsonl", "green: away.jsonl"))
    document = json.loads(shell.invoke("metrics", "--env", "small", "--json").ended(1).out)
    assert document["schema"] == "cutover.metrics/1"
    lines = {(line["figure"], line["side"]): line for line in document["figures"]}
    assert lines["queue", "green"]["value"] == 7
    assert lines["queue", "green"]["gap"] is None
    assert lines["rate", "green"]["gap"] == "unreachable"
    assert lines["rate", "blue"]["unit"] == "/s"
    assert lines["rate", "blue"]["samples"] >= 17


def test_an_environment_without_figures_says_where_they_go(shell: Shell) -> None:
    written(shell, SMALL)
    assert (
        "small has no figures: write them under metrics.figures"
        in shell.invoke("metrics", "--env", "small").ended(3).err
    )
