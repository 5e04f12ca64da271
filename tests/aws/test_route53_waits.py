"""What is written counts only once every server has it: killed, lost, late, out of time, over restarts and turned clocks."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from local_aws import Endpoint

from cutover.aws.record_group import NOT_IN_SYNC, SENT
from cutover.aws.route53 import Route53Share, Route53Ttl
from cutover.aws.session import Aws, AwsError, OutcomeUnknown
from cutover.core import killpoint
from cutover.core.clock import Clock, Deadline, SystemClock
from cutover.core.errors import CutoverError, GateFailed, StepFailed
from cutover.core.gate import Check, Finding, Gate
from cutover.core.journal import Journal
from cutover.core.plan import Phase, Plan
from cutover.core.run import Run
from cutover.core.share import Share
from cutover.core.step import Step
from cutover.state.sqlite import SqliteState

CHANGE = "ChangeResourceRecordSets"


class Killed(BaseException):
    """The process died here."""


class Turned:
    """A clock whose sleeps pass at once, and whose wall time somebody turns."""

    def __init__(self) -> None:
        self.wall, self.mono = 2_000_000_000.0, 100.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.mono

    def sleep(self, seconds: float) -> None:
        self.wall, self.mono = self.wall + seconds, self.mono + max(seconds, 0.001)


class Says(Check):
    """A finding that does not change."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding

    def look(self) -> Finding:
        return self.finding

    def shell(self) -> str:
        return "true"


def ttl(aws: Aws, before: int = 5, after: int = 1, **more: Any) -> Route53Ttl:
    return Route53Ttl(
        name="ttl-lowered",
        before=before,
        after=after,
        aws=aws,
        zone=more.pop("zone", "shop.test"),
        record=more.pop("record", "api.shop.test"),
        record_type="CNAME",
        **more,
    )


def share(aws: Aws, after: float) -> Route53Share:
    return Route53Share(
        name=f"api-{after}",
        before=Share.of(0),
        after=Share.of(after),
        aws=aws,
        zone="shop.test",
        record="api.shop.test",
        record_type="CNAME",
        blue="blue",
        green="green",
    )


@contextlib.contextmanager
def process(path: Path, *items: Step[Any] | Gate, clock: Clock | None = None) -> Iterator[Run]:
    """A fresh process over the same journal."""
    state = SqliteState(path, clock=clock)
    holder = state.holder()
    lease = state.acquire(who="me", operation="test", take_over=holder.id if holder else None)
    plan = Plan(name="cutover", environment="e", phases=(Phase(name="only", owner="o", items=items),))
    try:
        yield Run(plan, Journal(state, lease, "r"), clock=clock or SystemClock(), patience=5.0)
    finally:
        state.close()


def killed_at(place: str, act: Callable[[], Any]) -> None:
    def hook(name: str) -> None:
        if name == place:
            raise Killed(name)

    killpoint.install(hook)
    try:
        with pytest.raises(Killed):
            act()
    finally:
        killpoint.install(None)


def answered(endpoint: Endpoint, name: str = "api.shop.test.") -> set[int]:
    """The TTLs that the authoritative servers give."""
    zones = endpoint.control("GET", "zones")
    return {record["ttl"] for zone in zones for record in zone["records"] if record["name"] == name}


