"""One schedule of faults tried on the ground, and what has to hold through it and after it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cutover.bench.figures import BenchFailed
from cutover.faults.fault import BARE
from cutover.faults.ground import Ground
from cutover.faults.places import BACK, BEFORE_TRAFFIC, FORWARD, RESUME
from cutover.faults.schedule import Schedule, Strike
from cutover.faults.walking import Walk
from cutover.faults.watcher import Watcher

DOCUMENTED = {0, 1, 4, 5, 6, 7, 8, 130, 143, -9}  # -9: killed by the fault, or by the supervisor of a window that hung
WORDS = {
    0: "went on", 1: "stopped", 4: "lease lost", 5: "refused", 6: "rolled back", 7: "rollback stopped", 8: "waited",
    130: "interrupted", 143: "interrupted", -9: "died",
}  # fmt: skip
REFUSED = 5
RETRIES = ("retrying", "command-failed")
GREEN = "v2"
LINES = 30


@dataclass(frozen=True)
class Result:
    """What became of the faults of one way; `problems` is everything that may not be, `gap` the longest time in seconds
    between two acknowledged writes."""

    strikes: tuple[str, ...]
    leg: str
    outcome: str
    path: str
    problems: tuple[str, ...]
    acknowledged: int
    gap: float
    seconds: float
    missed: tuple[str, ...] = ()
    """The faults whose place was never reached: of them nothing is known."""
    began: float = 0.0
    last: str = ""
    """The last lines that the last command said, where something may not be."""

    @property
    def word(self) -> str:
        return f"DEFECT: {self.problems[0]}" if self.problems else self.outcome


def environment_for(ground: Ground, strikes: Sequence[Strike]) -> str:
    """Writes the environment that these faults need, and answers its name."""
    names = named(strikes)
    words = {key: value for strike in strikes for key, value in strike.fault.words.items()}
    return ground.fault_environment(names, **words)


def named(strikes: Sequence[Strike]) -> str:
    """What that environment is called."""
    return "-".join([BARE, *sorted({strike.fault.environment for strike in strikes} - {BARE})])


def tried(ground: Ground, schedule: Schedule) -> Iterator[Result]:
    """A result for each way that the schedule's faults concern; at the end of it blue serves, whatever happened."""
    environment = environment_for(ground, schedule.strikes)
    legs = schedule.legs
    until = ground.before_traffic if {strike.place.name for strike in schedule.strikes} <= BEFORE_TRAFFIC else ""
    if BACK in legs and len(legs) == 1:
        walked_well(ground, environment, FORWARD, until)
    for leg in legs:
        if leg == RESUME and FORWARD in legs:
            walked_well(ground, environment, BACK)
        yield walked(ground, environment, leg, schedule.of_leg(leg), until)
    if BACK not in legs:
        walked_well(ground, environment, BACK)


def walked_well(ground: Ground, environment: str, leg: str, until: str = "") -> None:
    """The same way without any fault; raises BenchFailed when it does not come to its end."""
    walk = Walk(ground, environment, leg, until)
    walk.under(())
    walk.to_its_end()
    if walk.problems:
        last = walk.told[-1] if walk.told else "nothing was heard"
        raise BenchFailed(f"without a fault, after all were healed: {'; '.join(walk.problems)}\n{last}")


def walked(ground: Ground, environment: str, leg: str, strikes: Sequence[Strike], until: str = "") -> Result:
    """One way under faults, and everything that has to hold of it."""
    began = time.time()
    walk = Walk(ground, environment, leg, until)
    before = len(ground.entries(environment))
    ground.more = {name: value for strike in strikes for name, value in strike.fault.variables(ground).items()}
    watcher = Watcher(ground)
    try:
        with watcher.watching():
            walk.under(strikes)
            problems = [*_told_well(walk)]
            walk.to_its_end()
    except BenchFailed as error:
        walk.problems.append(str(error))
        problems = []
    finally:
        ground.more = {}
    problems = [*walk.problems, *problems, *_held(ground, environment, leg, began, watcher)]
    missed = [str(strike) for strike in strikes if str(strike) not in walk.reached]
    if strikes and len(missed) == len(strikes) and walk.codes[:1] == [REFUSED]:
        problems.append(f"no fault came, for it was refused: {' '.join(walk.told[0].err.split())[:300]}")
    seen = ground.seen_since(began)
    return Result(
        strikes=tuple(map(str, strikes)),
        leg=leg,
        outcome=_outcome(ground, environment, walk, before)
        + (f" (not reached: {', '.join(missed)})" if missed else ""),
        path=walk.path,
        problems=tuple(problems),
        acknowledged=len(seen.acknowledged),
        gap=round((seen.write_gap_ms or 0) / 1000, 2),
        seconds=round(time.time() - began, 1),
        missed=tuple(missed),
        began=began,
        last="\n".join(walk.told[-1].err.strip().splitlines()[-LINES:]) if problems and walk.told else "",
    )


def _outcome(ground: Ground, environment: str, walk: Walk, before: int) -> str:
    if not walk.codes:
        return "no end"
    word = WORDS.get(walk.codes[0], f"ended with {walk.codes[0]}")
    if walk.codes[0] == 0:
        kinds = {entry.kind for entry in ground.entries(environment)[before:]}
        return "retried" if kinds & set(RETRIES) else word
    more = len(walk.codes) - 1
    if not more:
        return f"{word}, ended by itself"
    return f"{word}, then {more} command{'s' if more > 1 else ''}"


def _told_well(walk: Walk) -> Iterator[str]:
    """Of the program's own words: no traceback, a documented exit code, and what to type next where it stopped."""
    for done in walk.told:
        if "Traceback (most recent call last)" in done.err + done.out:
            yield f"a traceback: {done.err.strip().splitlines()[-1][:200]}"
        if done.code not in DOCUMENTED:
            yield f"exit code {done.code} is not documented"
        if done.code not in (0, 6, -9) and "invoke " not in done.err:
            yield f"it stopped with {done.code} and named no next command"


def _held(ground: Ground, environment: str, leg: str, began: float, watcher: Watcher) -> Iterator[str]:
    """The invariants; whatever is asked is asked of the servers and of the customers' own record."""
    serving = "blue" if leg == BACK else "green"
    if watcher.both_open:
        yield f"TWO WRITERS at {', '.join(watcher.both_open[:3])}"
    if not watcher.looks:
        yield "the watcher never saw both sides"
    try:
        ground.eventually(lambda: ground.seen_since(time.time() - 5).acknowledged, "an acknowledged write", 30)
    except BenchFailed as error:
        yield f"STUCK: {error}"
    if (writable := ground.writable()) != [serving]:
        yield f"writable is {' and '.join(writable) or 'nothing'}, not {serving}"
    promised = ground.seen_since(began)
    lost, doubled = ground.lost_and_doubled(promised, serving)
    if lost:
        yield f"LOST: {len(lost)} of {len(promised.acknowledged)} acknowledged writes are not on {serving}"
    if doubled:
        yield f"DOUBLED: {len(doubled)} writes are twice on {serving}"
    if broken := ground.broken_journal(environment):
        yield broken
    if leg == FORWARD:
        yield from _traffic_too_soon(ground, began, watcher)


def _traffic_too_soon(ground: Ground, began: float, watcher: Watcher) -> Iterator[str]:
    """Customers answered by green before its rows were validated and the writes were there."""
    until = watcher.green_open if watcher.green_open is not None else time.time()
    early = [line for line in ground.ledger.lines(began, until) if began + 2 < line["at"] and line["ack"] < until]
    if any(line["version"] == GREEN for line in early):
        yield "customers were answered by green before it was validated"
