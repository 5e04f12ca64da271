"""Green beside blue in the plan: watched at every share below 100 %, and no share is passed on without its verdict."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from shlex import quote

from cutover.core.gate import Check, Finding, Gate, Guard, Policy, Verdict
from cutover.core.journal import Journal, Position, position_of
from cutover.core.moment import knew
from cutover.core.series import Gap
from cutover.core.share import Share
from cutover.environment import Comparison
from cutover.environment.compared_to_blue import LEDGER_DELAY
from cutover.metrics.action import parse_action
from cutover.metrics.bets import Margin
from cutover.metrics.compared import Counted, Evidence
from cutover.metrics.counted import settled
from cutover.metrics.family import Family
from cutover.metrics.green_no_worse import GreenNoWorse
from cutover.metrics.onsets import EVERY
from cutover.metrics.tally import Tally
from cutover.plans.carriers import carried
from cutover.plans.means import Means
from cutover.plans.triggered import undecided

PATIENCE = 120.0  # seconds without counts before `blind` starts something
SHORTEST_WAIT = 900.0
LOOKED_BACK = 600.0  # seconds of blue that say before the cutover how many requests there will be


def shares(means: Means) -> tuple[float, ...]:
    """The percentages at which green is compared with blue: all below 100, where both have visitors."""
    shift = means.environment.shift
    if means.environment.comparison is None or shift.strategy == "immediate":
        return ()
    return tuple(percent for percent in shift.shares if percent < 100)


def comparison_guards(means: Means) -> list[Guard]:
    """One guard for each share, so that what a person bears at one of them is watched anew at the next."""
    words = means.environment.comparison
    if words is None:
        return []
    action = parse_action(words.then)
    return [
        Guard(
            name=_guard_name(percent),
            check=_beside_blue(means, words, percent),
            policy=action.then if action.then is not None else action.first,
            every=EVERY,
            during=(f"shift-{percent:g}",),
            investigate=action.after or 0.0,
            stands=True,
            patience=PATIENCE,
            on_blind=undecided(words.blind) or Policy.NOTIFY,
            on_insufficient=undecided(words.insufficient),
        )
        for percent in shares(means)
    ]


def share_compared(means: Means, percent: float) -> list[Gate]:
    """The gate at the end of a share that green was found no worse in it; none where it is not compared."""
    words = means.environment.comparison
    if words is None or percent not in shares(means):
        return []
    name = f"compared-{percent:g}"
    check = ShareCompared(
        beside=_beside_blue(means, words, percent), guard=_guard_name(percent), gate=name, journal=means.journal
    )
    soak = dict(zip(means.environment.shift.shares, means.environment.shift.soaks, strict=True))[percent]
    return [Gate(name=name, check=check, deadline=max(SHORTEST_WAIT, soak), on_fail=Policy.HOLD)]


def can_be_compared(means: Means) -> list[tuple[str, Check]]:
    """The preflight check that blue can be counted, and that the soaks are long enough for a verdict."""
    words = means.environment.comparison
    if words is None:
        return []
    delay = _delay(means, words)
    soaks = dict(zip(means.environment.shift.shares, means.environment.shift.soaks, strict=True))
    wanted = tuple((percent, soaks[percent], green_no_worse(means, words, percent)) for percent in shares(means))
    check = CanBeCompared(
        blue=means.counted("blue"), environment=means.environment.name, wanted=wanted, now=settled(delay)
    )
    return [("comparison", check)]


def green_no_worse(means: Means, words: Comparison, percent: float) -> GreenNoWorse:
    """The comparison at one share, with its part of the chance of a false rollback over the whole cutover."""
    tests = 1 if words.slower is None else 2
    family = Family(tests=tests, phases=len(shares(means)))
    return GreenNoWorse(
        name=_guard_name(percent),
        blue=means.counted("blue"),
        green=means.counted("green"),
        since=partial(began, means, percent),
        alpha=family.each * tests,
        passes=partial(passes, means, percent),
        margin=Margin(points=words.margin.points / 100, percent=words.margin.percent),
        slower=words.slower,
        worth=words.worth / 100,
        together=words.together,
        share=percent / 100 if words.one_by_one else None,
        now=settled(_delay(means, words)),
    )


def began(means: Means, percent: float) -> float | None:
    """Since when every hostname has this share and visitors have taken it up, by the journal; None where that is not yet so.

    A step that was taken back is not done, so what was counted before it was taken again is never counted.
    """
    position = _position(means)
    share, at = Share.of(percent), 0.0
    for one in carried(means):
        name = one.step_name(share)
        if name not in position.done or name not in position.converged_at:
            return None
        at = max(at, position.converged_at[name] + one.follows())
    return float(math.ceil(at)) if at else None


def passes(means: Means, percent: float) -> int:
    """How often every hostname has got this share in this run, by the journal, this time included; 0 before the first time."""
    share = Share.of(percent)
    wanted = {one.step_name(share) for one in carried(means)}
    journal = means.journal()
    there: set[str] = set()
    found = 0
    for entry in journal.entries() if journal is not None else means.history():
        if entry.kind in ("intent", "converged", "skipped"):
            there -= set(entry.data.get("undoes", ()))
        if entry.kind in ("converged", "skipped") and entry.data.get("step") in wanted:
            there.add(str(entry.data["step"]))
            found += there == wanted
    return found


def in_force(means: Means) -> float | None:
    """The share at which both sides can be compared now; None where traffic is on its way, or all of it on green."""
    done = _position(means).done
    moved = [
        percent
        for percent in means.environment.shift.shares
        if any(one.step_name(Share.of(percent)) in done for one in carried(means))
    ]
    return moved[-1] if moved and moved[-1] in shares(means) and began(means, moved[-1]) is not None else None


def _position(means: Means) -> Position:
    journal = means.journal()
    return journal.position() if journal is not None else position_of("", means.history())


def _beside_blue(means: Means, words: Comparison, percent: float) -> "BesideBlue":
    counters = tuple(
        (side, what, words.selector(what, side)) for side in ("blue", "green") for what in ("requests", "errors")
    )
    return BesideBlue(
        compared=green_no_worse(means, words, percent), environment=means.environment.name, counters=counters
    )


def _delay(means: Means, words: Comparison) -> float:
    source = means.environment.metrics.sources.get(words.source)
    return LEDGER_DELAY if source is None else float(getattr(source, "delay", 0.0))


def _guard_name(percent: float) -> str:
    return f"green-no-worse-{percent:g}"


@dataclass(frozen=True, kw_only=True)
class BesideBlue(Check):
    """Green must not fail more often than blue does in the same minutes, nor be slower, beyond what is allowed.

    Both are counted since the share is in force everywhere. A trouble that both sides share is no fault of green. It may be looked at
    however often, and a share may be taken again: as long as visitors are divided as it was set, all looks of a whole run together
    find at most one healthy green in a hundred worse. At 100 % it is not asked, because blue has no visitors any more, and an
    incident of both sides would look like green's fault.
    """

    compared: GreenNoWorse
    environment: str
    counters: tuple[tuple[str, str, str], ...]
    """Side, what is counted, and the counter."""

    def look(self) -> Finding:
        return self.compared.look()

    def shell(self) -> str:
        asked = [f"# {side}'s {what}: {counter}" for side, what, counter in self.counters]
        return "\n".join([*asked, f"invoke compare --env {quote(self.environment)}"])


@dataclass(frozen=True, kw_only=True)
class ShareCompared(Check):
    """A share is passed on only when enough requests have shown that green is no worse than blue; else a person decides.

    With too few requests it waits and says how many more are needed. Who goes on without a verdict types why:
    `invoke resume --reason`, while it waits.
    """

    beside: BesideBlue
    guard: str
    gate: str
    journal: Callable[[], Journal | None] = field(compare=False, repr=False)

    def look(self) -> Finding:
        said = self._said()
        if said:
            return Finding.passed(said, warning=True)
        finding = self.beside.look()
        if finding.verdict is Verdict.FAIL:  # the guard's to answer; here it is only not well
            return Finding.not_yet(finding.seen, finding.hint, **finding.data)
        return finding

    def _said(self) -> str:
        """What a person said about going on all the same, here or where the guard stood still; empty where nobody did."""
        journal = self.journal()
        if journal is None:
            return ""
        position = journal.position()
        if self.guard in position.borne:
            return f"{self.guard} fails, and a person said to go on"
        used = {e.data.get("reason") for e in journal.entries() if e.kind == "standing-ended"}
        asked = position.asked.get(self.gate)
        for kind, word in reversed(journal.wishes()):
            reason = str(word.get("reason") or "")
            if asked is not None and kind == "resume" and reason and knew(word, asked):
                return "" if reason in used else f"no verdict; {word.get('who', 'somebody')} says to go on: {reason}"
        return ""

    def shell(self) -> str:
        return self.beside.shell()


@dataclass(frozen=True, kw_only=True)
class CanBeCompared(Check):
    """What green will be compared with has to be countable before anything changes, and each soak long enough for a verdict."""

    blue: Counted = field(repr=False, compare=False)
    environment: str
    wanted: tuple[tuple[float, float, GreenNoWorse], ...] = field(repr=False)
    """Each share in percent, its soak in seconds, and the check."""
    now: Callable[[], float] = field(default=time.time, compare=False, repr=False)

    def look(self) -> Finding:
        now = self.now()
        counted = self.blue(now - LOOKED_BACK, now)
        if isinstance(counted, Gap):
            why = getattr(self.blue, "trouble", "")
            return Finding.blind(
                f"blue cannot be counted: {counted.value} {why}".strip(), "look at comparison's counters"
            )
        if not counted.requests:
            return Finding.not_yet("blue counted no requests in ten minutes", "look at comparison's counters")
        slow = [self._slow(counted, *one) for one in self.wanted]
        if odd := "; ".join(text for text in slow if text):
            return Finding.passed(f"blue counts {counted}; {odd}", warning=True)
        return Finding.passed(f"blue counts {counted}; each soak is long enough for a verdict")

    def _slow(self, counted: Tally, percent: float, soak: float, check: GreenNoWorse) -> str:
        empty = Tally(0, 0)
        expected = Evidence(0.0, check.rules()[0].threshold, counted, empty, percent / 100, 0.0)
        needed = check.needed(expected)
        seconds = needed / (counted.requests / LOOKED_BACK * percent / 100) if needed < math.inf else math.inf
        if seconds <= soak:
            return ""
        if seconds == math.inf:
            return f"at {percent:g} % no verdict can be found with these counts"
        return f"at {percent:g} % a verdict takes about {seconds / 60:,.0f} min, longer than the soak of {soak / 60:,.0f} min"

    def shell(self) -> str:
        return f"invoke compare --env {quote(self.environment)}"