def test_killed_between_sent_and_in_sync_the_next_process_still_waits_for_it(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    endpoint.lag(2.0)
    path = tmp_path / "journal.sqlite"
    with process(path, ttl(endpoint.aws)) as run:
        killed_at(SENT, run.forward)
    assert ttl(endpoint.aws).observe() == 1, "a listing shows what is pending"
    with process(path, ttl(endpoint.aws)) as run:
        assert run.forward() == "done"
        assert answered(endpoint) == {1}
        assert "skipped" not in [entry.kind for entry in run.journal.entries()]


@pytest.fixture
def slow_zone(endpoint: Endpoint) -> Iterator[str]:
    """A zone of its own, because later changes of a zone wait for the earlier ones."""
    made = endpoint.r53("CreateHostedZone", Name="slow.test", CallerReference="slow")["HostedZone"]["Id"]
    zone = made.removeprefix("/hostedzone/")
    record = {"Name": "api.slow.test", "Type": "CNAME", "TTL": 5, "ResourceRecords": [{"Value": "b.test"}]}
    changes = [{"Action": "CREATE", "ResourceRecordSet": record}]
    endpoint.r53(CHANGE, HostedZoneId=zone, ChangeBatch={"Changes": changes})
    yield zone
    shown = endpoint.r53("ListResourceRecordSets", HostedZoneId=zone)["ResourceRecordSets"]
    gone = [{"Action": "DELETE", "ResourceRecordSet": one} for one in shown if one["Type"] == "CNAME"]
    endpoint.r53(CHANGE, HostedZoneId=zone, ChangeBatch={"Changes": gone})
    endpoint.r53("DeleteHostedZone", Id=zone)


def test_what_does_not_get_in_sync_in_time_is_not_recorded_as_done(
    endpoint: Endpoint, slow_zone: str, tmp_path: Path
) -> None:
    endpoint.lag(600.0)
    step = ttl(endpoint.aws, zone="slow.test", record="api.slow.test", settle=0.5)
    with process(tmp_path / "j", step) as run:
        with pytest.raises(CutoverError, match=f"still PENDING; seen {NOT_IN_SYNC}, wanted 1"):
            run.forward()
        position = run.journal.position()
        assert (position.intent, "ttl-lowered" in position.converged_at) == ("ttl-lowered", False)


def test_the_wait_counts_from_when_it_was_in_sync_over_a_restart_and_a_clock_that_went_back(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    endpoint.lag(0.0)
    clock, path = Turned(), tmp_path / "journal.sqlite"
    hold = Gate(name="waited", check=Says(Finding.passed("seen")), hold=360.0, since="ttl-lowered", deadline=30.0)

    def run_once() -> Any:
        return process(path, ttl(endpoint.aws, settle=3600.0), hold, clock=clock)

    with run_once() as run:
        killed_at(SENT, run.forward)
    clock.sleep(500.0)  # the time between the death and the next try is no part of the wait
    with run_once() as run:
        run.walker.take(run.plan.phases[0].items[0])
    began = clock.mono
    clock.sleep(100.0)
    clock.wall -= 3600.0
    with run_once() as run:
        assert run.forward() == "done"
    assert 360.0 <= clock.mono - began <= 2 * 360.0 + 10.0


def test_after_an_abort_the_ttl_is_what_it_was(endpoint: Endpoint, tmp_path: Path) -> None:
    bad = Gate(name="gate", check=Says(Finding.failed("no")))
    with process(tmp_path / "j", ttl(endpoint.aws), bad) as run:
        with pytest.raises((GateFailed, CutoverError)):
            run.forward()
        assert [record["TTL"] for record in endpoint.records()] == [1, 1]
        run.back(reason="abort", everything=True)
    assert answered(endpoint) == {5}


class Lossy(Aws):
    """The answer to the first change is lost, and the change itself takes effect only when somebody has listed again."""

    def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
        kept: list[dict[str, Any]] = self.__dict__.setdefault("kept", [])
        if operation == CHANGE and not kept:
            kept.append(parameters)
            raise OutcomeUnknown("the answer was lost", "ReadTimeoutError")
        if operation == CHANGE and kept[0]:
            late, kept[0] = kept[0], {}
            super().call(service, operation, deadline, **late)
        return super().call(service, operation, deadline, **parameters)


def test_our_own_lost_change_that_arrives_late_is_no_conflict(endpoint: Endpoint) -> None:
    step = replace(share(endpoint.aws, 50), aws=Lossy("us-east-1"))
    step.commands(step.after)[0].run(Deadline.after(20))
    assert step.observe() == Share.of(50)


def test_somebody_elses_change_after_a_lost_answer_is_told(endpoint: Endpoint) -> None:
    class Meddled(Aws):
        def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
            if operation == CHANGE:
                blue, green = endpoint.records()
                both = ((blue, 60), (green, 40))
                endpoint.change(*(("UPSERT", {**record, "Weight": weight}) for record, weight in both))
                raise OutcomeUnknown("the answer was lost", "ReadTimeoutError")
            return super().call(service, operation, deadline, **parameters)

    step = replace(share(endpoint.aws, 50), aws=Meddled("us-east-1"))
    with pytest.raises(StepFailed, match=r"changed under our hands: 40 %; of ours an answer was lost before"):
        step.commands(step.after)[0].run(Deadline.after(20))


def test_throttled_while_it_waits_nothing_is_claimed(endpoint: Endpoint) -> None:
    endpoint.fault("GetChange", times=10_000, code="Throttling")
    step = share(endpoint.aws, 50)
    with pytest.raises(AwsError, match="Throttling"):
        step.commands(step.after)[0].run(Deadline.after(1.0))
    endpoint.control("DELETE", "faults")
    endpoint.fault("GetChange", times=1, code="Throttling")
    assert step.observe() == Share.of(50)
    assert step._pending == []
