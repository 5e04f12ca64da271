"""Whether a candidate may get more keys: each criterion with what was seen, and READY, HOLD or ROLL BACK."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from cutover.flags.counts import Counted
from cutover.routing import Side
from cutover.routing.histogram import ERROR


class Answer(Enum):
    """What a criterion says."""

    WELL = "well"
    FAILED = "failed"
    INSUFFICIENT = "insufficient"


Verdict = Literal["READY", "HOLD", "ROLL BACK"]


@dataclass(frozen=True)
class Limits:
    """Rates in percent, times in milliseconds and seconds."""

    error_rate: float = 5.0
    fallback_rate: float = 1.0
    slower_ms: float = 100.0
    at_least: int = 1000
    fresh: float = 300.0


@dataclass(frozen=True)
class Row:
    """One criterion: what was wanted, what was seen."""

    name: str
    wanted: str
    seen: str
    answer: Answer


def judged(counted: Counted, share: float | None, limits: Limits, complaints: str | None, role: str, now: float) -> list[Row]:  # fmt: skip
    """Every criterion. `share` is the flag's in percent, None where it cannot be read.

    `complaints` is `none` where the role attests that there is no critical one, else what there is; None: nobody said.
    """
    return [*figures(counted, share, limits, now), _complaints(complaints, role)]


def figures(counted: Counted, share: float | None, limits: Limits, now: float) -> list[Row]:
    """The criteria that the processes' counts answer: first what they are worth, then what they say.

    Once every key is the candidate's, legacy's times are no longer asked for where it has not answered often enough.
    """
    rows = [*_evidence(counted, share, limits, now), *_figures(counted, limits)]
    legacy = counted.total.legacy.requests if counted.total else 0
    return rows[:-1] if share == 100 and legacy < limits.at_least else rows


def verdict(rows: list[Row]) -> Verdict:
    """ROLL BACK when a criterion failed; READY only when every one is well."""
    if any(row.answer is Answer.FAILED for row in rows):
        return "ROLL BACK"
    return "READY" if all(row.answer is Answer.WELL for row in rows) else "HOLD"


def _evidence(counted: Counted, share: float | None, limits: Limits, now: float) -> Iterator[Row]:
    places = len(counted.shares) + len(counted.unread)
    told = "; ".join(f"{place} {why}" for place, why in counted.unread.items())
    seen = f"{len(counted.shares)} of {places}" + (f": {told}" if told else "")
    yield Row("counts", "every process shows them", seen, _known(places > 0 and not counted.unread))
    age = None
    if counted.oldest is not None and counted.total is not None:
        # A time in the future is no better: whose clock is wrong, and since when, nobody knows.
        age = max(now - counted.oldest, counted.total.taken_at - now)
    seen = "none" if age is None else f"{age:.0f} s from now"
    yield Row("fresh", f"at most {limits.fresh:g} s old", seen, _known(age is not None and age <= limits.fresh))
    others = {place: one for place, one in counted.shares.items() if one != share}
    seen = ", ".join(f"{place}: {one:g} %" for place, one in others.items()) or "all of them"
    if share is None or not counted.shares:
        seen = "not known"
    wanted = "every process goes by the flag" + ("" if share is None else f", {share:g} %")
    yield Row("in force", wanted, seen, _known(share is not None and bool(counted.shares) and not others))


def _figures(counted: Counted, limits: Limits) -> Iterator[Row]:
    legacy, candidate = (counted.total.legacy, counted.total.candidate) if counted.total else (Side(), Side())
    enough = candidate.requests >= limits.at_least
    yield Row("requests", f"at least {limits.at_least}", f"{candidate.requests}", _known(enough))
    for name, rate, limit in (
        ("error rate", candidate.error_rate, limits.error_rate),
        ("fallback rate", candidate.fallback_rate, limits.fallback_rate),
    ):
        seen = "none" if rate is None else f"{100 * rate:.3g} %"
        answer = Answer.INSUFFICIENT if not enough or rate is None else _passed(100 * rate < limit)
        yield Row(name, f"< {limit:g} %", seen, answer)
    yield _slower(legacy, candidate, limits, enough=enough and legacy.requests >= limits.at_least)


def _slower(legacy: Side, candidate: Side, limits: Limits, *, enough: bool) -> Row:
    """Both p95 are estimates that may be off by ERROR; what lies within that cannot be told."""
    theirs, ours = legacy.response_time.quantile(0.95), candidate.response_time.quantile(0.95)
    wanted = f"< legacy + {limits.slower_ms:g} ms"
    if theirs is None or ours is None:
        return Row("p95", wanted, "no times of both sides", Answer.INSUFFICIENT)
    seen = f"{1000 * ours:.3g} ms, legacy {1000 * theirs:.3g} ms"
    if not enough:
        return Row("p95", wanted, f"{seen}, of {legacy.requests} requests to legacy", Answer.INSUFFICIENT)
    limit = limits.slower_ms / 1000
    if ours / (1 - ERROR) < theirs / (1 + ERROR) + limit:
        return Row("p95", wanted, seen, Answer.WELL)
    if ours / (1 + ERROR) >= theirs / (1 - ERROR) + limit:
        return Row("p95", wanted, seen, Answer.FAILED)
    return Row("p95", wanted, f"{seen}: too near to tell, each within {100 * ERROR:g} %", Answer.INSUFFICIENT)


def _complaints(said: str | None, role: str) -> Row:
    wanted = f"none that is critical, attested by {role}"
    if said is None:
        return Row("complaints", wanted, "nobody attested it: --complaints none", Answer.INSUFFICIENT)
    if said.strip().lower() == "none":
        return Row("complaints", wanted, "none", Answer.WELL)
    return Row("complaints", wanted, said, Answer.FAILED)


def _known(well: bool) -> Answer:
    return Answer.WELL if well else Answer.INSUFFICIENT


def _passed(well: bool) -> Answer:
    return Answer.WELL if well else Answer.FAILED
