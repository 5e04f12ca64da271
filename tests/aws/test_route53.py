"""Weighted records: one compare-and-swap batch over the whole group, read back and in sync before anything is claimed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from local_aws import Endpoint

from cutover.aws.route53 import Route53Share, Route53Ttl
from cutover.aws.route53_zone import canonical
from cutover.aws.session import Aws, AwsError
from cutover.core.clock import Deadline
from cutover.core.errors import NotConverged, StepFailed
from cutover.core.share import Share
from cutover.core.step import Step
from cutover.core.telling import heard

SENT = "ChangeResourceRecordSets"


def share(endpoint: Endpoint, before: float, after: float, **more: Any) -> Route53Share:
    return Route53Share(
        name=f"api-to-{after}",
        before=Share.of(before),
        after=Share.of(after),
        aws=endpoint.aws,
        zone="shop.test",
        record=more.pop("record", "api.shop.test"),
        record_type=more.pop("record_type", "CNAME"),
        blue="blue",
        green="green",
        **more,
    )


def ttl(endpoint: Endpoint, before: int, after: int, record: str = "api.shop.test") -> Route53Ttl:
    return Route53Ttl(
        name="lower-ttl",
        before=before,
        after=after,
        aws=endpoint.aws,
        zone="shop.test",
        record=record,
        record_type="CNAME",
    )


def run(step: Step[Any], seconds: float = 20.0) -> None:
    for command in step.commands(step.after):
        command.run(Deadline.after(seconds))


def take(step: Step[Any]) -> None:
    run(step)
    assert step.observe() == step.after


def weights(endpoint: Endpoint) -> dict[str, int]:
    return {record["SetIdentifier"]: record["Weight"] for record in endpoint.records()}


def sibling(name: str, identifier: str, weight: int, **more: Any) -> dict[str, Any]:
    return {
        "Name": name,
        "Type": "CNAME",
        "SetIdentifier": identifier,
        "Weight": weight,
        "TTL": 5,
        "ResourceRecords": [{"Value": "elsewhere.test"}],
        **more,
    }


def test_a_share_goes_up_in_one_batch_and_back_down(endpoint: Endpoint) -> None:
    step = share(endpoint, 0, 10)
    assert endpoint.writes_during(lambda: take(step)) == [SENT]
    assert weights(endpoint) == {"blue": 90, "green": 10}
    take(share(endpoint, 10, 100))
    assert weights(endpoint) == {"blue": 0, "green": 100}
    take(share(endpoint, 10, 100).inverse().merged(step.inverse()))
    assert weights(endpoint) == {"blue": 100, "green": 0}


def test_one_percent_is_not_rounded_away(endpoint: Endpoint) -> None:
    for percent in (0.01, 1, 12.5, 99, 99.99):
        step = share(endpoint, 0, percent)
        take(step)
        found = weights(endpoint)
        assert min(found.values()) >= 1
        assert max(found.values()) <= 255
        take(step.inverse())
    assert "# 0.01 % is written as 0.39 %" in share(endpoint, 0, 0.01).commands(Share.of(0.01))[0].shell()


def test_the_same_command_again_learns_whether_the_first_one_is_in_sync(endpoint: Endpoint) -> None:
    step = share(endpoint, 0, 50)
    take(step)
    before = endpoint.records()
    assert endpoint.writes_during(lambda: take(step)) == [SENT]
    assert endpoint.records() == before


def test_the_other_name_with_the_same_identifier_survives(endpoint: Endpoint) -> None:
    endpoint.change(
        ("CREATE", sibling("other.shop.test.", "blue", 7)), ("CREATE", sibling("other.shop.test.", "green", 3))
    )
    take(share(endpoint, 0, 50))
    assert [record["Weight"] for record in endpoint.records("other.shop.test.")] == [7, 3]


@pytest.mark.parametrize("name", ["api.shop.test.", "API.Shop.TEST", "api.shop.test"])
def test_names_are_the_same_in_any_case_and_with_any_dot(endpoint: Endpoint, name: str) -> None:
    assert share(endpoint, 0, 10, record=name).observe() == Share.of(0)


def test_a_wildcard_name_is_compared_as_route53_stores_it(endpoint: Endpoint) -> None:
    assert canonical("*.Shop.test.") == canonical("\\052.shop.test")
    endpoint.change(("CREATE", sibling("*.shop.test", "blue", 9)), ("CREATE", sibling("*.shop.test", "green", 1)))
    assert share(endpoint, 10, 20, record="*.shop.test").observe() == Share.of(10)
    take(share(endpoint, 10, 20, record="*.shop.test"))


def test_a_third_identifier_is_told_and_left_alone(endpoint: Endpoint) -> None:
    endpoint.change(("CREATE", sibling("api.shop.test.", "grey", 20)))
    step = share(endpoint, 0, 50)
    assert step.observe() == "blue 100, green 0, grey 20"
    with pytest.raises(StepFailed, match="nothing was written"):
        run(step)


def test_weights_that_are_all_zero_are_no_share(endpoint: Endpoint) -> None:
    blue, green = endpoint.records()
    endpoint.change(("DELETE", blue), ("CREATE", {**blue, "Weight": 0}))
    assert share(endpoint, 0, 50).observe() == "all weights 0: Route 53 splits evenly"
    assert green["Weight"] == 0


def test_what_is_no_weighted_group_is_a_state_and_no_error(endpoint: Endpoint) -> None:
    assert share(endpoint, 0, 50, record="shop.shop.test").observe() == "not a weighted group: simple"
    assert share(endpoint, 0, 50, record="nope.shop.test").observe() == (
        "there is no CNAME record nope.shop.test in zone shop.test"
    )
    assert replace(share(endpoint, 0, 50), zone="shoe.test").observe() == "there is no public zone shoe.test"


def address(kind: str, identifier: str, weight: int, value: str) -> dict[str, Any]:
    return sibling("dual.shop.test.", identifier, weight, Type=kind, ResourceRecords=[{"Value": value}])


def test_both_address_families_move_in_one_batch(endpoint: Endpoint) -> None:
    endpoint.change(
        ("CREATE", address("A", "blue", 100, "192.0.2.1")),
        ("CREATE", address("A", "green", 0, "192.0.2.2")),
        ("CREATE", address("AAAA", "blue", 50, "2001:db8::1")),
        ("CREATE", address("AAAA", "green", 50, "2001:db8::2")),
    )
    step = share(endpoint, 0, 50, record="dual.shop.test", record_type="A")
    assert step.observe() == "A: 0 %, AAAA: 50 %"
    blue, green = (r for r in endpoint.records("dual.shop.test.") if r["Type"] == "AAAA")
    endpoint.change(
        *((a, r) for r, w in ((blue, 100), (green, 0)) for a, r in (("DELETE", r), ("CREATE", {**r, "Weight": w})))
    )
    assert endpoint.writes_during(lambda: take(step)) == [SENT]


def test_somebody_who_edits_between_reading_and_writing_wins(endpoint: Endpoint) -> None:
    class Meddled(Aws):
        def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
            if operation == SENT:
                blue, _ = endpoint.records()
                endpoint.change(("DELETE", blue), ("CREATE", {**blue, "Weight": 70}))
            return super().call(service, operation, deadline, **parameters)

    step = replace(share(endpoint, 0, 50), aws=Meddled("us-east-1"))
    with pytest.raises(StepFailed, match="somebody else changed it; nothing was written"):
        run(step)
    assert weights(endpoint) == {"blue": 70, "green": 0}


def test_throttling_is_sat_out_visibly(endpoint: Endpoint) -> None:
    told: list[str] = []
    endpoint.fault(SENT, times=2, code="Throttling")
    endpoint.fault(SENT, code="PriorRequestNotComplete")
    with heard(told.append):
        take(share(endpoint, 0, 50))
    assert [line.split(": ")[1] for line in told] == ["Throttling", "Throttling", "PriorRequestNotComplete"]


def test_throttling_without_end_claims_nothing(endpoint: Endpoint) -> None:
    endpoint.fault(SENT, times=1000, code="Throttling")
    step = share(endpoint, 0, 50)
    with pytest.raises(AwsError, match="Throttling"):
        run(step, seconds=1.0)
    assert step.observe() == Share.of(0)


def test_a_lost_answer_is_read_back_and_still_awaited(endpoint: Endpoint) -> None:
    endpoint.lag(0.5)
    endpoint.fault(SENT, lose_response=True)
    take(share(endpoint, 0, 50))
    shown = {
        r["weight"] for z in endpoint.control("GET", "zones") for r in z["records"] if r["name"] == "api.shop.test."
    }
    assert shown == {50}


def test_a_change_that_never_gets_in_sync_is_not_claimed(endpoint: Endpoint) -> None:
    endpoint.lag(1.0)
    with pytest.raises(NotConverged, match="still PENDING"):
        run(share(endpoint, 0, 50), seconds=0.3)


def test_the_ttl_of_a_group_changes_in_one_batch(endpoint: Endpoint) -> None:
    step = ttl(endpoint, 5, 1)
    assert step.observe() == 5
    assert endpoint.writes_during(lambda: take(step)) == [SENT]
    assert [record["TTL"] for record in endpoint.records()] == [1, 1]
    take(step.inverse())
    simple = ttl(endpoint, 5, 1, record="shop.shop.test")
    take(simple)
    take(simple.inverse())


def test_an_alias_has_no_ttl_to_lower(endpoint: Endpoint) -> None:
    target = {"HostedZoneId": endpoint.zone(), "DNSName": "shop.shop.test.", "EvaluateTargetHealth": False}
    alias = {"Name": "alias.shop.test.", "Type": "CNAME", "SetIdentifier": "green", "Weight": 0, "AliasTarget": target}
    endpoint.change(("CREATE", alias))
    assert ttl(endpoint, 5, 1, record="alias.shop.test").observe() == "alias: effective 60 s, set by AWS"
    endpoint.change(("CREATE", sibling("alias.shop.test.", "blue", 100, TTL=300)))
    assert ttl(endpoint, 5, 1, record="alias.shop.test").observe() == "alias and other records in one group"
    step = share(endpoint, 0, 50, record="alias.shop.test")
    take(step)
    assert {
        r["SetIdentifier"]: r.get("AliasTarget", {}).get("DNSName") for r in endpoint.records("alias.shop.test.")
    } == {
        "blue": None,
        "green": "shop.shop.test.",
    }


@pytest.mark.slow
def test_what_is_printed_reaches_the_same_states(endpoint: Endpoint, bash: Callable[..., str]) -> None:
    step = share(endpoint, 0, 10)
    bash(step.commands(step.after)[0].shell())
    assert step.observe() == step.after
    bash(step.inverse().commands(step.before)[0].shell())
    assert step.observe() == step.before
    assert bash(step.check_shell()).splitlines()[-1] == "0 %"
    lower = ttl(endpoint, 5, 1)
    bash(lower.commands(1)[0].shell())
    assert lower.observe() == 1
    assert bash(lower.check_shell()).splitlines()[-1] == "1"
    assert sorted(line.split() for line in bash(step.check_shell()).splitlines()[:-1]) == [
        ["CNAME", "blue", "100", "1"],
        ["CNAME", "green", "0", "1"],
    ]
