"""Who stands by for a worker that may die asks everything beforehand: the pause is not for reading what was known."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from places import Kept

from cutover import supervision
from cutover.app import App, open_environment
from cutover.core.clock import Deadline
from cutover.runs import Conductor
from cutover.state import s3 as stored

WORDS = """\
name: standby
description: The state is in a bucket
owners: {{decision: a, database: b, traffic: c, application: d}}
aws: {{account: "123456789012", rates: {{s3: 1}}}}
state: {address}
database: {{name: shop, blue: env:BLUE, green: env:GREEN}}
hostnames:
  shop:
    host: shop.example.com
    carrier: {{kind: alb, load_balancer: shop, blue: shop-blue, green: shop-green}}
"""


@pytest.fixture
def app(s3: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))
    bucket, _, prefix = s3.address.removeprefix("s3://").partition("/")
    (tmp_path / "standby.yaml").write_text(WORDS.format(address=f"s3://{bucket}/{prefix}"))
    found = open_environment("standby", directory=tmp_path)
    yield found
    found.close()


@pytest.fixture
def calls(aws_world: Path) -> Callable[[], list[str]]:
    file = aws_world / "aws-calls.jsonl"
    return lambda: [json.loads(line)["operation"] for line in file.read_text().splitlines()]


def test_what_was_read_is_not_read_again_in_the_pause(app: App, calls: Callable[[], list[str]]) -> None:
    state = app.state()
    lease = state.acquire(who="worker", operation="cutover")
    for number in range(12):
        state.append("r1", "e", {"number": number}, lease)
    supervision._look_once(app)
    before = len(calls())
    with Conductor(app).leased("supervisor of cutover", take_over=lease.id) as taken:
        assert len(taken.entries()) == 12
        app.means.aws.prove_account(Deadline.after(5))
    asked = calls()[before:]
    assert "GetCallerIdentity" not in asked
    assert asked.count("GetObject") <= 8, "the lease, the head, and the entry that marks the takeover"


def test_the_journal_waits_for_no_turn(app: App) -> None:
    objects = app.place._objects(app.place.address())
    assert objects is not None
    assert not objects.aws.rates
    assert objects.aws.account == "123456789012"
    assert stored.READERS <= objects.aws.client("s3").meta.config.max_pool_connections


def test_what_was_opened_and_not_needed_is_closed(app: App) -> None:
    supervision._look_once(app)
    assert len(app.opened) == 1
    app.close()
    assert not app.opened
