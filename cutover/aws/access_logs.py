"""Which side got the visitors' requests, by the access logs in S3."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from shlex import quote
from typing import Any, ClassVar

from cutover.aws.gunzipped import Broken, lines
from cutover.aws.log_lines import AlbLines, CloudFrontLines, Lines, Malformed
from cutover.aws.permission import Permission
from cutover.aws.session import Aws, AwsError
from cutover.core.clock import Deadline
from cutover.core.witness import Tally, Witness

S3 = "s3"
CHUNK = 65_536
EVERY = 15.0  # seconds between two listings: files come every few minutes
LONGEST = 600.0  # seconds of visitors after which those that came are all that there are
CALL_SECONDS = 20.0


@dataclass
class _Read:
    """What was read so far; a log file never changes, so none is read twice."""

    since: float | None = None
    listed: float = float("-inf")
    waiting: list[tuple[str, int]] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    by: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    malformed: int = 0
    broken: list[str] = field(default_factory=list)
    reach: float = 0.0
    full: bool = False


@dataclass(frozen=True, kw_only=True)
class AccessLogs(Witness):
    """The lines of requests that came since this was first asked, which is after the shift, and after `follows`.

    Logs come late and in pieces, so the finding says up to when they reach. They are complete with as many lines as were
    wanted, on both sides together, or after ten minutes of visitors.
    """

    counts: ClassVar[bool] = True

    aws: Aws
    bucket: str
    prefix: str
    format: str
    """`alb` or `cloudfront`."""
    sides: Mapping[str, str]
    """blue or green by the log's own word: a target group's name, or the column's value."""
    column: str = ""
    follows: float = 0.0
    """Seconds until visitors' resolvers have taken up the shift."""
    late: float = 360.0
    largest: int = 200_000_000
    """Bytes of compressed logs that are read at most."""
    now: Callable[[], float] = field(default=time.time, repr=False)
    _read: _Read = field(default_factory=_Read, init=False, repr=False, compare=False)

    @property
    def called(self) -> str:
        return "access logs"

    @property
    def longest(self) -> float:
        return self.follows + LONGEST + self.late

    def seen(self, draws: int, deadline: Deadline) -> Tally:
        """Raises AwsError when S3 cannot be asked."""
        read, now = self._read, self.now()
        if read.since is None:
            read.since = now + self.follows
        if now - read.listed >= EVERY:
            self._list(read, now, Deadline.after(CALL_SECONDS, deadline.clock))
            read.listed = now
        while read.waiting and not read.full:
            key, size = read.waiting[0]
            if read.bytes + size > self.largest:
                read.full = True
                break
            self._count(read, key, Deadline.after(CALL_SECONDS, deadline.clock))
            read.waiting.pop(0)
            if deadline.expired:
                break
        blue, green = (
            sum(read.by[word] for word, of in self.sides.items() if of == side) for side in ("blue", "green")
        )
        over = blue + green >= draws or read.full or now >= read.since + LONGEST + self.late
        return Tally(blue, green, remark=self._told(read), complete=over and (read.full or not read.waiting))

    def _told(self, read: _Read) -> str:
        strangers = sum(number for word, number in read.by.items() if word not in self.sides)
        parts = [
            f"reaching to {_clock(read.reach)}" if read.reach else f"no line since {_clock(read.since or 0.0)} yet",
            f"{strangers} lines of neither side" if strangers else "",
            f"{read.malformed} malformed lines" if read.malformed else "",
            f"not readable: {', '.join(read.broken[:3])}" if read.broken else "",
            f"{read.bytes} bytes read, more are not allowed" if read.full else "",
        ]
        return "; ".join(part for part in parts if part)

    def _list(self, read: _Read, now: float, deadline: Deadline) -> None:
        assert read.since is not None
        for prefix in self._prefixes(read.since, now):
            more: dict[str, Any] = {}
            while True:
                page = self.aws.call(S3, "ListObjectsV2", deadline, Bucket=self.bucket, Prefix=prefix, **more)
                for one in page.get("Contents", ()):
                    key = str(one["Key"])
                    if key not in read.known and key.endswith(".gz") and _may_hold(key, read.since):
                        read.known.add(key)
                        read.waiting.append((key, int(one["Size"])))
                if not page.get("IsTruncated"):
                    break
                more = {"ContinuationToken": page["NextContinuationToken"]}

    def _prefixes(self, since: float, now: float) -> list[str]:
        """Of an ALB the days (…/yyyy/mm/dd/), of CloudFront whatever begins so."""
        if self.format != "alb":
            return [self.prefix]
        first, last = (datetime.fromtimestamp(at, UTC).date() for at in (since, max(since, now)))
        days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        return [f"{self.prefix.rstrip('/')}/{day:%Y/%m/%d}/" for day in days]

    def _count(self, read: _Read, key: str, deadline: Deadline) -> None:
        """Adds the whole of a file, or nothing of it; raises AwsError when it breaks off."""
        assert read.since is not None
        found: Counter[str] = Counter()
        malformed, reach = 0, read.reach
        parser = self._parser()
        taken = [0]
        try:
            for text in lines(self._chunks(key, deadline, taken)):
                try:
                    line = parser.read(text) if text else None
                except Malformed:
                    malformed += 1
                    continue
                if line is not None and line.at >= read.since:
                    found[line.by] += 1
                    reach = max(reach, line.at)
        except Broken as error:
            read.broken.append(f"{key}: {error}")
        else:
            read.by += found
            read.malformed += malformed
            read.reach = reach
        read.bytes += taken[0]

    def _chunks(self, key: str, deadline: Deadline, taken: list[int]) -> Iterator[bytes]:
        from botocore.exceptions import BotoCoreError

        body = self.aws.call(S3, "GetObject", deadline, Bucket=self.bucket, Key=key)["Body"]
        try:
            for chunk in body.iter_chunks(CHUNK):
                taken[0] += len(chunk)
                if deadline.expired:
                    raise AwsError(f"s3 GetObject {key}: not read in {CALL_SECONDS:g} s", "ReadTimeout")
                yield chunk
        except (BotoCoreError, OSError) as error:
            raise AwsError(f"s3 GetObject {key}: {type(error).__name__}", type(error).__name__) from error
        finally:
            body.close()

    def _parser(self) -> Lines:
        return AlbLines() if self.format == "alb" else CloudFrontLines(self.column)

    def shell(self, draws: int) -> str:
        day = "/$(date -u +%Y/%m/%d)/" if self.format == "alb" else ""
        keys = (
            f'{self.aws.shell()} s3api list-objects-v2 --bucket {quote(self.bucket)} --prefix {quote(self.prefix)}"{day}"'
            " --query \"Contents[?LastModified>='$(date -u -d '-15 minutes' +%FT%T)'].Key\" --output text"
        )
        words = " ".join(quote(f"{word}={side}") for word, side in self.sides.items())
        return "\n".join(
            [
                "export AWS_PAGER=",
                f"{keys} | tr '\\t' '\\n' | grep '\\.gz$' | while read -r key; do",
                f'  {self.aws.shell()} s3 cp "s3://{self.bucket}/$key" - | gunzip',
                f"done | python3 -c {quote(COUNT)} {quote(self.column or '-')} {words}",
            ]
        )

    def permissions(self) -> Iterable[Permission]:
        yield Permission(S3, "ListObjectsV2", f"arn:aws:s3:::{self.bucket}")
        yield Permission(S3, "GetObject", f"arn:aws:s3:::{self.bucket}/{self.prefix}*")


