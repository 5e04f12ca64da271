"""Files and documents that the toolkit reads back: logs, flags, counts, its own records."""

import atexit
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from cutover.aws.log_lines import AlbLines, CloudFrontLines, Lines, Malformed
from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.flag import Flag as NumberInFile
from cutover.core.series import Reading, Sample, Span
from cutover.core.share import Share
from cutover.flags.counts import counted
from cutover.metrics.json_lines import JsonLines
from cutover.metrics.kept import Kept
from cutover.metrics.log_excerpt import Unread, excerpt
from cutover.net.ledger import Ledger
from cutover.plans.backup import document_of
from cutover.postgres.checkpoint import Checkpoint, seed_of
from cutover.routing.counted_lines import parsed_lines
from cutover.routing.flag import Flag, FlagWrong
from cutover.routing.snapshot import Snapshot

FOLDER = Path(tempfile.mkdtemp(prefix="cutover-bad-input-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
NOON = 1_780_000_000.0
SPAN = Span(NOON - 60, NOON, 15.0)
QUERIES = ("p95 took", "sum took", "avg took", "share where status >= 500", "max took where ok = true", "p1 took")
LOG_LINE = b'{"time": 1779999990.5, "status": 502, "took": 12.5, "ok": true}\n'
COUNTS = (
    b'{"schema": "cutover.snapshot/1", "flag": "pay", "share": 5.0, "began_at": 1.0, "taken_at": 2.0, "legacy": {}, '
    b'"candidate": {}, "hanging": 0}'
)
CHECKPOINT = (
    b'{"version": 1, "identity": {"seed": 7}}\n{"table": "t", "horizon": "1", "buckets": {}, "files": [], "parts": []}\n'
    b'{"table": "t", "done": true, "rows": 1, "suspects": [], "more": 0, "horizon": "1"}\n'
)


def written(name: str, data: bytes) -> Path:
    """A file of that content."""
    path = FOLDER / name
    path.write_bytes(data)
    return path


def log_file(data: bytes) -> None:
    """A log of JSON lines, asked for figures and for its last lines; the first byte says what is asked."""
    path = written("app.log", data[1:])
    query = QUERIES[(data[0] if data else 0) % len(QUERIES)]
    found = JsonLines(str(path), now=lambda: NOON + 20).read(query, SPAN, Deadline.after(20.0))
    assert isinstance(found, Reading) and "\n" not in found.seen
    with suppress(Unread):
        excerpt(str(path), "time", NOON - 60, NOON, 20, Deadline.after(20.0))


def access_log(data: bytes) -> None:
    """The lines of a load balancer and of CloudFront."""
    kinds: tuple[Lines, ...] = (AlbLines(), CloudFrontLines("x-edge"))
    for line in data.decode("utf-8", "replace").splitlines():
        for kind in kinds:
            with suppress(Malformed):
                kind.read(line)


def flag_document(data: bytes) -> None:
    """A flag, what routers counted of one, and a share in somebody's file; a good one is read back as it was written."""
    with suppress(FlagWrong):
        found = Flag.parse(data, name="pay")
        assert Flag.parse(found.text(), name="pay") == found
    with suppress(FlagWrong):
        found_counts = Snapshot.parse(data)
        found_counts.document()
    text = data.decode("utf-8", "replace")
    with suppress(FlagWrong):
        parsed_lines(text)
    for one in (NumberInFile(), NumberInFile("share")):
        share = one.read(text)
        assert isinstance(share, (str, Share))
        if isinstance(share, Share):
            assert one.read(one.written(text, share)) == share
    counted("pay", [str(written("counts.json", data))])


class _Now:
    """A source that answers with one sample."""

    def read(self, query: str, span: Span, deadline: Deadline) -> Reading:
        return Reading((Sample(NOON, 1.0),))

    def shell(self, query: str) -> str:
        return query


def own_record(data: bytes) -> None:
    """What the toolkit wrote itself and finds changed: blue's record, a comparison's checkpoint, what a source said before."""
    document_of(written("record.json", data))
    kept = Kept(_Now(), FOLDER)
    name = kept._file("q").name
    written(name, data)
    kept.remembered("q", SPAN)
    kept.read("q", SPAN, Deadline.after(5.0))
    path = written("comparison.jsonl", data)
    with suppress(CutoverError):
        seed_of(path)
    with suppress(CutoverError):
        Checkpoint(path, {"seed": 7}, resume=True).close()


def ledger(data: bytes) -> None:
    """The record of what customers were answered; a line that is none is a ValueError, which its check tells."""
    with suppress(ValueError):
        Ledger(written("ledger.jsonl", data)).between(NOON - 60, NOON)
