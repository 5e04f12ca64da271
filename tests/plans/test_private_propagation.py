"""A share that is carried by a private zone moves, although nobody here can see how far it has got."""

from pathlib import Path

import pytest

from cutover.app import open_environment
from cutover.cli.propagation import _print
from cutover.plans import propagation
from cutover.plans.carriers import carried

WORDS = """\
name: inside
description: A private zone
owners: {decision: a, database: b, traffic: c, application: d}
database: {name: shop, blue: env:BLUE, green: env:GREEN}
hostnames:
  api:
    host: api.example.com
    carrier:
      kind: route53
      zone: example.com
      private: true
      resolver: 10.0.0.2:53
      blue: blue
      green: green
      ttl: {normal: 300, cutover: 60}
"""


def test_it_is_not_said_that_no_record_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(propagation, "_effective", lambda one: "10 %")
    monkeypatch.setattr(propagation, "answers", lambda *asked: [])
    (tmp_path / "inside.yaml").write_text(WORDS)
    app = open_environment("inside", directory=tmp_path)
    (found,) = propagation.propagation(carried(app.means), app.plan, None, 0.0)
    _print(found, 0.0)
    said = capsys.readouterr().out
    assert "in a private zone, whose name servers cannot be asked from here" in said
    assert "no record of this name moves" not in said
