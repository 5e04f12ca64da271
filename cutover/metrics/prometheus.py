"""Figures from a Prometheus server, or whatever has its HTTP API (Thanos, Mimir, VictoriaMetrics)."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from shlex import quote
from typing import Any
from urllib.parse import urlencode

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.series import Gap, Reading, Sample, Span, judged
from cutover.metrics.exchange import Answer, NoAnswer, exchanged

MOST_POINTS = 10_000  # of one answer; the server refuses more than 11,000 (HTTP API, range queries)
PATIENCE = 30.0  # seconds for one query; the server gives up then, too
COUNTER = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*_(total|count|sum|bucket)\s*(\{[^{}]*\})?")
LABELS_SHOWN = 6


class _Refused(Exception):
    """The server answered, and not with samples."""


class Unread(Exception):
    """A counter's samples could not be read; the message says why, in one line."""


@dataclass(frozen=True)
class Counter:
    """One series of a counter: its labels, and its samples as they were scraped."""

    labels: Mapping[str, str]
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class Prometheus:
    """PromQL over a span (HTTP API, /api/v1/query_range); `{side}` has been filled in.

    A query must give one series: several are an error that names the labels in which they differ. What a function looks
    back over, `[5m]`, and the server's own five minutes for a plain selector, make a dead target look alive for as long.
    """

    url: Callable[[], str]
    url_shell: str
    authorization: Callable[[], str] | None = field(default=None, repr=False, compare=False)
    """The value of the header: `Bearer …` or `Basic …`."""
    authorization_shell: str = ""
    """The same as a word of bash."""
    ca: str | None = None
    delay: float = 60.0
    """Seconds after which a sample is there: the longest scrape interval."""

    def read(self, query: str, span: Span, deadline: Deadline) -> Reading:
        deadline = deadline.within(PATIENCE)
        samples: list[Sample] = []
        warnings: list[str] = []
        try:
            for piece in _pieces(span):
                answer = self._asked(query, piece, deadline)
                warnings += _warnings(answer)
                samples += _samples(answer)
        except (NoAnswer, _Refused) as error:
            return Reading.unreachable(f"Prometheus: {error}")
        except CutoverError as error:  # its address or its token cannot be found
            return Reading.unreachable(f"Prometheus: {error.message}")
        resets = _resets(samples) if COUNTER.fullmatch(query.strip()) else 0
        found = judged(samples, span, delay=self.delay, resets=resets)
        if warnings and found.gap is None:
            return Reading(found.samples, Gap.PARTIAL, f"the server warns: {_shown(warnings[0])}", resets)
        return found

    def counters(self, selector: str, since: float, until: float, deadline: Deadline) -> list[Counter]:
        """What was scraped of every series of a selector after `since` and up to `until` (an instant query of a range).

        Nothing is interpolated: `increase` would make up requests at both ends of a span. Raises Unread.
        """
        words = {"query": f"{selector}[{max(1, round((until - since) * 1000))}ms]", "time": f"{until:.3f}"}
        try:
            answer = self._answered("query", words, deadline.within(PATIENCE))
            if warnings := _warnings(answer):
                raise Unread(f"Prometheus warns: {_shown(warnings[0])}")
            return [
                Counter(one["metric"], tuple(Sample(float(at), float(value)) for at, value in one["values"]))
                for one in answer["data"]["result"]
            ]
        except (NoAnswer, _Refused) as error:
            raise Unread(f"Prometheus: {error}") from None
        except CutoverError as error:
            raise Unread(f"Prometheus: {error.message}") from None
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            raise Unread("Prometheus: its answer is no counters with samples") from None

    def shell(self, query: str) -> str:
        return f"{self.curl()}-G {self.url_shell}/api/v1/query --data-urlencode {quote(f'query={query}')}"

    def curl(self) -> str:
        """The beginning of a command that asks this server."""
        told = f"-H @<(printf 'Authorization: %s\\n' {self.authorization_shell}) " if self.authorization_shell else ""
        trusted = f"--cacert {quote(self.ca)} " if self.ca else ""
        return f"curl -sS --max-time {PATIENCE:g} {trusted}{told}"

    def asked(self, path: str, deadline: Deadline, *, method: str = "GET") -> Answer:
        """Whatever the server answers; raises NoAnswer, and CutoverError where its address or its token cannot be found."""
        headers = {} if self.authorization is None else {"Authorization": self.authorization()}
        return exchanged(method, f"{self.url().rstrip('/')}{path}", deadline.within(PATIENCE), headers, ca=self.ca)

    def _asked(self, query: str, span: Span, deadline: Deadline) -> dict[str, Any]:
        words = {
            "query": query,
            "start": f"{span.since:.3f}",
            "end": f"{span.until:.3f}",
            "step": f"{span.step:.3f}",
        }
        return self._answered("query_range", words, deadline)

    def _answered(self, what: str, words: Mapping[str, str], deadline: Deadline) -> dict[str, Any]:
        asked = urlencode({**words, "timeout": f"{max(1.0, deadline.remaining()):.0f}s"})
        answer = self.asked(f"/api/v1/{what}?{asked}", deadline)
        return _understood(answer.status, answer.body)


def _pieces(span: Span) -> Iterator[Span]:
    """The span in parts of so many points as one answer may have."""
    since, length = span.since, MOST_POINTS * span.step
    while span.until - since > length:
        yield Span(since, since + length - span.step, span.step)
        since += length
    if since < span.until:
        yield Span(since, span.until, span.step)


def _understood(status: int, body: bytes) -> dict[str, Any]:
    if status in (401, 403):
        raise _Refused(f"refused the credentials (status {status})")
    if 300 <= status < 400:
        raise _Refused(f"redirects (status {status}): write the address that it leads to")
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise _Refused(f"status {status}, and no JSON: is this the address of a Prometheus?") from None
    if not isinstance(answer, dict) or answer.get("status") != "success":
        said = answer if isinstance(answer, dict) else {}
        raise _Refused(_shown(f"{said.get('errorType') or f'status {status}'}: {said.get('error') or 'no reason'}"))
    return answer


def _warnings(answer: Mapping[str, Any]) -> list[str]:
    said = answer.get("warnings") or []
    return [str(one) for one in said] if isinstance(said, list) else ["it says so in a way of its own"]


def _samples(answer: Mapping[str, Any]) -> list[Sample]:
    try:
        result = answer["data"]["result"]
        if len(result) > 1:
            raise _Refused(_several([one["metric"] for one in result]))
        return [Sample(float(at), float(value)) for one in result for at, value in one["values"]]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise _Refused("its answer is no series of samples") from None


def _several(series: Sequence[Mapping[str, str]]) -> str:
    labels = sorted({label for one in series for label in one})
    differ = [label for label in labels if len({one.get(label) for one in series}) > 1]
    named = _shown(", ".join(differ[:LABELS_SHOWN])) or "nothing"
    return (
        f"the query gives {len(series)} series, which differ in {named}: put sum(…) around it, or name the one you mean"
    )


def _resets(samples: Sequence[Sample]) -> int:
    ordered = sorted(samples, key=lambda one: one.at)
    return sum(after.value < before.value for before, after in pairwise(ordered))


def _shown(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:300]
