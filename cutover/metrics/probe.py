"""Figures from probes of our own: a GET of one side's own address."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from shlex import quote

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.series import Reading, Sample, Span, judged
from cutover.metrics.exchange import NoAnswer, fetched

TIMEOUT = 10.0
WANTS = "`latency /path`, `status /path` or `failed /path`"


@dataclass(frozen=True)
class Probe:
    """`latency /path` in ms, `status /path`, or `failed /path` (1 without an answer or from status 500 on, else 0).

    It has no memory: a reading is one sample, of now. Where nobody answers there is no latency and no status to read;
    `failed` alone says 1 then, because that is what it asks.
    """

    address: Callable[[], str]
    address_shell: str
    ca: str | None = None
    delay: float = 0.0
    now: Callable[[], float] = field(default=time.time, repr=False, compare=False)

    def read(self, query: str, span: Span, deadline: Deadline) -> Reading:
        what, _, path = query.strip().partition(" ")
        if what not in ("latency", "status", "failed") or not path.startswith("/"):
            return Reading.unreachable(f"a probe's query is {WANTS}")
        begun = time.monotonic()
        try:
            url = self.address().rstrip("/") + path
            status = fetched(url, deadline.within(TIMEOUT), {}, ca=self.ca).status
        except CutoverError as error:
            return Reading.unreachable(error.message)
        except NoAnswer as error:
            if what == "failed":
                return self._sample(1.0, span)
            return Reading.unreachable(str(error))
        took = 1000 * (time.monotonic() - begun)
        return self._sample({"latency": took, "status": status, "failed": float(status >= 500)}[what], span)

    def shell(self, query: str) -> str:
        what, _, path = query.strip().partition(" ")
        shown = "%{time_total}" if what == "latency" else "%{http_code}"
        trusted = f"--cacert {quote(self.ca)} " if self.ca else ""
        return (
            f"curl -sS --max-time {TIMEOUT:g} {trusted}-o /dev/null -w '{shown}\\n' {self.address_shell}{quote(path)}"
        )

    def _sample(self, value: float, span: Span) -> Reading:
        at = self.now()
        return judged([Sample(at, value)], span.ending(at), delay=self.delay, remembers=False)
