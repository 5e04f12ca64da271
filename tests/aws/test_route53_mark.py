"""The mark beside a name: whoever was stopped between asking for the lease and sending wakes up to a batch that fails."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from contract import holds
from local_aws import Endpoint
from recorded import Recorded, holds_exactly

from cutover.aws.client_name import ClientName, ClientNameReady
from cutover.aws.record_group import RecordName
from cutover.aws.route53 import Route53Share, Route53Ttl
from cutover.aws.route53_claim import MARKED, UNMARKED, MarkGone, claim
from cutover.aws.route53_gone import BlueOutOfRecords
from cutover.aws.route53_group import GroupCanBeMoved
from cutover.aws.route53_mark import Mark
from cutover.aws.route53_weighted import Route53Weighted
from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.core.errors import LeaseLost, StepFailed
from cutover.core.gate import Verdict
from cutover.core.share import Share
from cutover.core.step import Step
from cutover.core.telling import noted

API, SHOP = "api.shop.test", "shop.shop.test"
SENT = "ChangeResourceRecordSets"
Bash = Callable[..., str]


def holder(token: int, may_write: Callable[[], None] | None = None) -> Aws:
    """An account as one lease's holder uses it."""
    return Aws("us-east-1", token=lambda: token, may_write=may_write)


def name(aws: Aws, record: str = API) -> RecordName:
    return RecordName(aws, "shop.test", record, "CNAME")


def share(aws: Aws, before: float, after: float) -> Route53Share:
    return Route53Share(
        name=f"api-to-{after:g}",
        before=Share.of(before),
        after=Share.of(after),
        aws=aws,
        zone="shop.test",
        record=API,
        record_type="CNAME",
        blue="blue",
        green="green",
    )


def mark_gone(aws: Aws, record: str = API) -> MarkGone:
    return MarkGone(name="mark-gone", aws=aws, zone="shop.test", record=record, record_type="CNAME")


def run(step: Step[Any]) -> None:
    for command in step.commands(step.after):
        command.run(Deadline.after(20.0))


def claimed(aws: Aws, record: str = API) -> None:
    claim(name(aws, record), Deadline.after(10.0))


def marks(endpoint: Endpoint, record: str = API) -> list[str]:
    found = endpoint.records(f"_cutover.{record}.")
    return [value["Value"] for one in found for value in one["ResourceRecords"]]


def weights(endpoint: Endpoint) -> list[int]:
    return [record["Weight"] for record in endpoint.records()]


def shown(token: int) -> list[str]:
    return [f'"cutover token={token}"']


def place_taken(endpoint: Endpoint, *values: str, record: str = API) -> None:
    kept = [{"Value": one} for one in values]
    endpoint.change(
        ("CREATE", {"Name": f"_cutover.{record}", "Type": "TXT", "TTL": 5, "ResourceRecords": kept}),
    )


@contextmanager
def asleep(act: Callable[[Aws], Any], token: int | None = 17) -> Iterator[Callable[[], Future[Any]]]:
    """`act` by a holder that is stopped when the lease has just been asked for, at its first write; the value wakes it up."""
    stopped, go = threading.Event(), threading.Event()

    def gap() -> None:
        stopped.set()
        assert go.wait(60)

    first = Aws("us-east-1", token=None if token is None else lambda: token, may_write=gap)
    with ThreadPoolExecutor(1) as pool:
        ends = pool.submit(act, first)
        try:
            assert stopped.wait(60)

            def wake() -> Future[Any]:
                go.set()
                ends.exception(60)
                return ends

            yield wake
        finally:
            go.set()


def attempts(aws: Aws) -> list[Callable[[], None]]:
    """Every way to write beside or at the name."""
    return [lambda: run(share(aws, 0, 50)), lambda: claimed(aws), lambda: run(mark_gone(aws))]


def there_and_back(aws: Aws) -> None:
    run(share(aws, 0, 50))
    run(share(aws, 50, 0))


# --- a sleeper -----------------------------------------------------------------------------------------------------


def test_a_sleeper_changes_nothing_once_somebody_has_claimed_the_name(endpoint: Endpoint) -> None:
    with asleep(lambda aws: run(share(aws, 0, 50))) as wake:
        claimed(holder(18))
        with pytest.raises(LeaseLost, match=r"_cutover\.api\.shop\.test has seen a newer fencing token \(18\) than 17"):
            wake().result()
    assert weights(endpoint) == [100, 0] and marks(endpoint) == shown(18)


