"""One simple record becomes a weighted group in one batch, answers as before, and becomes a simple record again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from contract import holds
from local_aws import Endpoint

from cutover.aws.route53_weighted import SIMPLE, WEIGHTED, Route53Weighted
from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed

SENT = "ChangeResourceRecordSets"


def weighted(aws: Aws, record: str = "shop.shop.test", kind: str = "CNAME", **more: Any) -> Route53Weighted:
    return Route53Weighted(
        name="made-weighted-shop",
        aws=aws,
        zone="shop.test",
        record=record,
        record_type=kind,
        blue="blue",
        green="green",
        target=more.pop("target", "green.elsewhere.test"),
        **more,
    )


def take(step: Route53Weighted) -> None:
    for command in step.commands(step.after):
        command.run(Deadline.after(20))
    assert step.observe() == step.after


def simple(kind: str, *values: str, **more: Any) -> dict[str, Any]:
    values_of = {"TTL": 5, "ResourceRecords": [{"Value": value} for value in values]}
    return {"Name": "dual.shop.test.", "Type": kind, **(values_of if values else {}), **more}


def test_a_simple_record_becomes_a_group_in_one_batch_and_back(endpoint: Endpoint) -> None:
    (was,) = endpoint.records("shop.shop.test.")
    step = weighted(endpoint.aws)
    assert step.observe() == SIMPLE
    assert endpoint.writes_during(lambda: take(step)) == [SENT]
    blue, green = endpoint.records("shop.shop.test.")
    assert {key: value for key, value in blue.items() if key not in ("SetIdentifier", "Weight")} == was
    assert (blue["Weight"], green["Weight"], green["TTL"]) == (100, 0, was["TTL"])
    assert green["ResourceRecords"] == [{"Value": "green.elsewhere.test"}]
    assert endpoint.writes_during(lambda: take(step.inverse())) == [SENT]  # type: ignore[arg-type]
    assert endpoint.records("shop.shop.test.") == [was]


def test_its_batch_may_touch_its_mark_and_no_other_name_of_the_zone(endpoint: Endpoint) -> None:
    asked = [one for one in weighted(endpoint.aws).permissions() if one.operation == SENT]
    assert [{key: values for _, key, values in one.conditions} for one in asked] == [
        {
            "route53:ChangeResourceRecordSetsActions": ("CREATE", "DELETE"),
            "route53:ChangeResourceRecordSetsNormalizedRecordNames": ("shop.shop.test", "_cutover.shop.shop.test"),
            "route53:ChangeResourceRecordSetsRecordTypes": ("CNAME", "TXT"),
        }
    ]


def test_both_address_families_and_aliases_become_groups_together(endpoint: Endpoint) -> None:
    endpoint.change(("CREATE", simple("A", "192.0.2.1")), ("CREATE", simple("AAAA", "2001:db8::1")))
    with_v6 = weighted(endpoint.aws, "dual.shop.test", "A", target="192.0.2.2", target_ipv6="2001:db8::2")
    without = weighted(endpoint.aws, "dual.shop.test", "A", target="192.0.2.2")
    assert without.observe() == f"A: {SIMPLE}, AAAA: a simple AAAA record, and no target of that type for green"
    with pytest.raises(StepFailed, match="nothing was written"):
        take(without)
    take(with_v6)
    found = [(r["Type"], r["Weight"], r["ResourceRecords"][0]["Value"]) for r in endpoint.records("dual.shop.test.")]
    assert sorted(found) == [
        ("A", 0, "192.0.2.2"),
        ("A", 100, "192.0.2.1"),
        ("AAAA", 0, "2001:db8::2"),
        ("AAAA", 100, "2001:db8::1"),
    ]


def test_an_alias_keeps_its_zone_and_leads_to_greens_balancer(endpoint: Endpoint) -> None:
    target = {"HostedZoneId": "Z35SXDOTRQ7X7K", "DNSName": "blue-1.elb.test.", "EvaluateTargetHealth": True}
    endpoint.change(("CREATE", simple("A", AliasTarget=target)))
    step = weighted(endpoint.aws, "dual.shop.test", "A", target="green-1.elb.test")
    take(step)
    blue, green = endpoint.records("dual.shop.test.")
    assert (blue["AliasTarget"], green["AliasTarget"]) == (target, {**target, "DNSName": "green-1.elb.test"})
    take(step.inverse())  # type: ignore[arg-type]
    assert endpoint.records("dual.shop.test.") == [simple("A", AliasTarget=target)]


def state(*records: dict[str, Any], **more: Any) -> str:
    return weighted(Aws("us-east-1"), "dual.shop.test", "A", target="192.0.2.2", **more).state(list(records))


def test_what_is_neither_is_told() -> None:
    one = simple("A", "192.0.2.1")
    blue, green = ({**one, "SetIdentifier": "blue", "Weight": 100}, {**one, "SetIdentifier": "green", "Weight": 0})
    assert state(simple("A", "192.0.2.1", "192.0.2.9")) == "a simple record with 2 values"
    assert state({**one, "Region": "us-east-1", "SetIdentifier": "blue"}) == "not simple, but Region"
    assert state({**blue, "Weight": 90}, {**green, "Weight": 10}) == "weighted: blue 90, green 10"
    assert state(blue) == "weighted: blue 100"
    assert state(blue, green) == "weighted, blue alone, but green leads to 192.0.2.1"
    there = {**green, "ResourceRecords": [{"Value": "192.0.2.2"}]}
    assert state(blue, there) == WEIGHTED
    assert state(one, {**simple("HTTPS", "1 ."), "TTL": 5}) == (
        f"A: {SIMPLE}, HTTPS: a simple HTTPS record, and no target of that type for green"
    )


@pytest.mark.slow
def test_what_is_printed_reaches_the_same_states(endpoint: Endpoint, bash: Callable[..., str]) -> None:
    step = weighted(endpoint.aws)
    (was,) = endpoint.records("shop.shop.test.")
    bash(step.commands(step.after)[0].shell())
    assert step.observe() == step.after
    assert bash(step.check_shell()).splitlines()[-1] == WEIGHTED
    bash(step.inverse().commands(step.before)[0].shell())
    assert endpoint.records("shop.shop.test.") == [was]
    assert bash(step.check_shell()).splitlines()[-1] == SIMPLE
    assert "nothing was written" in bash(step.commands(step.before)[0].shell(), ok=False)


@pytest.mark.slow
def test_the_migration_holds_the_contract(endpoint: Endpoint, tmp_path: Path) -> None:
    def weighted_by_hand() -> None:
        (record,) = endpoint.records("shop.shop.test.")
        blue, green = ({**record, "SetIdentifier": name, "Weight": 50} for name in ("blue", "green"))
        endpoint.change(("DELETE", record), ("CREATE", blue), ("CREATE", green))

    holds(
        lambda: weighted(endpoint.aws),
        state_dir=tmp_path,
        reset=endpoint.seeded_records,
        strays=[weighted_by_hand],
    )
