"""The model world of one schedule: values, sides, customers, and what goes wrong with them at which moment."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from cutover.core.clock import Interrupt
from cutover.core.errors import Unreachable
from cutover.core.gate import Finding
from cutover.core.journal import Journal
from cutover.core.lease import Lease
from cutover.core.moment import knew
from cutover.simulation.clock import FakeClock
from cutover.simulation.model_plan import START
from cutover.simulation.shape import Fault, Schedule
from cutover.simulation.sides import FENCED, OPEN, Customer, Sides, Violation
from cutover.simulation.steps import Killed
from cutover.simulation.store import SealedStore

SHARES = ("share-a", "share-b", "share-c")
STRAY = "stray"
PERSON = 150.0  # seconds after which somebody looks at what stands still, and says to go on
ANSWER = 20.0  # seconds after which somebody answers what is asked
LATE = 2.0
VERDICTS = ("after failed:compared", "after failed:soak")


@dataclass
class World:
    """What all processes share. Faults strike by the number of the moment, or when a named place is reached."""

    schedule: Schedule
    store_kind: type[SealedStore] = SealedStore
    second: Callable[[str], None] = lambda verb: None
    """How another operator works while the first process is stopped."""
    sides: Sides = field(default_factory=Sides)
    values: dict[str, Any] = field(default_factory=lambda: dict(START))
    acknowledged: set[int] = field(default_factory=set)
    desks: list["Desk"] = field(default_factory=list)
    moments: int = 0
    late: dict[str, tuple[Any, float]] = field(default_factory=dict)
    answers: dict[str, list[str]] = field(default_factory=dict)
    silent: dict[str, int] = field(default_factory=dict)
    ill: dict[str, float] = field(default_factory=dict)
    strayed: dict[str, Any] = field(default_factory=dict)
    validated: bool = False
    failed_in: int = 0
    """The leg in which it was last written down that green is not well; what dies with whoever looked was never a verdict."""
    story: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = FakeClock(self.moment)
        self.store = self.store_kind(self.clock)
        self.customers = (Customer(1, web=True), Customer(2, web=False))
        self.luck = Random(self.schedule.seed + 1)
        self.by_number: dict[int, list[Fault]] = {}
        self.by_place: list[tuple[Fault, list[int]]] = []
        for fault in self.schedule.faults:
            if fault.place:
                self.by_place.append((fault, [fault.at]))
            else:
                self.by_number.setdefault(fault.at, []).append(fault)
        self.clock.later(PERSON, self._a_person_looks)

    # --- time ----------------------------------------------------------------------------------------------------

    def moment(self, name: str) -> None:
        """Customers write, rows arrive, and what is due goes wrong; raises Violation, or Killed in the process that runs."""
        self.moments += 1
        for customer in self.customers:
            if not customer.web or self.values["maintenance"] == "off":
                customer.write(self.sides, self.luck, self.acknowledged)
        self.sides.replicate()
        if self.sides.green.state == FENCED and self.sides.blue.state == OPEN:
            self._no_traffic_on_green()
        if name.startswith(VERDICTS):
            self.failed_in, self.validated = self.leg, self.validated and "soak" in name
        if not self.desks:
            return
        for fault in self.by_number.pop(self.moments, ()):
            self.strike(fault)
        if name != "waiting" and self.by_place:
            self._at_place(name)

    def _at_place(self, name: str) -> None:
        for entry in [entry for entry in self.by_place if name.startswith(entry[0].place)]:
            fault, left = entry
            if left[0]:
                left[0] -= 1
            elif entry in self.by_place:
                self.by_place.remove(entry)
                self.strike(fault)

    def _no_traffic_on_green(self) -> None:
        for key in SHARES:
            if self.values[key] not in (0, STRAY) and key not in self.strayed:
                raise Violation(f"{self.values[key]} % of {key} go to green, which is fenced")

    def _a_person_looks(self) -> None:
        if self.desks and self.desks[-1].journal is not None and self.desks[-1].journal.position().standing:
            self.say("resume", reason="looked at it")
        self.clock.later(PERSON, self._a_person_looks)

    # --- what goes wrong -----------------------------------------------------------------------------------------

    def strike(self, fault: Fault) -> None:
        """The fault happens now."""
        self.story.append(f"{self.moments}: {fault.what} {fault.about}".rstrip())
        about, much = fault.about, fault.much
        match fault.what.split()[0]:
            case "dies":
                raise Killed(str(fault))
            case "stops":
                self.second(about)
            case "the" if "command" in fault.what:
                self.answers[about] = [fault.what.split("(")[1].split(")")[0]] * int(much)
            case "the":
                self.clock.wall += much if about == "forward" else -much
            case "does":
                self.silent[about] = int(much)
            case "somebody" if "changes" in fault.what:
                self.strayed.setdefault(about, self.values[about])
                self.values[about] = STRAY
            case "somebody":
                self._say_something(about)
            case "a":
                self.ill["guard"] = self.clock.mono + much
            case "green":
                self.ill[about] = much
            case "replication":
                self.sides.stalled += int(much)
            case _:
                self.desks[-1].interrupt.set(2)

    def _say_something(self, kind: str) -> None:
        journal = self.desks[-1].journal
        leg = journal.position().leg if journal is not None else None
        if kind == "reject":
            self.say(kind, gate="approval", role="decision")
        else:
            self.say(kind, reason="says so", leg=leg.seq if leg is not None else 0)

    def say(self, kind: str, **word: Any) -> None:
        """Leaves a word for the newest run."""
        if self.store.kept:
            newest = self.store.kept[-1]
            self.store.wish(newest.run, kind, {"who": "ann", "at": self.clock.now(), "after": newest.seq, **word})

    def heal(self) -> None:
        """Nothing goes wrong any more, and what somebody else changed is put back."""
        self.by_number.clear()
        self.by_place.clear()
        for trouble in (self.answers, self.silent, self.ill, self.late):
            trouble.clear()
        self.sides.stalled = 0
        self.values.update(self.strayed)
        self.strayed.clear()

    @property
    def leg(self) -> int:
        """The number of the leg under way."""
        return sum(1 for entry in self.store.kept if entry.kind == "leg-started")


@dataclass
class Desk:
    """What one process has of the world: its lease, and calls that go wrong."""

    world: World
    lease: Lease
    interrupt: Interrupt = field(default_factory=Interrupt)
    journal: Journal | None = None

    @property
    def token(self) -> int:
        return self.lease.token

    @property
    def sides(self) -> Sides:
        return self.world.sides

    def meets(self, key: str) -> str:
        """The trouble that the next command on `key` has; raises where it is lost before its effect."""
        left = self.world.answers.get(key)
        answer = left[0] if left else ""
        if answer == "before" or (answer and key == "switch" and answer != "after"):
            self.world.answers[key].pop(0)
            raise ConnectionError("lost before the effect")
        return answer

    def answers(self, key: str) -> None:
        """Raises where the answer of the command on `key` is lost, after its effect."""
        left = self.world.answers.get(key)
        if left and left.pop(0) == "after":
            raise ConnectionError("lost after the effect")

    def put(self, key: str, value: Any) -> None:
        """One call without a condition: the lease is looked at right before it (the window between the two is not modelled)."""
        world = self.world
        world.store.check(self.token)
        answer = self.meets(key)
        if answer != "nothing":
            if answer == "late":
                world.late[key] = (self._shown(key), world.clock.mono + LATE)
            else:
                world.late.pop(key, None)
            self._has_effect(key, value)
        self.answers(key)

    def _has_effect(self, key: str, value: Any) -> None:
        world = self.world
        if key in SHARES and value and not (world.validated and world.failed_in != world.leg):
            raise Violation(f"{value} % of {key} go to green, which was not seen to be well in this pass")
        if key == "subscription" and value != world.values[key]:
            if value == "present":
                world.sides.copy_to_green()
            else:
                world.sides.green.follows = None
        world.strayed.pop(key, None)
        world.values[key] = value

    def see(self, key: str) -> Any:
        left = self.world.silent.get(key, 0)
        if left:
            self.world.silent[key] = left - 1
            raise Unreachable(f"{key} does not answer")
        if key in ("blue", "green"):
            return self.sides.of(key).state
        return self._shown(key)

    def _shown(self, key: str) -> Any:
        before, until = self.world.late.get(key, (None, 0.0))
        return before if self.world.clock.mono < until else self.world.values[key]

    # --- what checks see -----------------------------------------------------------------------------------------

    def look(self, name: str) -> Finding:
        """What the check of that name sees now."""
        if name == "approval":
            return self._approval()
        if name.startswith("guard"):
            ill = self.world.clock.mono < self.world.ill.get("guard", 0.0)
            return Finding.failed("errors") if ill else Finding.passed("well")
        if name == "compared" or name.startswith("soak"):
            return self._health(name)
        if name in ("caught-up", "lag"):
            behind = len(self.sides.blue.log) - (self.sides.green.follows or 0)
            return Finding.passed(f"{behind} rows") if behind < 20 else Finding.not_yet(f"{behind} rows")
        return Finding.passed("well")

    def _health(self, name: str) -> Finding:
        world, kind = self.world, name.split("-")[0]
        blue, green = self.sides.blue, self.sides.green
        if kind == "compared" and not blue.rows <= green.rows | set(blue.log[green.follows or 0 :]):
            return Finding.failed("rows are missing on green")
        if world.ill.get(kind, 0):
            world.ill[kind] -= 1
            return Finding.failed("not well")
        world.validated = world.validated or kind == "compared"
        return Finding.passed("well")

    def _approval(self) -> Finding:
        world, journal = self.world, self.journal
        asked = journal.position().asked.get("approval") if journal is not None else None
        if journal is None or asked is None:
            return Finding.not_yet("waits for decision")
        words = [kind for kind, word in journal.wishes() if word.get("gate") == "approval" and knew(word, asked)]
        if words:
            return Finding.passed("signed") if words[-1] == "approve" else Finding.failed("decision says no")
        if world.ill.get("answer", 0.0) <= world.clock.mono:
            world.ill["answer"] = world.clock.mono + ANSWER
            world.clock.later(ANSWER / 2, lambda: world.say("approve", gate="approval", role="decision"))
        return Finding.not_yet("waits for decision")