def test_nor_where_the_new_holder_has_brought_the_records_back_to_what_was_listed(endpoint: Endpoint) -> None:
    claimed(holder(17))
    with asleep(lambda aws: run(share(aws, 0, 50))) as wake:
        there_and_back(holder(18))
        assert isinstance(wake().exception(), LeaseLost)
    assert weights(endpoint) == [100, 0] and marks(endpoint) == shown(18)


def test_without_a_mark_it_does(endpoint: Endpoint) -> None:
    """The control: a batch that depends on the records alone fits where they are again as they were listed."""
    with asleep(lambda aws: run(share(aws, 0, 50)), token=None) as wake:
        there_and_back(Aws("us-east-1"))
        assert wake().exception() is None
    assert weights(endpoint) == [50, 50]


def test_a_sleeping_claim_takes_nothing_away_from_the_newer_one(endpoint: Endpoint) -> None:
    with asleep(claimed) as wake:
        claimed(holder(18))
        assert isinstance(wake().exception(), LeaseLost)
    assert marks(endpoint) == shown(18)


@pytest.mark.parametrize("first", [True, False], ids=["before any mark", "with a mark"])
def test_a_stranger_who_deletes_the_mark_lets_no_sleeper_through(endpoint: Endpoint, first: bool) -> None:
    if not first:
        claimed(holder(17))
    with asleep(lambda aws: run(share(aws, 0, 50))) as wake:
        second, notes = holder(18), []
        claimed(second)
        endpoint.change(*(("DELETE", one) for one in endpoint.records(f"_cutover.{API}.")))
        with noted(lambda call, why: notes.append((call, why))):
            there_and_back(second)  # is not held up, and shows its token again
        assert notes == [
            ("token shown at _cutover.api.shop.test", "somebody else deleted or changed the TXT record since")
        ]
        assert isinstance(wake().exception(), LeaseLost)
    assert weights(endpoint) == [100, 0] and marks(endpoint) == shown(18)


def test_the_name_of_database_clients_is_claimed_where_nothing_is_to_be_led_over(endpoint: Endpoint) -> None:
    values = [{"Value": "db-blue.example.net"}]
    endpoint.change(("CREATE", {"Name": "db.shop.test.", "Type": "CNAME", "TTL": 60, "ResourceRecords": values}))

    def clients(aws: Aws) -> ClientName:
        return ClientName(aws, "shop.test", "db.shop.test", "db-blue.example.net", "db-green.example.net")

    with asleep(lambda aws: clients(aws).direct_to("green")) as wake:
        second = clients(holder(18))
        assert endpoint.writes_during(partial(second.direct_to, "blue")) == [SENT]
        assert endpoint.writes_during(partial(second.direct_to, "blue")) == []
        assert isinstance(wake().exception(), LeaseLost)
    assert second.where() == "blue"


def test_two_claims_at_once_leave_the_newer_token(endpoint: Endpoint) -> None:
    together = threading.Barrier(2)
    first_time = [True, True]

    def met(number: int) -> None:
        if first_time[number]:  # both have listed the same, and both send
            first_time[number] = False
            together.wait(60)

    with ThreadPoolExecutor(2) as pool:
        older, newer = (pool.submit(claimed, holder(17 + n, partial(met, n))) for n in (0, 1))
        assert newer.exception(60) is None
        assert older.exception(60) is None or isinstance(older.exception(), LeaseLost)
    assert marks(endpoint) == shown(18)


# --- the holder ----------------------------------------------------------------------------------------------------


def test_one_batch_changes_the_records_and_shows_the_token(endpoint: Endpoint) -> None:
    aws = holder(17)
    assert endpoint.writes_during(lambda: run(share(aws, 0, 50))) == [SENT]
    assert weights(endpoint) == [50, 50] and marks(endpoint) == shown(17)
    assert endpoint.writes_during(lambda: claimed(aws)) == [], "it was shown already"
    assert endpoint.writes_during(lambda: claimed(holder(17))) == []
    assert endpoint.writes_during(lambda: run(share(aws, 50, 0))) == [SENT]
    assert weights(endpoint) == [100, 0] and marks(endpoint) == shown(17)


