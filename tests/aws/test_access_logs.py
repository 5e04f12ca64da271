"""Access logs in the local S3: counted by side, streamed, bounded, and what is wrong with them is said."""

import gzip
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from local_aws import Endpoint

from cutover.aws.access_logs import AccessLogs
from cutover.aws.gunzipped import PIECE, Broken, lines
from cutover.aws.log_lines import AlbLines, CloudFrontLines, Line, Malformed
from cutover.aws.session import AwsError
from cutover.core.clock import Deadline
from cutover.core.witness import Tally

SHIFT = datetime(2026, 7, 12, 10, 0, tzinfo=UTC).timestamp()
PREFIX = "AWSLogs/123456789012/elasticloadbalancing/us-east-1"
FIELDS = "#Version: 1.0\n#Fields: date time x-edge-location cs-method x-routing-target"


def alb_line(at: float, group: str, agent: str = "curl/8") -> str:
    came = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    arn = (
        "-"
        if group == "-"
        else f"arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/{group}/73e2d6bc24d8a067"
    )
    return (
        f"https {came} app/shop/50dc6c495c0c9188 192.0.2.1:2817 10.0.0.1:80 0.0 0.1 0.0 200 200 34 366 "
        f'"GET https://shop.example.com:443/?q=a b HTTP/1.1" "{agent}" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 {arn} '
        f'"Root=1-58337281-1d84f3d73c47ec4e58577259" "shop.example.com" "-" 0 {came} "forward" "-" "-" "10.0.0.1:80" "200" "-" "-"'
    )


def cloudfront_line(at: float, target: str) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%Y-%m-%d}\t{moment:%H:%M:%S}\tSEA19-C1\tGET\t{target}"


class Clock:
    def __init__(self) -> None:
        self.at = SHIFT

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def put(endpoint: Endpoint, request: pytest.FixtureRequest) -> Callable[..., str]:
    """Puts one file into a bucket of this test's own, and says how the bucket is called."""
    bucket = re.sub("[^a-z0-9]+", "-", request.node.name.lower())[:60].strip("-")
    call(endpoint, "CreateBucket", Bucket=bucket)

    def one(text: str, *, minute: str = "1005", key: str = "", body: bytes = b"") -> str:
        name = (
            key
            or f"{PREFIX}/2026/07/12/123456789012_elasticloadbalancing_us-east-1_app.shop.50dc_20260712T{minute}Z_192.0.2.9_a.log.gz"
        )
        call(endpoint, "PutObject", Bucket=bucket, Key=name, Body=body or gzip.compress(text.encode()))
        return bucket

    return one


def call(endpoint: Endpoint, operation: str, **parameters: Any) -> dict[str, Any]:
    return endpoint.aws.call("s3", operation, Deadline.after(10), **parameters)


def logs(endpoint: Endpoint, bucket: str, clock: Clock, **more: Any) -> AccessLogs:
    words: dict[str, Any] = {"prefix": PREFIX, "format": "alb", "sides": {"shop-blue": "blue", "shop-green": "green"}}
    return AccessLogs(aws=endpoint.aws, bucket=bucket, now=clock, **{**words, **more})


def look(witness: AccessLogs, draws: int = 10) -> Tally:
    return witness.seen(draws, Deadline.after(30))


def text_of(blue: int, green: int, *, at: float = SHIFT + 60) -> str:
    return "\n".join([alb_line(at, "shop-blue")] * blue + [alb_line(at, "shop-green")] * green) + "\n"


def test_lines_are_counted_by_target_group_from_the_shift_on(endpoint: Endpoint, put: Callable[..., str]) -> None:
    before = text_of(500, 0, at=SHIFT - 1)
    bucket = put(before + text_of(3, 9) + alb_line(SHIFT + 61, "-") + "\n")
    tally = look(logs(endpoint, bucket, Clock()))
    assert (tally.blue, tally.green, tally.complete) == (3, 9, True)
    assert tally.remark == "reaching to 10:01:01 UTC; 1 lines of neither side"


def test_logs_that_are_late_are_waited_for_and_none_is_counted_twice(
    endpoint: Endpoint, put: Callable[..., str]
) -> None:
    bucket, clock = put(text_of(1, 1)), Clock()
    witness = logs(endpoint, bucket, clock)
    first = look(witness)
    assert (first.told, first.complete) == (2, False)
    put(text_of(2, 8), minute="1010")
    assert look(witness).told == 2, "the bucket is not listed again with every look"
    clock.at += 30
    again = look(witness)
    assert (again.blue, again.green, again.complete) == (3, 9, True)


def test_what_has_come_after_a_long_time_is_all_there_is(endpoint: Endpoint, put: Callable[..., str]) -> None:
    bucket, clock = put(text_of(1, 1)), Clock()
    witness = logs(endpoint, bucket, clock)
    assert not look(witness).complete
    clock.at += 961
    assert look(witness).complete


def test_visitors_of_a_name_count_once_their_resolvers_know(endpoint: Endpoint, put: Callable[..., str]) -> None:
    bucket = put(text_of(50, 0, at=SHIFT + 59) + text_of(0, 50, at=SHIFT + 120))
    tally = look(logs(endpoint, bucket, Clock(), follows=60))
    assert (tally.blue, tally.green) == (0, 50)


