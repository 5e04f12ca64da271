"""Runs the schedule of a seed: real engine, model world, one thread; raises Violation where an invariant does not hold."""

from dataclasses import dataclass, field
from typing import Any

from cutover.core import killpoint
from cutover.core.back import REOPENED
from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError, LeaseLost, Refused, RollbackIncomplete, RolledBack, Unexpected
from cutover.core.holding import still_holds
from cutover.core.journal import Journal, Position, position_of
from cutover.core.leg import BACK
from cutover.core.plan import Plan
from cutover.core.run import Run
from cutover.simulation.model import SHARES, STRAY, Desk, World
from cutover.simulation.model_plan import START, after, plan_of
from cutover.simulation.shape import Schedule, schedule_of
from cutover.simulation.sides import FENCED, OPEN, Violation
from cutover.simulation.steps import Killed
from cutover.simulation.store import SealedStore
from cutover.simulation.switching import MoveWrites

TRIES = 12
STALL = 10.0  # seconds until the supervisor knows that its worker is dead
DIED = "died"
Ended = str | CutoverError


@dataclass(frozen=True)
class Engine:
    """What is simulated: the engine's own parts, of which a test breaks one on purpose."""

    run: type[Run] = Run
    journal: type[Journal] = Journal
    plan: type[Plan] = Plan
    store: type[SealedStore] = SealedStore
    switch: type[MoveWrites] = MoveWrites


@dataclass
class Result:
    """How a schedule ended; `violation` is empty where every invariant held, `digest` is the journal's last hash."""

    schedule: Schedule
    outcome: str
    violation: str
    story: list[str]
    digest: str


def simulate(seed: int, *, without: frozenset[str] = frozenset(), engine: Engine | None = None) -> Result:
    """One seed, one schedule, the same run every time."""
    schedule = schedule_of(seed, without)
    simulator = Simulator(schedule, engine or Engine())
    world = simulator.world
    outcome, violation = "violated", ""
    killpoint.install(world.moment)
    try:
        outcome = simulator.go()
    except Violation as error:
        violation = str(error)
    finally:
        killpoint.install(None)
    digest = world.store.kept[-1].hash if world.store.kept else ""
    return Result(schedule, outcome, violation, world.story, digest)


