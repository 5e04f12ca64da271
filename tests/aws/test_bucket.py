"""How often AWS is asked: a bucket for each API and operation, filled by the clock; its waits are visible and end in time."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from fake_clock import FakeClock
from hypothesis import given
from hypothesis import strategies as st
from local_aws import Endpoint

from cutover.aws.bucket import DEFAULT_RATES, Buckets, Rate, rates_of
from cutover.aws.reading import SERVICES
from cutover.aws.session import Aws, AwsError
from cutover.core.clock import Deadline
from cutover.core.errors import ConfigurationRefused
from cutover.core.telling import heard


def sent(buckets: Buckets, clock: FakeClock, times: int, operation: str = "ListHostedZones") -> float:
    """The seconds that so many calls in a row wait for."""
    began = clock.monotonic()
    for _ in range(times):
        while wait := buckets.take("route53", operation, clock):
            clock.sleep(wait)
    return clock.monotonic() - began


def test_a_burst_goes_at_once_and_then_the_rate_holds() -> None:
    clock = FakeClock()
    buckets = Buckets({"route53": Rate(5, 10)})
    assert sent(buckets, clock, 10) == 0
    assert sent(buckets, clock, 10) == pytest.approx(2.0, abs=0.01)
    clock.sleep(3600)
    assert sent(buckets, clock, 10) == 0, "an hour of rest gives one burst and no more"
    assert sent(buckets, clock, 1) > 0


@given(st.lists(st.floats(0, 2), max_size=60), st.floats(0.5, 20), st.floats(1, 20))
def test_no_span_of_time_ever_has_more_calls_than_its_rate_and_one_burst(
    pauses: list[float], rate: float, burst: float
) -> None:
    clock = FakeClock()
    buckets = Buckets({"route53": Rate(rate, burst)})
    at = []
    for pause in pauses:
        clock.sleep(pause)
        sent(buckets, clock, 1)
        at.append(clock.monotonic())
    for first in range(len(at)):
        for last in range(first, len(at)):
            assert last - first + 1 <= burst + (at[last] - at[first]) * rate + 1e-3


def test_an_operation_has_its_own_bucket_within_the_one_of_its_service() -> None:
    clock = FakeClock()
    buckets = Buckets({"route53": Rate(100, 100), "route53:CreateHealthCheck": Rate(0.5, 1)})
    assert sent(buckets, clock, 2, "CreateHealthCheck") == pytest.approx(2.0, abs=0.01)
    assert sent(buckets, clock, 50) == 0
    assert Buckets().take("route53", "GetChange", clock) == 0, "without a rate nothing waits"


def test_threads_share_it() -> None:
    clock = FakeClock()
    buckets = Buckets({"route53": Rate(1, 20)})
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda _: buckets.take("route53", "GetChange", clock), range(50)))
    assert waits.count(0.0) == 20


def test_a_turn_that_does_not_come_in_time_is_said_and_nothing_is_sent(endpoint: Endpoint) -> None:
    clock, told = FakeClock(), list[str]()
    aws = Aws("us-east-1", rates={"elbv2": Rate(0.1, 1)}, clock=clock)
    before = len(endpoint.calls())
    with heard(told.append):
        aws.call("elbv2", "DescribeLoadBalancers", Deadline.after(4))
        with pytest.raises(AwsError, match="was not sent: its turn") as caught:
            aws.call("elbv2", "DescribeLoadBalancers", Deadline.after(4))
    assert caught.value.code == "NoTurn"
    assert len(endpoint.calls()) - before == 1
    assert clock.passed == pytest.approx(4.0, abs=0.01)
    assert len(told) >= 4
    assert "waits for its turn, 0.1 a second (aws.rates) in 4.0 s" in told[0]


def test_throttling_empties_our_bucket_too(endpoint: Endpoint) -> None:
    clock = FakeClock()
    aws = Aws("us-east-1", rates={"elbv2": Rate(2, 40)}, clock=clock)
    endpoint.fault("DescribeLoadBalancers", code="Throttling")
    aws.call("elbv2", "DescribeLoadBalancers", Deadline.after(10))
    assert clock.passed == pytest.approx(0.5, abs=0.01), "the next call waits for a token, whatever our bucket held"


def test_every_service_that_is_used_has_a_rate() -> None:
    assert set(DEFAULT_RATES) == SERVICES
    assert DEFAULT_RATES["route53"].per_second <= 5, "the limit on the older pages of AWS"


def test_an_environment_changes_single_rates_and_hears_of_a_slip() -> None:
    found = rates_of({"route53": 2.5, "elbv2:ModifyListener": 0.5}, DEFAULT_RATES)
    assert found["route53"] == Rate(2.5, 2.5) and found["elbv2:ModifyListener"] == Rate(0.5, 1)
    assert found["s3"] == DEFAULT_RATES["s3"]
    with pytest.raises(
        ConfigurationRefused, match="elbv2:ModifyListner: no such operation; did you mean ModifyListener"
    ):
        rates_of({"elbv2:ModifyListner": 1}, DEFAULT_RATES)
