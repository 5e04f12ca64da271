"""A hostname whose share is a flag of the routing library, in the whole plan and on its way back."""

from pathlib import Path
from typing import Any

import pytest

from cutover.app import open_environment
from cutover.aws.permission import Permitted
from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.core.errors import ConfigurationRefused, Refused
from cutover.core.gate import Verdict
from cutover.core.plan import Plan
from cutover.core.share import Share
from cutover.environment import Ref
from cutover.flags.share import StoreShare
from cutover.flags.stores import opened
from cutover.plans.carriers import carried
from cutover.plans.flag_stores import opening
from cutover.plans.parts import Parts
from cutover.plans.permitted import plan_permissions
from cutover.routing import Flag
from cutover.runbook import write
from cutover.runbook.compose import book_of

ENVIRONMENT = """\
name: routed
description: Two hostnames whose applications decide for themselves
owners: {decision: a, database: b, traffic: c, application: d}
database: {name: shop, blue: env:BLUE, green: env:GREEN}
hostnames:
  search:
    host: search.example.com
    carrier: {kind: flag, flag: search, reported: [http://10.0.0.1:9000/router]}
  cart:
    host: cart.example.com
    carrier: {kind: flag, flag: cart, store: "ssm:/shop/flags"}
flags:
  search: {store: "file:PATH", description: Who searches}
shift: {shares: [5, 25, 100], soak: 1m}
"""


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parts:
    (tmp_path / "routed.yaml").write_text(ENVIRONMENT.replace("PATH", f"{tmp_path}/flags.json"))
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))
    return Parts(open_environment("routed", directory=tmp_path).means)


@pytest.fixture
def plan(tmp_path: Path, parts: Parts) -> Plan:
    return open_environment("routed", directory=tmp_path).plan


def moves(plan: Plan, flag: str) -> list[tuple[str, str]]:
    found = [step for _, step in plan.steps() if isinstance(step, StoreShare) and step.flag == flag]
    return [(str(step.before), str(step.after)) for step in found]


@pytest.mark.parametrize("flag", ["search", "cart"])
def test_every_share_is_a_step_and_the_way_back_is_one(plan: Plan, flag: str) -> None:
    assert moves(plan, flag) == [("0 %", "5 %"), ("5 %", "25 %"), ("25 %", "100 %")]
    assert moves(plan.inverse([item.name for _, item in plan.walk()]), flag) == [("100 %", "0 %")]


def test_the_steps_write_where_the_flag_is_kept(plan: Plan, tmp_path: Path) -> None:
    address = f"file:{tmp_path}/flags.json"
    step = next(step for _, step in plan.steps() if isinstance(step, StoreShare))
    assert (step.place, step.resource) == (address, f"flag:{address}:search")
    with opened(address) as store:
        store.put(Flag(name="search"), 0)
    assert step.observe() == Share.of(0)


def test_a_flag_that_is_not_there_is_found_before_anything_is_touched(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "flags.json").write_text("{}")
    checks = dict(check for one in carried(parts.means) for check in one.preflight())
    found = checks["flag-reads-search"].look()
    assert found.verdict is not Verdict.PASS and "there is no flag search" in found.seen
    assert "invoke flag.enable 0 --env E --flag search --reason" in found.hint


def test_what_is_asked_of_aws_is_one_flag_and_its_path(plan: Plan) -> None:
    step = next(step for _, step in plan.steps() if isinstance(step, StoreShare) and step.flag == "cart")
    asked = {(one.operation, one.resource.rpartition(":parameter/")[2]) for one in plan_permissions(plan) if one.service == "ssm"}  # fmt: skip
    assert asked == {
        ("GetParameter", "shop/flags/cart"), ("GetParameterHistory", "shop/flags/cart"), ("PutParameter", "shop/flags/cart"),
        ("GetParametersByPath", "shop/flags"),
    }  # fmt: skip
    assert isinstance(step.needs, Permitted)


def test_a_dry_run_writes_to_no_store(tmp_path: Path, parts: Parts) -> None:
    means = open_environment("routed", read_only=True, directory=tmp_path).means
    opened_store = opening(means, Ref("literal", f"file:{tmp_path}/flags.json"))
    with opened_store() as store, pytest.raises(Refused, match="read-only"):
        store.put(Flag(name="search"), 0)
    assert not (tmp_path / "flags.json").exists()


def test_an_address_that_is_none_is_refused_without_being_shown(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE", "mysql://a:s3cret@b")
    with pytest.raises(ConfigurationRefused) as refused, opening(parts.means, Ref("env", "STORE"))():
        pass
    assert "known are file:" in str(refused.value) and "s3cret" not in str(refused.value)


def test_the_toolkit_asks_ssm_by_its_own_session_whatever_names_the_store(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORE", "ssm:/shop/flags?region=eu-west-1")
    asked: list[tuple[str, str]] = []

    def call(aws: Aws, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
        asked.append((aws.region, operation))
        return {"Parameters": []}

    monkeypatch.setattr(Aws, "call", call)
    for ref in (Ref("env", "STORE"), Ref("literal", "ssm:/shop/flags")):
        with opening(parts.means, ref)() as store:
            assert not store.all()
    assert asked == [("eu-west-1", "GetParametersByPath"), ("us-east-1", "GetParametersByPath")]


def test_the_runbook_says_what_is_typed(plan: Plan, tmp_path: Path) -> None:
    write(book_of(open_environment("routed", directory=tmp_path)), tmp_path / "runbooks")
    text = "".join(path.read_text() for path in sorted((tmp_path / "runbooks").glob("*.md")))
    for _, step in plan.steps():
        if isinstance(step, StoreShare):
            (command,) = step.commands(step.after)
            assert command.shell() in text and step.check_shell() in text
    assert "invoke flag." not in text
