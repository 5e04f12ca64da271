"""What would stop or undo a move of weighted records is found before anything is touched, with what mends it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from local_aws import Endpoint, eventually

from cutover.aws.record_group import RecordName
from cutover.aws.route53 import Route53Share
from cutover.aws.route53_alias import AliasTargetsCount
from cutover.aws.route53_group import GroupCanBeMoved
from cutover.aws.route53_owner import belongs
from cutover.aws.route53_weighted import Route53Weighted
from cutover.aws.session import Aws, AwsError
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.gate import Verdict
from cutover.core.share import Share

HERITAGE = '"heritage=external-dns,external-dns/owner=k8s-1,external-dns/resource=ingress/shop/api"'


def group(endpoint: Endpoint, **more: Any) -> GroupCanBeMoved:
    where = RecordName(
        more.pop("aws", endpoint.aws), "shop.test", more.pop("name", "api.shop.test"), more.pop("kind", "CNAME")
    )
    return GroupCanBeMoved(where=where, blue="blue", green="green", ttls=more.pop("ttls", (5, 1)), **more)


def told(records: list[dict[str, Any]], **more: Any) -> list[tuple[str, str]]:
    """(severity, text) of what is said about records that nobody listed."""
    where = RecordName(Aws("us-east-1"), "shop.test", "api.shop.test", more.pop("kind", "CNAME"))
    check = GroupCanBeMoved(where=where, blue="blue", green="green", ttls=more.pop("ttls", (5, 1)), **more)
    return [(remark.severity, remark.seen) for remark in check.remarks(records, "Z1")]


def member(identifier: str, weight: int, **more: Any) -> dict[str, Any]:
    record = {
        "Name": "api.shop.test.",
        "Type": "CNAME",
        "SetIdentifier": identifier,
        "Weight": weight,
        "TTL": 5,
        "ResourceRecords": [{"Value": f"{identifier}.test"}],
        **more,
    }
    return {key: value for key, value in record.items() if value is not None}


def alias(identifier: str, weight: int, *, health: bool = False, zone: str = "ZELB") -> dict[str, Any]:
    target = {"HostedZoneId": zone, "DNSName": f"{identifier}.elb.test.", "EvaluateTargetHealth": health}
    return member(identifier, weight, TTL=None, ResourceRecords=None, Type="A", AliasTarget=target)


def pair(**more: Any) -> list[dict[str, Any]]:
    return [member("blue", 100, **more), member("green", 0, **more)]


def test_a_plain_group_is_fine(endpoint: Endpoint) -> None:
    seen = group(endpoint).look()
    assert (seen.verdict, seen.seen, seen.hint) == (Verdict.PASS, "api.shop.test CNAME: fine", "")


def test_what_is_not_there_names_the_next_command(endpoint: Endpoint) -> None:
    seen = group(endpoint, name="nope.shop.test").look()
    assert seen.verdict is Verdict.FAIL
    assert "there is no CNAME record nope.shop.test in zone shop.test" in seen.seen
    assert "aws --region us-east-1 route53 list-hosted-zones-by-name --dns-name shop.test" in seen.hint


def test_an_unknown_third_member_is_refused_by_name() -> None:
    (remark,) = told([*pair(), member("grey", 20)])
    assert remark == ("refuses", "CNAME: an unknown member grey with weight 20")


def test_a_missing_member_is_refused_by_name() -> None:
    assert told([member("blue", 100)]) == [("refuses", "CNAME: there is no record set green")]


def test_weights_that_are_all_zero_are_refused() -> None:
    assert told([member("blue", 0), member("green", 0)]) == [
        ("refuses", "CNAME: all weights are 0: Route 53 splits evenly")
    ]


@pytest.mark.parametrize(
    ("records", "seen"),
    [
        ([member("blue", 1, Weight=None, Region="us-east-1"), member("green", 0)], "routing policies Region, weighted"),
        (
            [member("b", 1, Weight=None, Failover="PRIMARY"), member("c", 1, Weight=None, Failover="SECONDARY")],
            "Failover",
        ),
        (
            [member("blue", 1, TrafficPolicyInstanceId="tpi-1"), member("green", 0)],
            "Traffic Flow policy instance tpi-1",
        ),
        ([member("", 1, Weight=None, SetIdentifier=None)], "one simple record, not a weighted group"),
    ],
)
def test_what_is_no_weighted_group_is_refused(records: list[dict[str, Any]], seen: str) -> None:
    ((severity, text),) = told(records)
    assert severity == "refuses" and seen in text


def test_a_ttl_that_the_plan_does_not_count_with_is_refused() -> None:
    assert told(pair(TTL=300)) == [("refuses", "the TTL is 300 s, the plan counts with 1 s or 5 s")]
    assert told([member("blue", 1), member("green", 0, TTL=1)]) == [
        ("refuses", "the TTL is 1 s or 5 s, the plan counts with 1 s or 5 s")
    ]


def test_types_of_one_name_at_different_weights_are_refused() -> None:
    families = [*pair(Type="A"), member("blue", 50, Type="AAAA"), member("green", 50, Type="AAAA")]
    assert told(families, kind="A") == [
        (
            "refuses",
            "the types of one name have different weights: A: blue 100, green 0; AAAA: blue 50, green 50",
        )
    ]


def test_an_alias_has_its_own_ttl_and_says_so() -> None:
    both = [alias("blue", 100), alias("green", 0)]
    assert told(both, ttls=(), kind="A") == [("informs", "alias: effective 60 s, set by AWS; nothing is lowered")]
    ((severity, text),) = told(both, ttls=(300, 60), kind="A")
    assert severity == "refuses" and "there is no TTL to lower" in text
    ((severity, text),) = told(pair(), ttls=())
    assert severity == "refuses" and "no aliases, but records with a TTL of 5 s" in text


def test_an_alias_beside_a_record_with_another_ttl_distorts_the_shares() -> None:
    green = member("green", 0, Type="A", TTL=300)
    ((severity, text),) = told([alias("blue", 100), green], ttls=(), kind="A")
    assert severity == "refuses" and "the shares are not those of the weights" in text
    assert told([alias("blue", 100), {**green, "TTL": 60}], ttls=(), kind="A")[0][0] == "informs"


def test_an_alias_within_the_zone_has_its_targets_ttl() -> None:
    seen = told([alias("blue", 100, zone="Z1"), alias("green", 0)], ttls=(), kind="A")
    assert ("warns", "an alias to blue.elb.test. has the TTL of that record, not 60 s") in seen


def test_health_checks_at_weight_zero_are_a_way_back_that_nobody_asked() -> None:
    checked = [member("blue", 100, HealthCheckId="h1"), member("green", 0)]
    ((severity, text),) = told(checked)
    assert severity == "warns" and "a side at weight 0 gets all visitors again by itself" in text
    assert told(checked, fail_back="allowed")[0][0] == "informs"
    assert told(checked, fail_back="refused")[0][0] == "refuses"
    assert told([alias("blue", 100, health=True), alias("green", 0)], ttls=(), kind="A")[1][0] == "warns"


@pytest.mark.parametrize(
    ("text", "name", "is_ours"),
    [
        ("api.shop.test.", "api.shop.test", True),
        ("cname-api.shop.test.", "api.shop.test", True),
        ("a-API.shop.test", "api.shop.test.", True),
        ("edns-aaaa-api.shop.test.", "api.shop.test", True),
        ("_external_dns.cname-api.shop.test.", "api.shop.test", True),
        ("cname-api-edns.shop.test.", "api.shop.test", True),
        ("cname-abc-.api.shop.test.", "api.shop.test", True),
        ("edns.api.shop.test.", "api.shop.test", True),
        ("cname-\\052.shop.test.", "*.shop.test", True),
        ("cname-my-api.shop.test.", "api.shop.test", False),
        ("cname-apis.shop.test.", "api.shop.test", False),
        ("cname-api.other.test.", "api.shop.test", False),
        ("shop.test.", "api.shop.test", False),
    ],
)
def test_whose_note_it_is(text: str, name: str, is_ours: bool) -> None:
    assert belongs(text, name) is is_ours


@pytest.mark.parametrize("note", ["cname-api.shop.test", "txt.cname-api.shop.test"])
def test_a_name_that_external_dns_owns_is_refused_with_its_owner(endpoint: Endpoint, note: str) -> None:
    note_record = {"Name": note, "Type": "TXT", "TTL": 300, "ResourceRecords": [{"Value": HERITAGE}]}
    endpoint.change(("CREATE", note_record))
    seen = group(endpoint).look()
    assert seen.verdict is Verdict.FAIL
    assert f"{note}. (k8s-1, ingress/shop/api)" in seen.seen
    assert "scale external-dns to 0" in seen.hint


def test_a_note_about_a_longer_name_or_of_somebody_else_is_no_matter(endpoint: Endpoint) -> None:
    longer = {"Name": "api-v2.shop.test", "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    note = {"Name": "cname-api-v2.shop.test", "Type": "TXT", "TTL": 5, "ResourceRecords": [{"Value": HERITAGE}]}
    other = {"Name": "cname-api.shop.test", "Type": "TXT", "TTL": 5, "ResourceRecords": [{"Value": '"v=spf1 -all"'}]}
    endpoint.change(*(("CREATE", record) for record in (longer, note, other)))
    assert group(endpoint).look().verdict is Verdict.PASS


@pytest.fixture
def protected(endpoint: Endpoint) -> Iterator[Callable[..., None]]:
    made: list[dict[str, str]] = []

    def protect(name: str, kind: str, **more: str) -> None:
        made.append({"RecordName": name, "RecordType": kind})
        given = [{**made[-1], **more}]
        endpoint.r53("CreateResourceRecordSetProtections", HostedZoneId=endpoint.zone(), Protections=given)

    yield protect
    endpoint.r53("DeleteResourceRecordSetProtections", HostedZoneId=endpoint.zone(), Protections=made)


def test_a_protected_name_is_refused_with_the_command_that_frees_it(
    endpoint: Endpoint, protected: Callable[..., None]
) -> None:
    protected("api.shop.test", "TXT")
    protected("zzz.shop.test", "CNAME")
    assert group(endpoint).look().verdict is Verdict.PASS
    protected("API.shop.test", "CNAME", Comment="payroll")
    seen = group(endpoint).look()
    assert seen.verdict is Verdict.FAIL and "CNAME: protected (payroll)" in seen.seen
    assert "delete-resource-record-set-protections" in seen.hint and endpoint.zone() in seen.hint


def test_who_cannot_be_asked_about_protections_is_told_and_does_not_block(endpoint: Endpoint) -> None:
    class Old(Aws):
        def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
            if operation == "ListResourceRecordSetProtections":
                raise AwsError("no such thing", "AccessDenied")
            return super().call(service, operation, deadline, **parameters)

    seen = group(endpoint, aws=Old("us-east-1")).look()
    assert seen.verdict is Verdict.PASS
    assert "whether the records are protected could not be asked (AccessDenied)" in seen.seen


def test_one_simple_record_is_fine_where_the_plan_migrates_it(endpoint: Endpoint) -> None:
    step = Route53Weighted(
        name="made-weighted",
        aws=endpoint.aws,
        zone="shop.test",
        record="shop.shop.test",
        record_type="CNAME",
        blue="blue",
        green="green",
        target="green.test",
    )
    assert group(endpoint, name="shop.shop.test").look().verdict is Verdict.FAIL
    seen = group(endpoint, name="shop.shop.test", weighted=step).look()
    assert seen.verdict is Verdict.PASS and "becomes a weighted group" in seen.seen


def test_a_protection_that_comes_later_refuses_the_move_as_a_whole(
    endpoint: Endpoint, protected: Callable[..., None]
) -> None:
    protected("api.shop.test", "CNAME", Comment="payroll")
    step = Route53Share(
        name="to-50",
        before=Share.of(0),
        after=Share.of(50),
        aws=endpoint.aws,
        zone="shop.test",
        record="api.shop.test",
        record_type="CNAME",
        blue="blue",
        green="green",
    )
    with pytest.raises(StepFailed, match="refused, nothing was written: .*is protected: payroll"):
        step.commands(step.after)[0].run(Deadline.after(20))
    assert step.observe() == step.before


def test_records_of_traffic_flow_are_refused_as_listed(endpoint: Endpoint) -> None:
    made = member("blue", 100, Name="flow.shop.test", TrafficPolicyInstanceId="tpi-1")
    endpoint.change(("CREATE", made), ("CREATE", member("green", 0, Name="flow.shop.test")))
    seen = group(endpoint, name="flow.shop.test").look()
    assert seen.verdict is Verdict.FAIL and "made by the Traffic Flow policy instance tpi-1" in seen.seen


@pytest.fixture
def empty_green(endpoint: Endpoint) -> Iterator[AliasTargetsCount]:
    """Aliases that evaluate health, to a balancer with a target and to one without; the check of both."""
    balancers = {one["LoadBalancerName"]: one for one in endpoint.elb("DescribeLoadBalancers")["LoadBalancers"]}

    def to(side: str, weight: int) -> dict[str, Any]:
        name = "dualstack." + balancers[f"api-{side}"]["DNSName"]
        target = {"HostedZoneId": "Z35SXDOTRQ7X7K", "DNSName": name, "EvaluateTargetHealth": True}
        return {"Name": "alias.shop.test", "Type": "A", "SetIdentifier": side, "Weight": weight, "AliasTarget": target}

    endpoint.change(("CREATE", to("blue", 100)), ("CREATE", to("green", 0)))
    where = RecordName(endpoint.aws, "shop.test", "alias.shop.test", "A")
    gone = {
        "TargetGroupArn": endpoint.group("api-green"),
        "Targets": [{"Id": "127.0.0.1", "Port": endpoint.green.port}],
    }
    eventually(lambda: endpoint.healthy("api-blue"))
    endpoint.elb("DeregisterTargets", **gone)
    yield AliasTargetsCount(where=where, sides=("blue", "green"))
    endpoint.elb("RegisterTargets", **gone)


def test_an_empty_group_behind_an_alias_that_evaluates_health_is_told(empty_green: AliasTargetsCount) -> None:
    seen = empty_green.look()
    assert seen.verdict is Verdict.INSUFFICIENT
    assert seen.seen.startswith("green: api-green has no ") and "leaves that side out" in seen.seen
    early = replace(empty_green, needed=False).look()
    assert early.verdict is Verdict.PASS and early.data["warning"]
    assert replace(empty_green, sides=("blue",)).look().verdict is Verdict.PASS


@pytest.mark.slow
def test_what_is_printed_about_aliases_gives_the_same_verdict(
    empty_green: AliasTargetsCount, bash: Callable[..., str]
) -> None:
    assert "1 healthy" in bash(replace(empty_green, sides=("blue",)).shell())
    bash(empty_green.shell(), ok=False)


@pytest.mark.slow
def test_what_is_printed_gives_the_same_verdict(endpoint: Endpoint, bash: Callable[..., str]) -> None:
    check = group(endpoint)
    shown = [line.split() for line in bash(check.shell()).splitlines()]
    assert shown == [["CNAME", "blue", "100", "5"], ["CNAME", "green", "0", "5"]]
    note = {"Name": "cname-api.shop.test", "Type": "TXT", "TTL": 5, "ResourceRecords": [{"Value": HERITAGE}]}
    endpoint.change(("CREATE", note))
    assert "cname-api.shop.test." in bash(check.shell(), ok=False)
    endpoint.change(("DELETE", note))
    bash(group(endpoint, name="shop.shop.test").shell(), ok=False)