def test_a_name_has_one_mark_whatever_its_types(endpoint: Endpoint) -> None:
    aws = holder(17)
    names = [RecordName(aws, "shop.test", written, kind) for written, kind in ((API, "A"), ("API.Shop.test.", "CNAME"))]
    assert len({one.claim_key(17) for one in names}) == 1
    values = [{"Value": "192.0.2.1"}]
    endpoint.change(("CREATE", {"Name": "two.shop.test.", "Type": "A", "TTL": 5, "ResourceRecords": values}))
    values = [{"Value": "2001:db8::1"}]
    endpoint.change(("CREATE", {"Name": "two.shop.test.", "Type": "AAAA", "TTL": 5, "ResourceRecords": values}))
    for kind, sent in (("A", [SENT]), ("AAAA", [])):
        where = RecordName(aws, "shop.test", "two.shop.test", kind)
        assert endpoint.writes_during(partial(claim, where, Deadline.after(10.0))) == sent


def test_an_older_holder_is_told_before_anything_is_sent(endpoint: Endpoint) -> None:
    claimed(holder(18))

    def attempt() -> None:
        for act in attempts(holder(17)):
            with pytest.raises(LeaseLost, match="newer fencing token"):
                act()

    assert endpoint.writes_during(attempt) == []


def test_without_a_lease_and_where_there_are_no_records_nothing_is_claimed(endpoint: Endpoint) -> None:
    calls = len(endpoint.calls())
    claimed(Aws("us-east-1"))
    claimed(holder(0))
    assert len(endpoint.calls()) == calls
    assert endpoint.writes_during(lambda: claimed(holder(17), "nope.shop.test")) == []


def test_a_lost_answer_is_read_back(endpoint: Endpoint) -> None:
    endpoint.fault(SENT, lose_response=True)
    assert endpoint.writes_during(lambda: claimed(holder(17))) == [SENT]
    endpoint.fault(SENT, lose_response=True)
    run(share(holder(17), 0, 50))
    assert weights(endpoint) == [50, 50] and marks(endpoint) == shown(17)


def test_a_place_that_somebody_else_has_is_left_alone_and_told_before(endpoint: Endpoint) -> None:
    place_taken(endpoint, '"owner=team-a"')

    def attempt() -> None:
        for act in attempts(holder(17)):
            with pytest.raises(StepFailed, match="nothing was written"):
                act()

    assert endpoint.writes_during(attempt) == []
    found = GroupCanBeMoved(where=name(endpoint.aws), blue="blue", green="green", ttls=(5,)).look()
    assert found.verdict is Verdict.FAIL and "holds something else" in found.seen
    values = [{"Value": "db-blue.example.net"}]
    endpoint.change(("CREATE", {"Name": "db.shop.test.", "Type": "CNAME", "TTL": 60, "ResourceRecords": values}))
    place_taken(endpoint, '"a"', '"b"', record="db.shop.test")
    clients = ClientName(endpoint.aws, "shop.test", "db.shop.test", "db-blue.example.net", "db-green.example.net")
    assert "holds something else" in ClientNameReady(clients, (60,)).look().seen


def test_every_step_over_records_shows_the_token(endpoint: Endpoint) -> None:
    words: dict[str, Any] = {"zone": "shop.test", "record": SHOP, "record_type": "CNAME"}
    run(Route53Ttl(name="ttl", before=5, after=1, aws=holder(17), **words))
    assert marks(endpoint, SHOP) == shown(17)
    sides: dict[str, Any] = {"blue": "blue", "green": "green"}
    weighted = Route53Weighted(name="w", aws=holder(18), **words, **sides, target="green.elb.test")
    run(weighted)
    assert marks(endpoint, SHOP) == shown(18) and weighted.observe() == weighted.after
    run(weighted.inverse())
    run(share(holder(19), 0, 100))
    run(BlueOutOfRecords(name="gone", aws=holder(20), **{**words, "record": API}, **sides))
    assert marks(endpoint) == shown(20) and weights(endpoint) == [100]


def test_a_mark_is_nobody_elses_record_to_the_checks(endpoint: Endpoint) -> None:
    claimed(holder(17))
    found = GroupCanBeMoved(where=name(endpoint.aws), blue="blue", green="green", ttls=(5, 1)).look()
    assert (found.verdict, found.seen) == (Verdict.PASS, "api.shop.test CNAME: fine")


def test_a_wildcards_mark(endpoint: Endpoint) -> None:
    values = [{"Value": "elsewhere.test"}]
    endpoint.change(("CREATE", {"Name": "*.shop.test", "Type": "CNAME", "TTL": 5, "ResourceRecords": values}))
    claimed(holder(17), "*.shop.test")
    claimed(holder(18), "*.shop.test")
    with pytest.raises(LeaseLost):
        claimed(holder(17), "*.shop.test")