def test_malformed_lines_and_files_are_told_and_cost_nothing_else(endpoint: Endpoint, put: Callable[..., str]) -> None:
    bucket = put("not a line\n" + text_of(4, 6) + "h2 2026-07-12 half a li")
    put("", minute="1006", body=gzip.compress(text_of(90, 90).encode())[:60])
    put("", minute="1007", body=b"no gzip at all")
    tally = look(logs(endpoint, bucket, Clock()))
    assert (tally.blue, tally.green) == (4, 6)
    assert "2 malformed lines" in tally.remark
    assert "1006Z" in tally.remark
    assert "1007Z" in tally.remark


def test_no_more_is_read_than_allowed(endpoint: Endpoint, put: Callable[..., str]) -> None:
    bucket = put(text_of(1, 1))
    put(text_of(2000, 2000), minute="1010")
    tally = look(logs(endpoint, bucket, Clock(), largest=900), 1000)
    assert (tally.told, tally.complete) == (2, True)
    assert "more are not allowed" in tally.remark


def test_files_of_before_the_shift_are_not_read(endpoint: Endpoint, put: Callable[..., str]) -> None:
    bucket = put(text_of(100, 0), minute="0955")
    witness = logs(endpoint, bucket, Clock())
    assert look(witness).told == 0
    assert "no line since 10:00:00 UTC yet" in look(witness).remark


@pytest.mark.parametrize("as_json", [False, True])
def test_cloudfronts_lines_name_the_side_in_a_column(
    endpoint: Endpoint, put: Callable[..., str], as_json: bool
) -> None:
    if as_json:
        told = [json.dumps({"timestamp": str(int(SHIFT + 1)), "x-routing-target": side}) for side in ("b", "g", "g")]
    else:
        told = [FIELDS, *(cloudfront_line(SHIFT + 1, side) for side in ("b", "g", "g"))]
    bucket = put("\n".join(told) + "\n", key="cdn/EMLARXS9EXAMPLE.2026-07-12-10.RT4KCN4SGK9.gz")
    put("\n".join(told), key="cdn/EMLARXS9EXAMPLE.2026-07-12-08.RT4KCN4SGK8.gz")
    more = {
        "prefix": "cdn/",
        "format": "cloudfront",
        "sides": {"b": "blue", "g": "green"},
        "column": "x-routing-target",
    }
    tally = look(logs(endpoint, bucket, Clock(), **more), 3)
    assert (tally.blue, tally.green, tally.remark) == (1, 2, "reaching to 10:00:01 UTC")


def test_a_bucket_that_is_not_there_is_said(endpoint: Endpoint) -> None:
    with pytest.raises(AwsError, match="NoSuchBucket"):
        look(logs(endpoint, "nowhere-at-all", Clock()))


@pytest.mark.slow
def test_what_is_printed_counts_the_same(endpoint: Endpoint, put: Callable[..., str], bash: Callable[..., str]) -> None:
    key = f"{PREFIX}/{datetime.now(UTC):%Y/%m/%d}/x.log.gz"
    quoted = alb_line(SHIFT, "shop-green", agent='an \\" odd one')
    bucket = put(text_of(3, 8) + f"odd\n{quoted}\n" + alb_line(SHIFT, "-"), key=key)
    assert sorted(bash(logs(endpoint, bucket, Clock()).shell(10)).split("\n")) == ["", "blue 3", "green 9"]
    told = "\n".join([FIELDS, *(cloudfront_line(SHIFT + 1, side) for side in ("b", "g", "g"))])
    put(told, key="cdn/x.gz")
    more = {
        "prefix": "cdn/",
        "format": "cloudfront",
        "sides": {"b": "blue", "g": "green"},
        "column": "x-routing-target",
    }
    assert sorted(bash(logs(endpoint, bucket, Clock(), **more).shell(3)).split("\n")) == ["", "blue 1", "green 2"]


def test_an_alb_line_with_quotes_and_spaces_inside() -> None:
    line = alb_line(SHIFT, "shop-green", agent='odd \\" agent targetgroup/x')
    assert AlbLines().read(line) == Line(SHIFT, "shop-green")
    with pytest.raises(Malformed):
        AlbLines().read(line.replace("targetgroup/shop", "loadbalancer/shop"))
    with pytest.raises(Malformed):
        AlbLines().read(line.replace("2026-07", "2026-99"))


def test_a_cloudfront_line_needs_its_fields() -> None:
    parser = CloudFrontLines("x-routing-target")
    for odd in ("a\tb", "{", "[]x", '{"timestamp": "x", "x-routing-target": "b"}', '{"timestamp": 1}'):
        with pytest.raises(Malformed):
            parser.read(odd)
    assert parser.read("#Version: 1.0") is None


def test_gzip_is_unpacked_piece_by_piece() -> None:
    packed = gzip.compress(b"one\ntwo\n") + gzip.compress(b"three")
    assert list(lines([packed[:7], packed[7:30], packed[30:]])) == ["one", "two", "three"]
    bomb = gzip.compress(b"x" * 10_000_000)
    assert max(map(len, lines([bomb]))) <= 2 * PIECE
    with pytest.raises(Broken):
        list(lines([packed[:-4]]))
    assert list(lines([])) == []