@dataclass
class Simulator:
    """Walks one schedule; `last` is how the newest process ended."""

    schedule: Schedule
    engine: Engine
    world: World = field(init=False)
    run: str = "r1"
    last: Ended = ""
    _known: tuple[str, int] = ("", 0)
    _at: Position = field(default_factory=lambda: Position(""))

    def __post_init__(self) -> None:
        self.world = World(self.schedule, self.engine.store, self._second)

    def go(self) -> str:
        """All that the schedule says, then the end that its people want; returns how it ended before that."""
        for verb in ("forward", *self.schedule.verbs):
            self.process(verb)
            self.world.clock.sleep(30.0)
        outcome = self._said()
        self.world.heal()
        self.follow_instructions()
        if self.schedule.ends == "green":
            self.end_green()
            self._again("nothing")
        else:
            self.end_blue()
            self.run_forward()
            self._again("nothing")
        broken = self.world.store.broken()
        if broken is not None:
            raise Violation(f"the journal does not verify: {broken.kind} at {broken.number}: {broken.seen}")
        return outcome

    # --- processes -----------------------------------------------------------------------------------------------

    def process(self, verb: str, who: str = "tester") -> Ended:
        """A process of its own that does what its operator typed; a supervisor ends its window when it dies there."""
        world = self.world
        if verb in ("forward", "detached"):
            self._names_the_run()
        desk = Desk(world, world.store.lease(who))
        plan = self._plan(desk)
        journal = desk.journal = self.engine.journal(world.store, desk.lease, self.run)
        run = self.engine.run(
            plan,
            journal,
            clock=world.clock,
            interrupt=desk.interrupt,
            who=who,
            patience=20.0,
            detached=verb == "detached",
        )
        world.desks.append(desk)
        try:
            ended: Ended = self._typed(run, verb)
        except CutoverError as error:
            ended = error
        except Killed:
            ended = DIED
        finally:
            world.desks.remove(desk)
        self.last = ended
        world.story.append(f"{world.moments}: {verb} by {who} ended: {_short(ended)}")
        if ended == DIED:
            self._locks_are_let_go()
            if verb != "recover" and self._position().phase == "window":
                self._supervisor()
        elif desk.token == world.store.token:  # whoever was stopped after the last entry tells what was so then
            self._is_as_it_says(ended)
        return ended

    def _plan(self, desk: Any) -> Plan:
        return plan_of(self.schedule.shape, desk, kind=self.engine.plan, command=self.engine.switch)

    def _names_the_run(self) -> None:
        """A run that was rolled back is over; the next cutover is another one, which has to look at green anew."""
        leg = self._position().leg
        if leg is not None and leg.outcome == "rolled-back":
            self.run = f"r{int(self.run[1:]) + 1}"
            self.world.validated = False

    def _position(self) -> Position:
        known = (self.run, len(self.world.store.kept))
        if self._known != known:
            self._known, self._at = known, position_of(self.run, self.world.store.entries(self.run))
        return self._at

    def _typed(self, run: Run, verb: str) -> str:
        position = run.journal.position()
        asked = [kind for kind, _ in run.journal.wishes() if kind in ("hold", "resume", "rollback", "previous-phase")]
        if asked and asked[-1] == "hold" and verb != "recover":
            self.world.say("resume")
        if verb == "recover":
            return run.recover("window")
        if verb in ("forward", "detached"):
            # As the conductor: a window that was reopened because the way back failed is part of that way back.
            legs = [leg for leg in position.legs if leg.cause != REOPENED]
            if legs and legs[-1].direction == BACK and legs[-1].outcome not in ("undone", "rolled-back"):
                return run.resume()
            outcome = run.forward()
            if outcome == "nothing" and run.journal.position().done:
                still_holds(run.plan, BACK)
            return outcome
        if position.leg is None or position.leg.outcome == "rolled-back":
            return "nothing"
        if verb == "resume":
            return run.resume()
        to = "window" if verb == "back to window" else None
        if verb == "previous phase":
            present = run.plan.present(position)
            to = run.phase_before(present.name) if present is not None else None
        return run.back(reason="typed", to=to, everything=verb == "back everything")

    def _second(self, verb: str) -> None:
        """Another operator takes the lease over while the first process is stopped; it wakes up when this returns."""
        if len(self.world.desks) == 1:
            self.process(verb, who="another")

    def _supervisor(self) -> None:
        self.world.clock.sleep(STALL)
        ended = self.process("recover", who="supervisor")
        if isinstance(ended, str) and ended != DIED and self._position().phase != "window":
            self._accepts_writes("the supervisor has ended the window")

    def _locks_are_let_go(self) -> None:
        """The server ends the transactions of whoever died."""
        self.world.sides.blue.lock = self.world.sides.green.lock = None

    # --- invariants ----------------------------------------------------------------------------------------------

    def _is_as_it_says(self, ended: Ended) -> None:
        """What a process told its operator has to be so."""
        sides = self.world.sides
        if isinstance(ended, RolledBack) and (sides.blue.state != OPEN or self._shares()):
            raise Violation(f"told that blue serves, but blue is {sides.blue.state} and traffic is {self._shares()}")
        if isinstance(ended, Refused) and "nothing was switched" in ended.message and sides.blue.state != OPEN:
            raise Violation(f"told that nothing was switched, but blue is {sides.blue.state}")

    def _shares(self) -> dict[str, Any]:
        return {key: self.world.values[key] for key in SHARES if self.world.values[key] not in (0, STRAY)}

    def _accepts_writes(self, when: str) -> None:
        sides, maintenance = self.world.sides, self.world.values["maintenance"]
        if OPEN not in (sides.blue.state, sides.green.state):
            raise Violation(f"{when}, but no side accepts writes")
        if maintenance not in ("off", STRAY) and "maintenance" not in self.world.strayed:
            raise Violation(f"{when}, but maintenance is {maintenance}")

    # --- the end -------------------------------------------------------------------------------------------------

    def follow_instructions(self) -> None:
        """What the newest process told its operator to type, if it stopped on the way back."""
        if not isinstance(self.last, RollbackIncomplete) or "these commands remain" not in self.last.message:
            return
        desk = Desk(self.world, self.world.store.lease("by hand"))
        _, _, commands = self.last.message.partition("in this order:\n")
        self.world.story.append(f"typed by hand: {commands}")
        for line in commands.splitlines():
            verb, *words = line.split()
            if verb == "put":
                desk.put(words[0], int(words[1]) if words[1].isdigit() else words[1])
            elif verb == "switch":
                self.engine.switch(desk, (words[1], words[2])).run(Deadline.after(60.0, self.world.clock))
        if "RUNS ON NEITHER SIDE" not in self.last.message:
            self._accepts_writes("every command that remained was typed")

    def end_green(self) -> None:
        """Whatever it takes in a few tries of the commands that the operator is told, green serves."""
        self._try_until("forward", ("done", "nothing"), (FENCED, OPEN))
        self._is(after(self._plan(None)), FENCED, OPEN)

    def end_blue(self) -> None:
        """The same for blue, with everything taken back that a rollback takes back."""
        if self._position().leg is not None:
            self._try_until("back", ("rolled-back", "nothing"), (OPEN, FENCED))
        self._is({**START, "subscription": self.world.values["subscription"]}, OPEN, FENCED)

    def run_forward(self) -> None:
        """A second cutover after the first one was taken back."""
        self._try_until("forward", ("done", "nothing"), (FENCED, OPEN))
        self._is(after(self._plan(None)), FENCED, OPEN)

    def _try_until(self, verb: str, wanted: tuple[str, ...], states: tuple[str, str]) -> None:
        for _ in range(TRIES):
            ended = self.process(verb)
            sides = self.world.sides
            if ended in wanted and (sides.blue.state, sides.green.state) == states:
                return
            self.follow_instructions()
            if isinstance(ended, Unexpected) and ended.next_command == BACK:
                self.process(BACK)
            self.world.say("approve", gate="approval", role="decision")
            if isinstance(ended, CutoverError):
                self.world.say("resume", reason="goes on")
            self.world.clock.sleep(60.0)
        raise Violation(
            f"{verb} was typed {TRIES} times with nothing wrong any more, and it ended: {_short(self.last)}"
        )

    def _again(self, wanted: str) -> None:
        before = dict(self.world.values)
        ended = self.process("forward")
        if ended != wanted or self.world.values != before:
            raise Violation(f"a second run ended {_short(ended)}, wanted {wanted}")

    def _is(self, wanted: dict[str, Any], blue: str, green: str) -> None:
        world, sides = self.world, self.world.sides
        wrong = {key: seen for key, seen in world.values.items() if seen != wanted[key]}
        if wrong or (sides.blue.state, sides.green.state) != (blue, green):
            raise Violation(f"it ended with {wrong} and the sides {sides.blue.state}/{sides.green.state}")
        for _ in range(400):
            sides.replicate()
        serving, other = (sides.blue, sides.green) if blue == OPEN else (sides.green, sides.blue)
        missing = world.acknowledged - serving.rows
        if missing:
            raise Violation(f"acknowledged writes are not on {serving.name}: {sorted(missing)[:5]}")
        if other.follows is None and serving.name == "green":
            raise Violation("blue does not follow green: there is no way back")
        if other.follows is not None and serving.rows != other.rows:
            raise Violation(f"the sides differ in rows {sorted(serving.rows ^ other.rows)[:5]}")

    def _said(self) -> str:
        leg = self._position().leg
        way = f"{leg.direction} {leg.outcome}" if leg is not None else "nothing"
        return way if not isinstance(self.last, LeaseLost) else f"{way}, lease lost"


def _short(ended: Ended) -> str:
    return ended if isinstance(ended, str) else f"{type(ended).__name__}: {ended.message[:160]}"