def test_a_private_zones_mark_is_its_own(endpoint: Endpoint) -> None:
    vpc = {"VPCRegion": "us-east-1", "VPCId": "vpc-00000000000000aa"}
    zone = endpoint.r53(
        "CreateHostedZone", Name="shop.test", CallerReference="mark", VPC=vpc, HostedZoneConfig={"PrivateZone": True}
    )["HostedZone"]["Id"].removeprefix("/hostedzone/")
    record = {"Name": API, "Type": "CNAME", "TTL": 5, "ResourceRecords": [{"Value": "inside.test"}]}

    def sent(action: str, *records: dict[str, Any]) -> None:
        changes = [{"Action": action, "ResourceRecordSet": one} for one in records]
        endpoint.r53("ChangeResourceRecordSets", HostedZoneId=zone, ChangeBatch={"Changes": changes})

    sent("CREATE", record)
    inside = RecordName(holder(17), "shop.test", API, "CNAME", private=True)
    try:
        claim(inside, Deadline.after(10.0))
        assert marks(endpoint) == []
        deadline = Deadline.after(10.0)
        kept = inside.mark.of_name(zone, deadline)
        assert inside.marked(zone, deadline).ours and len(kept) == 1
    finally:
        sent("DELETE", record, *inside.mark.of_name(zone, Deadline.after(10.0)))
        endpoint.r53("DeleteHostedZone", Id=zone)


# --- by hand, and the end ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_a_person_pastes_leaves_the_mark_and_is_not_stopped_by_it(endpoint: Endpoint, bash: Bash) -> None:
    claimed(holder(17))
    step = share(endpoint.aws, 0, 50)
    bash(step.commands(step.after)[0].shell())
    assert weights(endpoint) == [50, 50] and marks(endpoint) == shown(17)
    run(share(holder(17), 50, 0))
    assert weights(endpoint) == [100, 0]


@pytest.mark.slow
def test_the_mark_goes_as_printed(endpoint: Endpoint, bash: Bash) -> None:
    step = mark_gone(endpoint.aws)
    assert bash(step.check_shell()).strip() == UNMARKED == step.observe()
    claimed(holder(17))
    assert bash(step.check_shell()).strip() == MARKED == step.observe()
    for _ in range(2):
        bash(step.commands(step.after)[0].shell())
        assert bash(step.check_shell()).strip() == UNMARKED == step.observe()
    place_taken(endpoint, '"a"')
    assert bash(step.check_shell()).strip() == "something else stands there"
    bash(step.commands(step.after)[0].shell())
    assert marks(endpoint) == ['"a"'], "somebody else's is not deleted"


def test_the_mark_goes_once_and_an_answer_may_be_lost(endpoint: Endpoint) -> None:
    claimed(holder(17))
    endpoint.fault(SENT, lose_response=True)
    assert endpoint.writes_during(lambda: run(mark_gone(holder(17)))) == [SENT]
    assert marks(endpoint) == []
    assert endpoint.writes_during(lambda: run(mark_gone(holder(17)))) == []


@pytest.mark.slow
def test_the_marks_end_keeps_the_contract(endpoint: Endpoint, tmp_path: Path) -> None:
    def reset() -> None:
        endpoint.seeded_records()
        claimed(holder(17))

    def taken() -> None:
        endpoint.seeded_records()
        place_taken(endpoint, '"owner=team-a"')

    holds_exactly(mark_gone, state_dir=tmp_path, reset=reset, strays=[taken], kills=2)


@pytest.mark.slow
def test_a_share_under_a_lease_keeps_the_contract(endpoint: Endpoint, tmp_path: Path) -> None:
    holds(lambda: share(holder(17), 0, 10), state_dir=tmp_path, reset=endpoint.seeded_records, kills=2)
    aws = Recorded("us-east-1", token=lambda: 17)
    step = share(aws, 0, 10)
    step.observe()
    run(step)
    aws.made_exactly(step)


def test_what_a_batch_holds() -> None:
    made = Mark("_cutover.a.test", 7).changes()
    assert [one["Action"] for one in made] == ["CREATE"]
    there = {"Name": "_cutover.a.test.", "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": '"cutover token=6"'}]}
    mark = Mark.of("_cutover.a.test", 7, [there])
    assert not mark.ours and [one["Action"] for one in mark.changes()] == ["DELETE", "CREATE"]
    assert mark.changes()[0]["ResourceRecordSet"] == there, "exactly as listed"
    assert Mark("_cutover.a.test", 0).changes() == [] and Mark("_cutover.a.test", 0).ours
