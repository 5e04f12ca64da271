"""How soon a fault of green is found and answered, in a local world of its own: `invoke bench watching`."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cutover.bench.fault_seen import BACK, GRACE, HOLD, WAIT, FaultSeen, seen_of
from cutover.bench.faults_of_green import FAULTS, Fault
from cutover.bench.figures import (
    BenchFailed,
    Figures,
    Limit,
    Line,
    NotMeasured,
    Reference,
    Spread,
    attempted,
    machine,
    postgres,
)
from cutover.bench.staged import Staged
from cutover.bench.watched_run import BASE, CUSTOMERS, NAME, WatchedRun, opened
from cutover.core.errors import ConfigurationRefused
from cutover.metrics.clauses import Growth
from cutover.plans.triggered import trigger_guards, triggers
from cutover.world import prometheus, world

ROLLBACK_LIMIT = 120.0  # seconds
AFTER = 3.0  # seconds for which customers are looked at, once those that DNS had led to green are gone
ENDS = {"rollback": 6, "investigate then rollback": 6, "previous-phase": 8, "freeze": 8}
PREFIX = "cutover-bench-"  # a short path


@dataclass(frozen=True)
class Scale:
    """How often each fault is injected, and into how large a shop."""

    times: int = 3
    rows: int = 5000
    targets: bool = True

    def rounds(self, number: int) -> "Scale":
        return replace(self, times=number)


FULL, QUICK = Scale(), Scale(times=1, rows=500, targets=False)


@dataclass(frozen=True)
class Round:
    """One cutover with one fault: what was seen of it, and what became of the writes."""

    seen: FaultSeen
    acknowledged: int
    lost: int
    doubled: int
    wrong: tuple[str, ...] = ()


def chosen(only: str) -> Sequence[str]:
    """The faults named, separated by commas, or all; raises ConfigurationRefused for one that is not known."""
    names = [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in names if name not in FAULTS]
    if unknown:
        raise ConfigurationRefused([f"--only: {name!r} is no fault; known: {', '.join(FAULTS)}" for name in unknown])
    return names or list(FAULTS)


def measure(parts: Sequence[str], scale: Scale, say: Callable[[str], None]) -> Figures:
    """Injects these faults one after another; one that is not measured says so in a line of its own."""

    def lines() -> Iterator[Line]:
        with watched_world(scale.rows, say) as stage:
            for name in parts:
                say(f"{name}:")
                yield from attempted(name, partial(measured, stage, FAULTS[name], scale.times, say), say)

    title = f"Faults of green, {CUSTOMERS} requests a second, half of them on green"
    title += "" if scale.targets else ", once: no spread"
    figures = Figures(title, f"{_versions()}, {machine()}")
    for line in attempted("watching", lines, say):
        figures.lines.append(line if scale.targets else replace(line, limits=()))
    return figures


@contextmanager
def watched_world(rows: int, say: Callable[[str], None]) -> Iterator[Staged]:
    """A local world with a Prometheus, under a repository folder; everything is removed afterwards. Raises NotMeasured."""
    if prometheus.program() is None:
        raise NotMeasured(prometheus.INSTALL)
    stage = Staged(Path(tempfile.mkdtemp(prefix=PREFIX)))
    try:
        if not (stage.source / "environments" / f"{BASE}.yaml").exists():
            raise NotMeasured(f"environments/{BASE}.yaml is not here: run it in the repository's folder")
        stage.make_folder()
        world.up(stage.home, rows=rows, rate=CUSTOMERS, watched=True, log=say)
        yield stage
    finally:
        with suppress(BenchFailed):  # what supervises a run that was cut off may be at work
            stage.supervisors_gone(30.0)
        stage.close()


def measured(stage: Staged, fault: Fault, times: int, say: Callable[[str], None]) -> Iterator[Line]:
    """The lines of one fault: each time a cutover of its own, which goes back to blue afterwards."""
    rounds = []
    for number in range(times):
        one = once(stage, fault)
        told = f"verdict after {one.seen.verdict:.1f} s, complete after {one.seen.complete:.1f} s, {one.seen.failed} failed"
        say(f"round {number + 1}: {told}{''.join(f'; WRONG: {why}' for why in one.wrong)}")
        rounds.append(one)
    yield from lines_of(fault, rounds, *references(stage, fault))


def once(stage: Staged, fault: Fault) -> Round:
    """One cutover and its fault; raises BenchFailed where the run does not even get that far."""
    run = WatchedRun.begun(stage, fault.soak, **fault.changes)
    action = fault.documented.action
    try:
        fault.ready(run)
        run.injected = time.time()
        fault.inject(run)
        undecided = 0.0
        if action == HOLD:
            run.until("standing")
        elif action == WAIT:
            undecided = _too_little(run)
            run.until("waiting", verdict="insufficient")
            world.load(stage.home, CUSTOMERS)  # somebody comes again, and finds what was left as it was
        else:
            run.until("leg-ended")
            run.ended(ENDS[action])
        time.sleep(GRACE + AFTER)
        entries, now = stage.entries(NAME), time.time()
        seen = seen_of(
            fault.documented, run.injected, entries, stage.ledger.lines(run.injected, now), undecided=undecided
        )
        return _judged(stage, run, action, seen)
    finally:
        run.healed()
        world.load(stage.home, CUSTOMERS)
        stage.back_on_blue()


def _too_little(run: WatchedRun) -> float:
    """When the triggers said for the first time that there is too little to judge."""
    run.stage.eventually(lambda: "insufficient" in run.verdicts().values(), "too little to judge", 60.0)
    return time.time()


def _judged(stage: Staged, run: WatchedRun, action: str, seen: FaultSeen) -> Round:
    """Beside what the journal and the ledger say, what the databases have."""
    writes = "blue" if action in BACK and action != "previous-phase" else "green"
    wanted = ("open", "fenced") if writes == "blue" else ("fenced", "open")
    wrong = [*seen.wrong]
    if (sides := stage.sides()) != wanted:
        wrong.append(f"blue is {sides[0]} and green {sides[1]}, wanted are {wanted[0]} and {wanted[1]}")
    promised = stage.seen_since(run.began)
    lost, doubled = stage.lost_and_doubled(promised, writes)
    if lost or doubled:
        wrong.append(f"{len(lost)} lost and {len(doubled)} doubled")
    return Round(seen, len(promised.acknowledged), len(lost), len(doubled), tuple(wrong))


def references(stage: Staged, fault: Fault) -> tuple[Reference, Reference]:
    """How long the trigger itself waits: until its verdict, and until what is documented is to be done."""
    app = opened(stage)
    try:
        rules = {rule.name: rule for rule in triggers(app.means)}
        patience = {guard.name.removeprefix("trigger-"): guard.patience for guard in trigger_guards(app.means, ())}
    finally:
        app.close()
    if not fault.documented.guards:
        none = Reference("too little to judge starts nothing")
        return none, none
    if len(fault.documented.guards) > 1:
        longest = Reference("patience", Spread.of([max(patience[name] for name in fault.documented.guards)], "s"))
        return longest, longest
    rule = rules[fault.documented.guards[0]]
    over = [one.over for one in rule.condition.clauses if isinstance(one, Growth)]
    if over:
        waits = Reference("its `over`", Spread.of(over, "s"))
    elif rule.condition.lasts:
        waits = Reference("its `for`", Spread.of([rule.condition.lasts], "s"))
    else:
        waits = Reference("no `for`")
    if rule.action.after is None:
        return waits, waits
    both = Spread.of([rule.condition.lasts + rule.action.after], "s")
    return waits, Reference("`for` and investigation", both)


def lines_of(fault: Fault, rounds: Sequence[Round], found: Reference, done: Reference) -> Iterator[Line]:
    """Three lines: until it was known, until it was answered, and what customers had of it."""
    seen = [one.seen for one in rounds]
    wrong = [why for one in rounds for why in one.wrong]
    guards = ", ".join(dict.fromkeys(one.guard for one in seen if one.guard))
    by = f"by {guards}" if guards else "nothing is started"
    yield Line(f"{fault.title}: verdict", Spread.of((one.verdict for one in seen), "s"), (found,), (), by, bool(wrong))
    action = fault.documented.action
    limits = (Limit("worst", ROLLBACK_LIMIT),) if action in BACK else ()
    yield Line(
        f"{fault.title}: {action}", Spread.of((one.complete for one in seen), "s"), (done,),
        limits, "; ".join(wrong) or _traffic(action, seen), bool(wrong),
    )  # fmt: skip
    failures = [one.last_failed for one in seen if one.last_failed is not None]
    count, of = Spread.of((one.failed for one in seen), ""), sum(one.requests for one in seen)
    kept = f"{sum(one.acknowledged for one in rounds)} acknowledged: {sum(one.lost for one in rounds)} lost, {sum(one.doubled for one in rounds)} doubled"
    yield Line(
        f"{fault.title}: last failed request", Spread.of(failures, "s") if failures else None, (), (),
        f"failed {count.short()} a time, {sum(one.failed for one in seen)} of {of} requests, {sum(one.slow for one in seen)} slow; {kept}", bool(wrong),
    )  # fmt: skip


def _traffic(action: str, seen: Sequence[FaultSeen]) -> str:
    """Whom customers reached from then on."""
    if action == WAIT:
        return "from the soak's end on; the share stays"
    if action not in BACK:
        return "the share stays"
    answers = [one.green_last for one in seen if one.green_last is not None]
    if not answers:
        return "green answered no customer any more"
    return f"green's last answer to a customer {Spread.of(answers, 's').short()}"


def _versions() -> str:
    found = prometheus.program()
    if found is None:
        return postgres()
    said = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=20, check=True)
    words = (said.stdout + said.stderr).split()
    return f"{postgres()}, Prometheus {words[words.index('version') + 1]}"
