"""Whether a flag's candidate does well, asked while the plan raises its share."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from cutover.core.errors import CutoverError
from cutover.core.gate import Check, Finding
from cutover.core.share import Share
from cutover.core.step import Step
from cutover.flags.counts import Counted, counted, since
from cutover.flags.criteria import Answer, Limits, Row, figures


@dataclass(frozen=True, kw_only=True)
class CandidateWell(Check):
    """The routers' own counts of green's implementation: errors, fallbacks to blue's, and response times beside blue's.

    A criterion that failed since this share was first seen goes back. Counts that are old, too few, or missing of a process
    prove nothing: the share waits.
    """

    flag: str
    environment: str
    limits: Limits
    places: Callable[[], Sequence[str]] = field(repr=False, compare=False)
    step: Step[Share | str]
    _first: dict[Share, Counted] = field(default_factory=dict, init=False, repr=False, compare=False)

    def look(self) -> Finding:
        try:
            share = self.step.observe()
        except CutoverError as error:
            return Finding.blind(error.message)
        if not isinstance(share, Share):
            return Finding.blind(f"{self.step.resource}: {share}")
        if not share.percent:
            return Finding.failed(f"{self.step.resource} is at 0 %: it was taken back", "find out who did, and why")
        found = counted(self.flag, self.places())
        newest = self._since_this_share(found, share)
        rows = figures(newest, float(share.percent), self.limits, time.time())
        if newest.total is not None and newest.total.candidate.requests < self.limits.at_least:
            # Until there is enough of this share, what was counted before lets it go on; but nobody is sent back for it.
            earlier = figures(found, float(share.percent), self.limits, time.time())
            if all(row.answer is Answer.WELL for row in earlier):
                return Finding.passed(f"before this share: {_told(earlier[3:])}")
        failed = [row for row in rows if row.answer is Answer.FAILED]
        if failed:
            return Finding.failed(_told(failed), "look at green's implementation before the next attempt")
        lacking = [row for row in rows if row.answer is Answer.INSUFFICIENT]
        if lacking:
            return Finding.not_yet(_told(lacking), f"invoke flag.metrics --env {self.environment} --flag {self.flag}")
        return Finding.passed(_told(rows[3:]))

    def _since_this_share(self, found: Counted, share: Share) -> Counted:
        """The counts since this share was first seen by this process."""
        if found.total is None:
            return found
        if share not in self._first:
            self._first.clear()
            self._first[share] = found
        first = self._first[share].total
        return found if first is None else replace(found, total=since(first, found.total))

    def shell(self) -> str:
        return f"invoke flag.check --env \"$CUTOVER_ENV\" --flag '{self.flag}' --complaints none --dry-run"


def _told(rows: Sequence[Row]) -> str:
    return "; ".join(f"{row.name} {row.seen} (wanted: {row.wanted})" for row in rows)