# Its arguments: the column of a CloudFront log (- for an ALB's target group), then WORD=SIDE for each word of the log.
COUNT = r"""import collections, json, re, sys
column, seen, names = sys.argv[1], collections.Counter(), []
sides = dict(word.rsplit("=", 1) for word in sys.argv[2:])
for line in map(str.rstrip, sys.stdin):
    if line.startswith("#Fields:"): names = line.split()[1:]
    if column == "-":
        words = re.findall(r'"(?:[^"\\]|\\.)*"|[^ ]+', line)
        word = words[16].split("/")[1] if len(words) > 16 and "/" in words[16] else ""
    else:
        word = str((json.loads(line) if line[:1] == "{" else dict(zip(names, line.split("\t")))).get(column))
    if word in sides: seen[sides[word]] += 1
for side, number in seen.items(): print(side, number)"""


def _may_hold(key: str, since: float) -> bool:
    """Whether a file can hold lines from `since` on, by the time in its name: an ALB's end, CloudFront's hour."""
    name = key.rpartition("/")[2]
    if end := re.search(r"_(\d{8}T\d{4}Z)_", name):
        return datetime.strptime(end[1], "%Y%m%dT%H%MZ").replace(tzinfo=UTC).timestamp() >= since
    if hour := re.search(r"\.(\d{4}-\d{2}-\d{2}-\d{2})\.", name):
        return datetime.strptime(hour[1], "%Y-%m-%d-%H").replace(tzinfo=UTC).timestamp() + 3600 >= since
    return True


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC")
