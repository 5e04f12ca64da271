"""The walk of a rehearsal: forward, back from the end of every phase, and forward again; what holds is proven after each leg."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from cutover.core.audit import audit
from cutover.core.journal import Entry
from cutover.core.plan import Plan
from cutover.customers import switches, write_pause
from cutover.net.ledger import Ledger
from cutover.postgres.sides import read_sides
from cutover.rehearsal.commands import Done, RehearsalFailed
from cutover.rehearsal.people import People
from cutover.rehearsal.stage import Say, Stage

FORWARD, BACK = "forward", "back"
REASON = "rehearsal"
BLUE_SERVES = (("open", "fenced"), ("unprepared", "unprepared"), ("open", "unprepared"), ("unprepared", "fenced"))
GREEN_SERVES = (("fenced", "open"),)
QUESTION = "SELECT idempotency_key::text FROM shop.orders WHERE idempotency_key = ANY(%s::uuid[])"
MANY = 5000
LATE = 3.0  # seconds within which a customer's request that is under way has been noted


@dataclass(frozen=True)
class Leg:
    """One leg: from where it went to where, its seconds, the customers' write pauses in it, and what they were promised."""

    direction: str
    phase: str
    """To the end of which it went, or from the end of which it went back."""
    everything: bool
    seconds: float
    pauses_ms: tuple[float, ...]
    acknowledged: int
    failed_writes: int
    failed_reads: int
    requests: int


