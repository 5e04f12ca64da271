"""The gate behind each shift: what really answers has to agree with the share that was asked for."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from shlex import quote

from cutover.aws.access_logs import AccessLogs
from cutover.aws.permission import Permission, Permitted
from cutover.core.gate import Check, Finding, Gate, Policy
from cutover.core.plan import Item
from cutover.core.share import Share
from cutover.core.watch import found
from cutover.core.witness import ShareObserved, Witness
from cutover.environment import Observed
from cutover.net.tagged import TaggedResponses
from cutover.plans.carried import Carried
from cutover.plans.checks import WORST, AllOf

MARGIN = 60.0  # seconds for a look at what is complete


@dataclass(frozen=True)
class SharesObserved(AllOf):
    """A weight that was written is not yet traffic that moved: what really answers is drawn, and held against what was asked.

    How many draws are taken is decided before the first one and the sum is judged once: looking until it fits would find
    what it looks for, and looking until it does not would stop a healthy shift.
    """

    def look(self) -> Finding:
        with ThreadPoolExecutor(len(self.checks), thread_name_prefix="witness") as pool:
            seen = list(pool.map(found, [check for _, check in self.checks]))
        verdict = next(one for one in WORST if any(finding.verdict is one for finding in seen))
        odd = [finding for finding in seen if finding.verdict is verdict]
        hints = dict.fromkeys(finding.hint for finding in odd if finding.hint)
        shares = [dict(finding.data) for finding in seen if finding.data]
        return Finding(verdict, "; ".join(finding.seen for finding in odd), "; ".join(hints), {"shares": shares})

    def permissions(self) -> Iterable[Permission]:
        for _, check in self.checks:
            if isinstance(check, Permitted):
                yield from check.permissions()


@dataclass(frozen=True, kw_only=True)
class HostObserved(ShareObserved):
    """One hostname by one witness."""

    carried: Carried

    def permissions(self) -> Iterable[Permission]:
        step = self.carried.share(Share.of(0), Share.of(100))
        for asked in (self.witness, step):
            if isinstance(asked, Permitted):
                yield from (one for one in asked.permissions() if one.reads)


def share_observed(hostnames: Sequence[Carried], percent: float) -> list[Item]:
    """The gate of one shift over all witnesses of all hostnames; none where the environment names no witness."""
    asked, words = Share.of(percent), hostnames[0].means.environment.shift
    shares = 1 if words.strategy == "immediate" else len(words.shares)
    witnesses = [(one, witness) for one in hostnames for witness in _witnesses(one)]
    if not witnesses:
        return []
    # All looks of a cutover together may doubt what is right as seldom as alpha says (Bonferroni).
    alpha = words.evidence.alpha / (shares * len(witnesses))
    checks = [(f"{one.name} by {witness.called}", _check(one, witness, asked, alpha)) for one, witness in witnesses]
    evidence = words.evidence
    # A gate that ended before the slowest count is complete would stop a healthy shift of a quiet hour.
    longest = evidence.settle + max(witness.longest for _, witness in witnesses) + MARGIN
    late = any(witness.counts for _, witness in witnesses)
    return [
        Gate(
            name=f"share-observed-{percent:g}",
            check=SharesObserved(tuple(checks)),
            deadline=max(evidence.deadline, longest) if late else 120.0 + evidence.settle + evidence.seconds,
            # Nobody's traffic moves on a witness's word alone: a person looks, and resumes or rolls back.
            on_fail=Policy.HOLD,
        )
    ]


def _check(one: Carried, witness: Witness, asked: Share, alpha: float) -> Check:
    words = one.means.environment.shift.evidence
    step = one.share(Share.of(100 if asked == Share.of(0) else 0), asked)
    return HostObserved(
        carried=one,
        host=one.host,
        asked=asked,
        witness=witness,
        effective=step.observe,
        effective_shell=f'[ "$( {step.check_shell()} | tail -n 1)" = {quote(str(asked))} ] &&',
        alpha=alpha,
        precision=words.precision / 100,
        requests=words.requests,
        seconds=words.seconds,
        settle=words.settle,
    )


def _witnesses(one: Carried) -> Iterator[Witness]:
    words = one.means.environment.hostnames[one.name].observed
    if words.dns and (draws := one.name_draws()):
        yield draws
    if (tagged := _tagged(one, words)) is not None:
        yield tagged
    if words.requests and (counted := one.request_counts()):
        yield counted
    if (logs := _logs(one, words)) is not None:
        yield logs


def _logs(one: Carried, words: Observed) -> AccessLogs | None:
    logs = words.logs
    if logs is None:
        return None
    blue, green = one.groups() or (None, None)
    return AccessLogs(
        aws=one.means.aws,
        bucket=logs.bucket,
        prefix=logs.prefix,
        format=logs.format,
        sides={str(logs.blue or blue): "blue", str(logs.green or green): "green"},
        column=logs.column if logs.format == "cloudfront" else "",
        follows=one.follows(),
        late=logs.late,
        largest=logs.largest,
    )


def _tagged(one: Carried, words: Observed) -> TaggedResponses | None:
    tag = words.tag
    if tag is None:
        return None
    return TaggedResponses(
        host=one.host,
        zone=one.zone(),
        tag=tag.header or tag.field or "",
        in_body=tag.header is None,
        blue=tag.blue,
        green=tag.green,
        path=tag.path,
        scheme=tag.scheme,
        port=tag.port if isinstance(tag.port, int) else None,
        servers=one.means.dns_servers(),
    )
