"""A migration in the middle of a cutover: the window does not open, and the run says whose statement it was, and can be gone on with."""

from __future__ import annotations

import re

import psycopg
import pytest
from whole.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NAME = "bare"
ADD, DROP = "ALTER TABLE shop.events ADD COLUMN later int", "ALTER TABLE shop.events DROP COLUMN later"


def change(stage: Stage, side: str, statement: str, *, user: str = "shop", name: str = "migration 7") -> None:
    with psycopg.connect(
        stage.dsn(side), user=user, application_name=name, autocommit=True, connect_timeout=5,
        options="-c default_transaction_read_only=off",
    ) as session:  # fmt: skip
        session.execute(statement.encode())


def test_ddl_in_the_middle_holds_until_it_is_settled(stage: Stage) -> None:
    first = stage.cutover(NAME, "--until", "prepare").ended(0)
    change(stage, "blue", ADD)
    held = stage.cutover(NAME).ended(5)
    assert held.json["outcome"] == "refused"
    assert "DDL on blue since the copy: ALTER TABLE of table shop.events by shop (migration 7)" in held.err, str(held)
    assert "make the same on green" in held.err, str(held)
    assert stage.writable() == ["blue"]
    assert stage.resume(NAME).ended(5).json["outcome"] == "refused", "nobody has settled it"

    change(stage, "green", ADD)
    settle = re.search(r"UPDATE cutover\.ddl SET settled[^\"]*", held.err)
    assert settle, str(held)
    change(stage, "blue", settle.group(), user="postgres")
    stage.resume(NAME).ended(0)
    assert stage.sides() == ("fenced", "open")
    stage.nothing_lost(first.began, "green")
    # Green first: its rows must not name a column that blue has not got any more.
    for side in ("green", "blue"):
        change(stage, side, DROP, name="cutover-test")
