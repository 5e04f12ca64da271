"""What a hostname behind a load balancer brings into the plan: checks, steps in their order, and the gate that blue is empty."""

from pathlib import Path
from typing import Any

import pytest

from cutover.aws.alb import AlbAttach, AlbShare
from cutover.aws.alb_bypass import NothingBypasses
from cutover.aws.alb_conditions import RuleName
from cutover.aws.alb_drained import Drained
from cutover.aws.alb_groups import GroupsFit
from cutover.aws.alb_maintenance_check import MaintenanceFits
from cutover.aws.alb_stickiness import NOT_STICKY, AlbStickiness, sticky_for
from cutover.aws.permission import Permitted
from cutover.aws.session import Aws
from cutover.core.gate import Gate, Policy
from cutover.core.share import Share
from cutover.environment import AlbCarrier, Environment, parse
from cutover.plans.carried_alb import CarriedByAlb
from cutover.plans.means import Means
from cutover.plans.parts import Parts

TEXT = """\
name: small
description: One hostname behind one load balancer
owners: {decision: a, database: b, traffic: c, application: d}
database: {name: shop, blue: env:BLUE, green: env:GREEN}
hostnames:
  shop:
    host: shop.example.com
    carrier:
      {kind: alb, load_balancer: shop, listener_port: 443, blue: shop-blue, green: shop-green%s}
%s"""


def loaded(words: str = "", more: str = "") -> Environment:
    return parse(TEXT % (words, more), name="small", file="small.yaml")


def means(environment: Environment) -> Means:
    return Means(environment, (), Aws("us-east-1"), Path("unused"), dict, lambda: 1)


def carried(words: str = "") -> CarriedByAlb:
    environment = loaded(words)
    carrier = environment.hostnames["shop"].carrier
    assert isinstance(carrier, AlbCarrier)
    return CarriedByAlb(means(environment), "shop", "shop.example.com", carrier)


def test_without_further_words_the_default_action_is_moved_and_nothing_else() -> None:
    plain = carried()
    (attach,) = plain.attached()
    share = plain.share(Share.of(0), Share.of(10))
    assert isinstance(attach, AlbAttach)
    assert isinstance(share, AlbShare)
    assert (attach.rule, share.rule, share.resource) == (None, None, "alb:shop:443")
    assert (plain.restored(), plain.drained()) == ([], [])
    assert [name for name, _ in plain.preflight()] == ["blue-healthy-shop", "target-groups-shop", "bypassing-shop"]


def test_every_step_and_check_looks_at_the_rule_that_is_named() -> None:
    ruled = carried(", rule: {host: shop.example.com, path: /app/*}, sticky: 60, drain: {window: 5m}, bypassing: tell")
    place: Any
    checks = dict(ruled.preflight())
    items = [
        *ruled.attached(),
        ruled.share(Share.of(0), Share.of(10)),
        *ruled.restored(),
        checks["target-groups-shop"],
        checks["bypassing-shop"],
    ]
    for place in items:
        assert place.rule == RuleName("shop.example.com", "/app/*")
        assert (place.load_balancer, place.port) == ("shop", 443)
    assert isinstance(checks["target-groups-shop"], GroupsFit)
    assert isinstance(checks["bypassing-shop"], NothingBypasses)
    assert (checks["target-groups-shop"].sticky, checks["bypassing-shop"].accepted) == (60, True)


def test_stickiness_is_off_before_green_is_attached_and_back_after_the_bake() -> None:
    sticky = carried(", sticky: 60")
    off, attach = sticky.attached()
    (on,) = sticky.restored()
    assert isinstance(off, AlbStickiness)
    assert isinstance(attach, AlbAttach)
    assert isinstance(on, AlbStickiness)
    assert (off.before, off.after) == (sticky_for(60), NOT_STICKY) == (on.after, on.before)
    assert off.resource == on.resource


def test_blue_must_be_empty_before_the_bake_and_a_person_is_asked_when_it_is_not() -> None:
    (gate,) = carried(", drain: {window: 5m, late: 1m, deadline: 2h}").drained()
    assert isinstance(gate, Gate)
    assert isinstance(gate.check, Drained)
    assert (gate.check.group, gate.check.window, gate.check.late) == ("shop-blue", 300, 60)
    assert (gate.deadline, gate.on_fail, gate.inverse()) == (7200, Policy.HOLD, None)


def test_maintenance_is_looked_at_before_for_each_load_balancer_and_its_hosts() -> None:
    page = "maintenance: {kind: alb, load_balancers: [shop, other], priority: 7, hosts: [shop.example.com, a.example.com]}\n"
    part = Parts(means(loaded(more=page)))
    found = {name: check for name, check in part.preflight_checks().checks if name.startswith("maintenance")}
    assert list(found) == ["maintenance-shop", "maintenance-other"]
    check = found["maintenance-shop"]
    assert isinstance(check, MaintenanceFits)
    assert (check.step.port, check.step.priorities()) == (443, range(7, 9))


@pytest.mark.parametrize("words", [", rule: {host: shop.example.com}, sticky: 60, drain: {window: 5m}"])
def test_what_is_new_says_what_it_may_ask_of_aws(words: str) -> None:
    one = carried(words)
    gates = [item.check for item in one.drained() if isinstance(item, Gate)]
    asking = [one.attached()[0], *gates, *(check for name, check in one.preflight() if not name.startswith("blue"))]
    for each in asking:
        assert isinstance(each, Permitted)
        assert all(permission.reads or permission.resource != "*" for permission in each.permissions())
    writes = [p for each in asking if isinstance(each, Permitted) for p in each.permissions() if not p.reads]
    assert [(p.operation, p.resource.split(":", 5)[5]) for p in writes] == [
        ("ModifyRule", "listener-rule/app/shop/{listener:shop:443}/*")
    ]
