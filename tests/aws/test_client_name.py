"""The name of database clients: one simple record, led over by compare-and-swap, in a bounded time and without waiting."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from local_aws import Endpoint, eventually

from cutover.aws import client_name
from cutover.aws.client_name import ClientName, ClientNameReady
from cutover.aws.session import Aws, AwsError
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.gate import Verdict

SENT = "ChangeResourceRecordSets"
NAME = "db.shop.test."


@pytest.fixture
def clients(endpoint: Endpoint) -> Iterator[ClientName]:
    """Clients are led to blue."""
    eventually(lambda: not shown(endpoint))  # what an earlier test had is gone
    endpoint.change(("CREATE", record("db-blue.example.net")))
    eventually(lambda: shown(endpoint) == ["db-blue.example.net"])
    yield ClientName(endpoint.aws, "shop.test", "db.shop.test", "db-blue.example.net", "db-green.example.net")


def record(*values: str, **more: Any) -> dict[str, Any]:
    return {"Name": NAME, "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": one} for one in values], **more}


def shown(endpoint: Endpoint) -> list[str]:
    """What name servers answer now."""
    zones = endpoint.control("GET", "zones")
    return [value for zone in zones for one in zone["records"] if one["name"] == NAME for value in one["values"]]


def test_there_and_back_and_only_what_is_to_change_is_sent(endpoint: Endpoint, clients: ClientName) -> None:
    assert clients.where() == "blue"
    for side in ("green", "blue"):
        assert endpoint.writes_during(partial(clients.direct_to, side)) == [SENT]
        assert endpoint.writes_during(partial(clients.direct_to, side)) == []
        clients.settle()
        assert clients.where() == side and shown(endpoint) == [clients.endpoint(side)]
        assert endpoint.records(NAME)[0]["TTL"] == 60
    for nothing in (clients.pause, clients.resume):
        assert endpoint.writes_during(nothing) == []


def test_the_pause_does_not_wait_until_name_servers_have_it(endpoint: Endpoint, clients: ClientName) -> None:
    endpoint.lag(1.0)
    clients.direct_to("green")
    assert clients.where() == "green" and shown(endpoint) == ["db-blue.example.net"]
    clients.settle()
    assert shown(endpoint) == ["db-green.example.net"]


def test_a_change_that_never_gets_in_sync_does_not_hold_anybody_up(
    endpoint: Endpoint, clients: ClientName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_name, "SETTLE_SECONDS", 0.2)
    endpoint.lag(1.5)
    clients.direct_to("green")
    clients.settle()
    assert clients.where() == "green" and shown(endpoint) == ["db-blue.example.net"]


def test_a_lost_answer_is_read_back(endpoint: Endpoint, clients: ClientName) -> None:
    endpoint.fault(SENT, lose_response=True)
    clients.direct_to("green")
    clients.settle()
    assert shown(endpoint) == ["db-green.example.net"]


def test_a_failing_route_53_is_given_up_soon_and_told(
    endpoint: Endpoint, clients: ClientName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_name, "DIRECT_SECONDS", 0.5)
    endpoint.fault(SENT, times=1000, code="Throttling")
    with pytest.raises(StepFailed, match=r"db\.shop\.test does not lead clients to green yet: .*Throttling"):
        clients.direct_to("green")
    assert clients.where() == "blue"
    endpoint.control("DELETE", "faults")
    endpoint.fault("ListResourceRecordSets", times=1000, code="AccessDenied")
    with pytest.raises(AwsError, match="lack the permission"):
        clients.where()


def test_somebody_who_edits_between_reading_and_writing_wins(endpoint: Endpoint, clients: ClientName) -> None:
    class Meddled(Aws):
        def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
            if operation == SENT:
                endpoint.change(("UPSERT", record("elsewhere.test")))
            return super().call(service, operation, deadline, **parameters)

    with pytest.raises(StepFailed, match="somebody else changed it; nothing was written"):
        replace(clients, aws=Meddled("us-east-1")).direct_to("green")
    assert clients.where() == "elsewhere.test"
    with pytest.raises(StepFailed, match=r"elsewhere\.test; nothing was written"):
        clients.direct_to("green")


def weighted(identifier: str) -> dict[str, Any]:
    return record("db-blue.example.net", SetIdentifier=identifier, Weight=1)


def test_what_is_not_one_simple_record_is_a_state_and_is_refused_before(
    endpoint: Endpoint, clients: ClientName
) -> None:
    ready = ClientNameReady(clients, (60, 5))
    assert (ready.look().verdict, ready.look().seen) == (Verdict.PASS, "db.shop.test leads clients to blue, TTL 60 s")
    for wrong, words in (
        ([record("db-green.example.net")], "leads clients to green; wanted one simple CNAME to db-blue.example.net"),
        ([record("db-blue.example.net", TTL=300)], "the TTL of db.shop.test is 300 s, wanted 60 or 5"),
        ([weighted("a")], "is not one simple record: weighted"),
        ([weighted("a"), weighted("b")], "is not one simple record: weighted, weighted"),
        ([], "there is no CNAME record db.shop.test in zone shop.test"),
    ):
        endpoint.change(*(("DELETE", one) for one in endpoint.records(NAME)), *(("CREATE", one) for one in wrong))
        seen = ready.look()
        assert seen.verdict is Verdict.FAIL and words in seen.seen and seen.hint
    assert replace(clients, zone="nowhere.test").where() == "there is no public zone nowhere.test"


@pytest.mark.slow
def test_what_is_printed_does_the_same(endpoint: Endpoint, clients: ClientName, bash: Callable[..., str]) -> None:
    for side in ("green", "green", "blue"):
        bash(f"{clients.functions()}\npause_clients {side}\ndirect_clients {side}")
        assert clients.where() == side
        assert bash(clients.where_shell()).splitlines()[-1] == f"clients: {side}"
    endpoint.change(("UPSERT", record("elsewhere.test")))
    told = bash(f"{clients.functions()}\ndirect_clients green", ok=False)
    assert "nothing was written" in told and "does not lead clients to green yet; run this again" in told
    assert clients.where() == "elsewhere.test"
    assert bash(clients.where_shell()).splitlines()[-1] == "clients: elsewhere.test"
    endpoint.change(("DELETE", record("elsewhere.test")), ("CREATE", weighted("a")), ("CREATE", weighted("b")))
    assert bash(clients.where_shell()).splitlines()[-1] == "clients: not one simple record"
    bash(f"{clients.functions()}\ndirect_clients green", ok=False)
    assert len(endpoint.records(NAME)) == 2
