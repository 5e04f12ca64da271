"""The local world's DNS server shows what is in sync in Route 53, with authority and by weight."""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from cutover.world import ready_file

_numbers = count()


@pytest.fixture
def zone(aws_world: Any, eventually: Any) -> tuple[str, str]:
    """(id, name) of a zone of this test's own that the DNS server already knows."""
    name = f"dns{next(_numbers)}.test."
    at = aws_world.zone(name)
    eventually(lambda: ask(aws_world, name, "SOA").rcode() == dns.rcode.NOERROR)
    return at, name


def ask(world: Any, name: str, kind: str = "CNAME", *, tcp: bool = False, **options: Any) -> dns.message.Message:
    port = ready_file.facts_of(world.home, "dns")["port"]
    query = dns.message.make_query(name, kind, **options)
    return (dns.query.tcp if tcp else dns.query.udp)(query, "127.0.0.1", port=port, timeout=5)


def upsert(world: Any, at: str, *records: dict[str, Any]) -> str:
    changes = [{"Action": "UPSERT", "ResourceRecordSet": record} for record in records]
    answer = world.route53.change_resource_record_sets(HostedZoneId=at, ChangeBatch={"Changes": changes})
    return str(answer["ChangeInfo"]["Id"])


def settled(world: Any, change: str, eventually: Any) -> None:
    eventually(lambda: world.route53.get_change(Id=change)["ChangeInfo"]["Status"] == "INSYNC")


def member(name: str, weight: int) -> dict[str, Any]:
    identifier = f"to-{weight}"
    return {
        "Name": name,
        "Type": "CNAME",
        "SetIdentifier": identifier,
        "Weight": weight,
        "TTL": 5,
        "ResourceRecords": [{"Value": f"{identifier}.example"}],
    }


def drawn(world: Any, name: str, times: int) -> Counter[str]:
    return Counter(ask(world, name).answer[0][0].to_text() for _ in range(times))


def test_a_name_leads_to_its_load_balancer_and_port(aws_world: Any, eventually: Any) -> None:
    found = eventually(lambda: (answer := ask(aws_world, "SHOP.shop.test", "A")).answer and answer)
    assert found.flags & dns.flags.AA
    chain, address = found.answer
    assert chain.ttl == 5
    assert address[0].to_text() == "127.0.0.1"
    service = ask(aws_world, f"_http._tcp.{address.name}", "SRV").answer[0][0]
    ports = ready_file.facts_of(aws_world.home, "edge")["load_balancers"]
    assert service.port == ports[address.name.to_text().rstrip(".")]


def test_weight_zero_is_never_drawn_and_shares_follow_the_weights(
    aws_world: Any, zone: tuple[str, str], eventually: Any
) -> None:
    at, name = zone
    host = f"api.{name}"
    settled(aws_world, upsert(aws_world, at, member(host, 0), member(host, 30), member(host, 90)), eventually)
    eventually(lambda: ask(aws_world, host).answer)
    seen = drawn(aws_world, host, 800)
    assert seen["to-0.example."] == 0
    # 200 expected; six standard deviations (12.2 each) make a false alarm a matter of one in a billion
    assert abs(seen["to-30.example."] - 200) < 74


def test_all_weights_zero_is_an_equal_split(aws_world: Any, zone: tuple[str, str], eventually: Any) -> None:
    at, name = zone
    host = f"api.{name}"
    other = {**member(host, 0), "SetIdentifier": "other", "ResourceRecords": [{"Value": "other.example"}]}
    settled(aws_world, upsert(aws_world, at, member(host, 0), other), eventually)
    eventually(lambda: ask(aws_world, host).answer)
    assert set(drawn(aws_world, host, 60)) == {"to-0.example.", "other.example."}


def test_a_pending_change_is_not_shown(aws_world: Any, zone: tuple[str, str], eventually: Any) -> None:
    at, name = zone
    old, new = ({**member(f"api.{name}", 1), "TTL": ttl} for ttl in (5, 60))
    settled(aws_world, upsert(aws_world, at, old), eventually)
    eventually(lambda: ask(aws_world, f"api.{name}").answer)
    aws_world.control("POST", "/_world/lag", {"seconds": 1.0})
    try:
        change = upsert(aws_world, at, new)
        for _ in range(20):
            ttl = ask(aws_world, f"api.{name}").answer[0].ttl
            if aws_world.route53.get_change(Id=change)["ChangeInfo"]["Status"] == "PENDING":
                assert ttl == 5
    finally:
        aws_world.control("POST", "/_world/lag", {"seconds": 0.2})
    eventually(lambda: ask(aws_world, f"api.{name}").answer[0].ttl == 60, within=5)


def test_negative_answers_are_told_apart_and_carry_the_soa(aws_world: Any, zone: tuple[str, str]) -> None:
    _, name = zone
    missing, empty = ask(aws_world, f"nobody.{name}"), ask(aws_world, name, "TXT")
    assert missing.rcode() == dns.rcode.NXDOMAIN
    assert (empty.rcode(), empty.answer) == (dns.rcode.NOERROR, [])
    for negative in (missing, empty):
        assert negative.flags & dns.flags.AA
        (soa,) = negative.authority
        assert (soa.rdtype, soa.ttl) == (dns.rdatatype.SOA, 900)
    foreign = ask(aws_world, "example.com")
    assert foreign.rcode() == dns.rcode.REFUSED
    assert not foreign.flags & dns.flags.AA


def test_a_long_answer_is_truncated_over_udp_and_whole_over_tcp(
    aws_world: Any, zone: tuple[str, str], eventually: Any
) -> None:
    at, name = zone
    addresses = [{"Value": f"192.0.2.{number}"} for number in range(60)]
    record = {"Name": f"many.{name}", "Type": "A", "TTL": 5, "ResourceRecords": addresses}
    settled(aws_world, upsert(aws_world, at, record), eventually)
    whole = eventually(lambda: (answer := ask(aws_world, f"many.{name}", "A", tcp=True)).answer and answer)
    assert len(whole.answer[0]) == 60
    assert ask(aws_world, f"many.{name}", "A").flags & dns.flags.TC
    assert not ask(aws_world, f"many.{name}", "A", use_edns=0, payload=4096).flags & dns.flags.TC


def test_wildcards_and_aliases_are_followed(aws_world: Any, zone: tuple[str, str], eventually: Any) -> None:
    at, name = zone
    balancer = "shop-1.us-east-1.elb.amazonaws.com"
    target = {"HostedZoneId": "Z2P70J7EXAMPLE", "DNSName": balancer, "EvaluateTargetHealth": False}
    alias = {"Name": name, "Type": "A", "AliasTarget": target}
    wildcard = {"Name": f"*.{name}", "Type": "CNAME", "TTL": 7, "ResourceRecords": [{"Value": balancer}]}
    settled(aws_world, upsert(aws_world, at, alias, wildcard), eventually)
    found = eventually(lambda: ask(aws_world, name, "A").answer)
    assert [(rrset.name.to_text(), rrset.ttl, rrset[0].to_text()) for rrset in found] == [(name, 60, "127.0.0.1")]
    assert [rrset.ttl for rrset in ask(aws_world, f"any.{name}", "A").answer] == [7, 60]