@dataclass
class Walk:
    """Types the commands of each leg in the stage; `promised` proves what others than the shop's customers were promised."""

    stage: Stage
    say: Say
    promised: Callable[[str], None] = lambda side: None
    people: People = field(init=False)
    legs: list[Leg] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    """Phases at whose end a run does not stop, by the plan's own rule."""
    _since: float = field(default_factory=time.time)
    _proven: int = 0

    def __post_init__(self) -> None:
        self.people = People(self.stage.app)

    @property
    def plan(self) -> Plan:
        return self.stage.app.plan

    @property
    def name(self) -> str:
        return self.stage.app.environment.name

    def all_legs(self) -> None:
        """Forward to the end and back; to the end of each other phase and back, the last time of standing work, too; forward again."""
        last = self.plan.phases[-1].name
        self.forward(last)
        self.back(last)
        for phase in reversed(self.plan.phases[:-1]):
            if self.plan.awaited_after(phase.name) is not None:
                self.skipped.append(phase.name)
                continue
            self.forward(phase.name)
            self.back(phase.name, everything=phase is self.plan.phases[0])
        self.forward(last)

    def forward(self, phase: str) -> None:
        """To the end of that phase, as `invoke cutover --until` goes."""
        last = phase == self.plan.phases[-1].name
        until = [] if last else ["--until", phase]
        again = ["--again", REASON] if self.legs else []
        done = self._typed("cutover", "--env", self.name, "--yes", "--json", "--reason", REASON, *until, *again)
        self._noted(FORWARD, phase, done)

    def back(self, phase: str, *, everything: bool = False) -> None:
        """Back to blue, as `invoke rollback` goes."""
        more = ["--everything"] if everything else []
        done = self._typed("rollback", "--env", self.name, "--yes", "--json", "--reason", REASON, *more)
        self._noted(BACK, phase, done, everything=everything)

    def _typed(self, *args: str) -> Done:
        done = self.stage.commands.typed(*args, meanwhile=self.people.answer).ended(0)
        self.stage.commands.supervisors_gone()
        return done

    def _noted(self, direction: str, phase: str, done: Done, *, everything: bool = False) -> None:
        entries = [entry for entry in self.entries() if entry.at >= done.began]
        ledger = Ledger(self.stage.variables["SHOP_LEDGER"])
        pauses = [pause.ms for one in switches(entries) if (pause := write_pause(ledger, one)).ms is not None]
        seen = ledger.between(done.began, done.began + done.seconds)
        took = entries[-1].at - entries[0].at if entries else 0.0
        leg = Leg(
            direction,
            phase,
            everything,
            round(took, 3),
            tuple(round(pause, 1) for pause in pauses if pause is not None),
            len(seen.acknowledged),
            seen.failed_writes,
            seen.failed_reads,
            seen.requests,
        )
        self.legs.append(leg)
        self.prove(self._serving_after(direction, phase))
        paused = f", writes paused {max(leg.pauses_ms):.0f} ms" if leg.pauses_ms else ""
        way = "forward to the end of" if direction == FORWARD else "back from the end of"
        standing = ", with its standing work" if everything else ""
        self.say(f"{way} {phase}{standing}: {leg.seconds:.1f} s{paused}; {leg.acknowledged} writes acknowledged")

    # --- what has to hold after each leg ---------------------------------------------------------------------------

    def _serving_after(self, direction: str, phase: str) -> str:
        """Green where the leg went past the commit point, else blue."""
        switched = {step.name for _, step in self.plan.steps() if step.commit_point} & set(self.plan.names_until(phase))
        return "green" if direction == FORWARD and switched else "blue"

    def prove(self, side: str) -> None:
        """This side alone accepts writes, nothing that was promised is lost or there twice, and the journal holds; raises RehearsalFailed."""
        for pair in self.stage.app.means.pairs:
            sides = read_sides(pair.blue, pair.green)
            if (sides.blue, sides.green) not in (GREEN_SERVES if side == "green" else BLUE_SERVES):
                which = f" of {pair.name}" * bool(pair.name)
                raise RehearsalFailed(
                    f"{side}{which} was to serve alone, and blue is {sides.blue}, green {sides.green}"
                )
        self._no_write_lost(side)
        self.promised(side)
        state = self.stage.app.state()
        try:
            found = audit(state.rows())
        finally:
            state.close()
        if found.broken is not None:
            raise RehearsalFailed(f"the journal does not hold at entry {found.broken.number}: {found.broken.seen}")

    def _no_write_lost(self, side: str) -> None:
        ledger = Ledger(self.stage.variables["SHOP_LEDGER"])
        keys = ledger.between(self._since, time.time()).acknowledged
        pair = self.stage.shop
        database = pair.green if side == "green" else pair.blue
        counted: Counter[str] = Counter()
        with database.open("rehearsal") as session:
            for at in range(0, len(keys), MANY):
                counted.update(str(row[0]) for row in session.rows(QUESTION, [keys[at : at + MANY]], timeout=60.0))
        lost, doubled = [key for key in keys if key not in counted], [key for key, n in counted.items() if n > 1]
        if lost or doubled:
            raise RehearsalFailed(
                f"on {side} {len(lost)} acknowledged writes are lost and {len(doubled)} are there twice"
            )
        self._proven = len(keys)

    @property
    def proven(self) -> int:
        """How many acknowledged writes were looked for, each after every leg since."""
        return self._proven

    # --- what was taken --------------------------------------------------------------------------------------------

    def entries(self) -> Sequence[Entry]:
        """The journal of all legs."""
        state = self.stage.app.recorded()
        if state is None:
            return ()
        try:
            return tuple(state.entries())
        finally:
            state.close()

    def undone(self) -> frozenset[str]:
        """The steps that some leg has taken back."""
        return frozenset(_undone(self.entries(), "converged"))

    def found_undone(self) -> frozenset[str]:
        """The steps that each way back that came to them found at their beginning already: another step's way back moves the same."""
        return frozenset(_undone(self.entries(), "skipped")) - self.undone()

    def never_undone(self) -> list[str]:
        """The steps of the plan that can be taken back, and at whose beginning no way back has ever been."""
        undone = self.undone() | self.found_undone()
        return [step.name for _, step in self.plan.steps() if not step.one_way and step.name not in undone]


def _undone(entries: Sequence[Entry], kind: str) -> Iterator[str]:
    back = False
    for entry in entries:
        if entry.kind == "leg-started":
            back = entry.data["direction"] == BACK
        elif entry.kind == kind and back:
            yield from (str(name) for name in entry.data.get("undoes", ()))
