"""The post-mortem file, typed: begun with what was captured, kept once, and left alone afterwards."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from cli.shell import Shell

from cutover.app import open_environment
from cutover.runs import Conductor

WORDS = """\
name: asked
description: A run was taken back
owners: {decision: a, database: b, traffic: c, application: d}
database: {name: shop, blue: env:BLUE, green: env:GREEN}
hostnames:
  shop:
    host: shop.example.com
    carrier: {kind: alb, load_balancer: shop, blue: shop-blue, green: shop-green}
metrics:
  sources: {own: {kind: command}, gone: {kind: prometheus, url: 'http://127.0.0.1:9'}}
  figures:
    orders: {source: own, query: echo 4, unit: /min, side: green}
    errors: {source: gone, query: errors, unit: "%", side: green}
"""


@pytest.fixture
def taken_back(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("CUTOVER_HOME", str(shell.home))
    (shell.folder / "environments" / "asked.yaml").write_text(WORDS)
    app = open_environment("asked", directory=shell.folder / "environments")
    with Conductor(app).leased("cutover") as state:
        lease = app.lease[-1]
        plan = {"plan": "cutover", "digest": app.plan.digest()}
        state.append("r1", "leg-started", {"direction": "forward", **plan}, lease)
        state.append("r1", "failed", {"gate": "soak-50", "seen": "7 % of errors", "hint": ""}, lease)
        state.append("r1", "leg-started", {"direction": "back", "cause": "policy", "reason": "soak-50", **plan}, lease)
        state.append("r1", "leg-ended", {"outcome": "rolled-back"}, lease)
    app.close()
    return shell


def the_files(shell: Shell) -> tuple[Path, Path]:
    page, record = sorted(
        (shell.folder / "runbooks" / "asked" / "incidents").iterdir(), key=lambda p: p.suffix != ".md"
    )
    return page, record


def test_it_begins_with_figures_and_answers_and_is_left_alone_then(taken_back: Shell) -> None:
    assert "would begin" in taken_back.invoke("--dry", "incident", "--env", "asked").ended(0).err
    assert not (taken_back.folder / "runbooks").exists()
    said = taken_back.invoke("incident", "--env", "asked").ended(0)
    assert "is begun, due in 24 h" in said.err
    page, record = the_files(taken_back)
    text = page.read_text(encoding="utf-8")
    assert "orders of green: min 4/min, mean 4/min, max 4/min, last 4/min (1 samples)" in text.replace("\\", "")
    assert "errors of green: unreachable: Prometheus" in text.replace("\\", "") and "soak-50: 7 % of errors" in text
    assert f"are kept in `{record.name}`" in text
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    kept = json.loads(record.read_text(encoding="utf-8"))
    assert (kept["schema"], kept["run"], len(kept["figures"])) == ("cutover.incident/1", "r1", 2)

    page.write_text("mine", encoding="utf-8")
    assert "was left alone" in taken_back.invoke("incident", "--env", "asked").ended(0).err
    assert page.read_text(encoding="utf-8") == "mine"
    # What was captured at that time is what a file begun anew shows, whatever the sources say by now.
    page.unlink()
    kept["figures"][0]["last"] = 17
    record.write_text(json.dumps(kept), encoding="utf-8")
    taken_back.invoke("incident", "--env", "asked").ended(0)
    assert "last 17/min" in page.read_text(encoding="utf-8").replace("\\", "")


def test_a_record_that_is_broken_does_not_cost_the_file(taken_back: Shell) -> None:
    taken_back.invoke("incident", "--env", "asked").ended(0)
    page, record = the_files(taken_back)
    page.unlink()
    record.write_text("half a rec", encoding="utf-8")
    taken_back.invoke("incident", "--env", "asked").ended(0)
    assert "could not be captured: JSONDecodeError" in page.read_text(encoding="utf-8").replace("\\", "")
