"""What a generated plan is like, and what goes wrong while it is walked: one seed, one schedule."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random

from cutover.core.gate import Policy
from cutover.core.plain import span

HEALTH = (Policy.STOP, Policy.HOLD, Policy.ROLLBACK, Policy.PREVIOUS_PHASE, Policy.FREEZE)
VERBS = ("forward", "resume", "resume", "back", "back to window", "previous phase", "back everything", "detached")
STRAYS = ("ttl", "left", "maintenance", "share-a", "alarm", "workers")
ANSWERS = ("before", "before", "after", "after", "nothing", "late")
KEYS = ("ttl", "left", "right", "subscription", "maintenance", "workers", "share-a", "alarm", "switch", "blue", "green")
# Where things like to break: a share of what happens falls there and not anywhere in the run.
PLACES = (
    *("after intent", "before converged", "after failed", "after leg-started:back", "before leg-ended"),
    *("after command switchover", "after command kit:0", "after command a-", "after guard-failed", "after overrun"),
    *("switch: locked", "switch: caught up", "switch: way back set", "switch: fenced", "switch: opened"),
)
LONGEST = 260  # moments of a run in which nothing goes wrong, about


@dataclass(frozen=True)
class Watcher:
    """A guard, and what its failure starts."""

    policy: Policy
    stands: bool = False
    investigate: float = 0.0

    def __str__(self) -> str:
        stands = ", stands still" if self.stands else ""
        return f"{self.policy.value}{stands}" + (f" after {self.investigate:g} s" if self.investigate else "")


@dataclass(frozen=True)
class Shape:
    """The plan: `shares` by which traffic moves on each of `hosts` (all at once in the window where it is `immediate`)."""

    hosts: tuple[str, ...] = ("a",)
    shares: tuple[int, ...] = (10, 50, 100)
    immediate: bool = False
    hold: float = 3.0
    budget: float = 60.0
    overrun: Policy = Policy.UNDO
    on_failure: Policy = Policy.STOP
    soak: Policy = Policy.STOP
    compared: str = "window"
    workers: bool = False
    extras: bool = False
    guards: tuple[Watcher, ...] = ()
    approval: Policy | None = None

    def __str__(self) -> str:
        shares = "at once" if self.immediate else "by " + ", ".join(map(str, self.shares)) + " %"
        words = [f"{len(self.hosts)} host(s) {shares}", f"soaks of {span(self.hold)} ({self.soak.value})"]
        words += [f"a window of {span(self.budget)} ({self.overrun.value})", f"compared in {self.compared}"]
        words += [f"a failed shift starts {self.on_failure.value}"] if self.on_failure is not Policy.STOP else []
        words += [f"a guard ({one})" for one in self.guards]
        words += [f"an approval (no: {self.approval.value})"] if self.approval else []
        words += ["background work"] if self.workers else []
        return ", ".join(words)


@dataclass(frozen=True)
class Fault:
    """`what` happens to `about` at a moment: the `at`th of the whole schedule, or the `at`th that is called `place`.

    `much` is how often, or how long.
    """

    what: str
    about: str = ""
    at: int = 0
    place: str = ""
    much: float = 1

    def __str__(self) -> str:
        when = f"the {self.at + 1}. time at {self.place!r}" if self.place else f"at moment {self.at}"
        much = f" ({self.much:g})" if self.much != 1 else ""
        return f"{when}: {self.what} {self.about}".rstrip() + much


@dataclass(frozen=True)
class Schedule:
    """A plan, what goes wrong, what people type one after the other, and where they want to end."""

    seed: int
    shape: Shape
    faults: tuple[Fault, ...]
    verbs: tuple[str, ...]
    ends: str
    without: frozenset[str] = field(default=frozenset())

    def words(self) -> list[str]:
        """The schedule for a person."""
        typed = ", then ".join(("forward", *self.verbs)) + f"; in the end {self.ends}"
        return [f"plan: {self.shape}", f"typed: {typed}", *map(str, self.faults)]

    def parts(self) -> Iterator[str]:
        """What can be left out, by names that `schedule_of` takes; what matters least first."""
        yield from (f"fault-{number}" for number in range(12))
        yield from (f"verb-{number}" for number in range(6))
        yield from ("guards", "approval", "workers", "extras", "hosts", "shares", "policies", "hold")


def schedule_of(seed: int, without: frozenset[str] = frozenset()) -> Schedule:
    """The schedule of a seed, the same for ever; `without` some of its parts."""
    random = Random(seed)
    shape = _shape(random)
    faults = tuple(fault for _ in range(random.choice((0, 1, 1, 2, 2, 3, 4, 6))) for fault in _faults(random))
    verbs = tuple(random.choice(VERBS) for _ in range(random.choice((0, 1, 1, 2, 3))))
    ends = random.choice(("green", "blue"))
    if any(fault.what == "dies" and fault.place == "after failed" for fault in faults):
        verbs = ("resume", *verbs)  # what dies with a verdict is most often gone on with
    kept = tuple(fault for number, fault in enumerate(faults) if f"fault-{number}" not in without)
    typed = tuple(verb for number, verb in enumerate(verbs) if f"verb-{number}" not in without)
    return Schedule(seed, _simpler(shape, without), kept, typed, ends, without)


def _shape(random: Random) -> Shape:
    shares = random.choice(((100,), (10, 100), (5, 100), (10, 50, 100), (1, 10, 50, 100)))
    guards = [Watcher(random.choice((*HEALTH[1:], Policy.NOTIFY))) for _ in range(random.choice((0, 0, 1, 2)))]
    if random.random() < 0.2:
        guards.append(Watcher(Policy.HOLD, stands=True))
    if random.random() < 0.2:
        guards.append(Watcher(Policy.ROLLBACK, investigate=20.0))
    immediate = random.random() < 0.3
    return Shape(
        hosts=("a", "b", "c")[: random.choice((1, 1, 2, 3))],
        shares=(100,) if immediate else shares,
        immediate=immediate,
        hold=random.choice((0.0, 1.0, 3.0, 8.0)),
        budget=random.choice((1.0, 20.0, 60.0)),
        overrun=random.choice((Policy.UNDO, Policy.UNDO, Policy.HOLD)),
        on_failure=random.choice((Policy.STOP, Policy.STOP, Policy.ROLLBACK, Policy.PREVIOUS_PHASE)),
        soak=random.choice(HEALTH),
        compared=random.choice(("prepare", "window")),
        workers=random.random() < 0.4,
        extras=random.random() < 0.6,
        guards=tuple(guards),
        approval=random.choice((None, None, Policy.STOP, Policy.ROLLBACK)),
    )


def _faults(random: Random) -> Iterator[Fault]:
    fault = _fault(random)
    if fault.what == NOT_WELL:
        fault = replace(fault, place="", at=random.randrange(20))  # it is looked at early in a run
        # Trouble seldom comes alone, and a verdict is forgotten by who dies with it.
        if random.random() < 0.7:
            yield Fault("dies", place="after failed")
    yield fault


def _fault(random: Random) -> Fault:
    what, abouts, most = random.choice(FAULTS)
    place = random.choice(PLACES) if random.random() < 0.4 else ""
    at = random.randrange(3) if place else random.randrange(LONGEST)
    return Fault(what, random.choice(abouts) if abouts else "", at, place, random.randint(1, most))


NOT_WELL = "green is not well when looked at"
FAULTS: tuple[tuple[str, tuple[str, ...], int], ...] = (
    ("dies", (), 1),
    ("dies", (), 1),
    ("dies", (), 1),
    ("stops and sees another operator type", ("resume", "back", "forward", "back everything"), 1),
    ("stops and sees another operator type", ("resume", "back", "forward", "back everything"), 1),
    *((f"the next command fails ({answer}) on", KEYS, 2) for answer in ("before", "after", "nothing", "late")),
    ("does not answer:", KEYS, 15),
    ("somebody changes", STRAYS, 1),
    ("the wall clock jumps", ("forward", "back"), 400),
    ("somebody says", ("hold", "resume", "rollback", "previous-phase", "reject"), 1),
    ("a guard is not well", (), 40),
    (NOT_WELL, ("compared", "soak"), 2),
    (NOT_WELL, ("compared",), 1),
    ("replication stalls", (), 60),
    ("Ctrl-C", (), 1),
)


def _simpler(shape: Shape, without: frozenset[str]) -> Shape:
    plain = Shape()
    less: dict[str, dict[str, object]] = {
        "guards": {"guards": ()},
        "approval": {"approval": None},
        "workers": {"workers": False},
        "extras": {"extras": False},
        "hosts": {"hosts": shape.hosts[:1]},
        "shares": {"shares": (100,)},
        "policies": {"soak": plain.soak, "on_failure": plain.on_failure, "overrun": plain.overrun},
        "hold": {"hold": 0.0, "budget": plain.budget},
    }
    for part, words in less.items():
        if part in without:
            shape = replace(shape, **words)  # type: ignore[arg-type]
    return shape
