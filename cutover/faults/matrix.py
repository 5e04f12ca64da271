"""Every fault at every place, round by round: one way forward and one way back, on as many worlds as are asked for."""

import queue
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cutover.bench.figures import BenchFailed
from cutover.faults.catalogue import FAULTS
from cutover.faults.fault import BARE, Fault
from cutover.faults.ground import PREFIX, Ground
from cutover.faults.machine import no_mount
from cutover.faults.places import BACK, BY_NAME, FORWARD
from cutover.faults.schedule import Schedule, Strike, shortest
from cutover.faults.trial import Result, tried, walked_well

Say = Callable[[str], None]
CLOSED = 60.0  # seconds within which all worlds have been closed


@dataclass
class Tally:
    """What was tried and what came of it; `skipped` is by fault, with what this machine lacks."""

    all_cells: int = 0
    results: list[Result] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    began: float = field(default_factory=time.time)
    ended: float = 0.0

    @property
    def defects(self) -> list[Result]:
        return [result for result in self.results if result.problems]


def lacking(strikes: Sequence[Strike]) -> dict[str, str]:
    """The faults that cannot be made on this machine, each with what is missing."""
    return {
        fault.name: told for fault in {s.fault.name: s.fault for s in strikes}.values() if (told := fault.lacking())
    }


def rounds(strikes: Sequence[Strike]) -> list[Schedule]:
    """The cells two by two, one forward and one back, the most dangerous places of each fault first."""
    forward = _by_environment(strike for strike in _urgent(strikes) if strike.place.leg != BACK)
    back = _by_environment(strike for strike in _urgent(strikes) if strike.place.leg == BACK)
    found = []
    for name in dict.fromkeys([*forward, *back]):
        there, home = forward.get(name, []), back.get(name, [])
        half = len({strike.fault.name for strike in home}) // 2
        home = [*home[half:], *home[:half]]  # another fault than forward: few rounds show many
        for number in range(max(len(there), len(home))):
            found.append((number, Schedule.of([*there[number : number + 1], *home[number : number + 1]])))
    ranks = {id(one): (number // _width(one, forward, back), number) for number, one in found}
    return [one for _, one in sorted(found, key=lambda pair: ranks[id(pair[1])])]


def _width(one: Schedule, forward: dict[str, list[Strike]], back: dict[str, list[Strike]]) -> int:
    """How many faults share an environment: that many rounds are one look at each of them."""
    name = one.strikes[0].fault.environment
    cells = [*forward.get(name, []), *back.get(name, [])]
    return max(1, len({strike.fault.name for strike in cells}))


def _urgent(strikes: Sequence[Strike]) -> list[Strike]:
    """Each fault's cells in the order of its own places, and of these the first of every fault before any second one."""
    ordered = sorted(strikes, key=lambda strike: _rank(strike.fault, strike.place.name))
    return ordered


def _rank(fault: Fault, place: str) -> tuple[int, int]:
    """Which of its cells comes first goes round from fault to fault, so that soon each place has seen some."""
    number = FAULTS.index(fault)
    back = BY_NAME[place].leg == BACK
    first = [name for name in fault.first if (BY_NAME[name].leg == BACK) == back]
    turn = (first.index(place) - number) % len(first) if place in first else len(first) + list(BY_NAME).index(place)
    return turn, number


def _by_environment(strikes: Iterator[Strike]) -> dict[str, list[Strike]]:
    found: dict[str, list[Strike]] = {}
    for strike in strikes:
        found.setdefault(strike.fault.environment, []).append(strike)
    return found


def run(
    schedules: Sequence[Schedule],
    say: Say,
    *,
    worlds: int = 1,
    seconds: float = float("inf"),
    kept: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Tries the schedules, on so many worlds at once and until the time is over; a world that is spoilt is made anew.

    `kept` is told of the tally after each schedule, by one thread at a time: whoever ends this loses no result.
    """
    tally = Tally(all_cells=sum(len(schedule.strikes) for schedule in schedules))
    waiting: queue.SimpleQueue[Schedule] = queue.SimpleQueue()
    missing = lacking([strike for schedule in schedules for strike in schedule.strikes])
    tally.skipped = missing
    for schedule in schedules:
        possible = Schedule(tuple(strike for strike in schedule.strikes if strike.fault.name not in missing))
        if possible.strikes:
            waiting.put(possible)
    end = time.monotonic() + seconds
    over = threading.Event()
    grounds: list[Ground] = []
    one_by_one = threading.Lock()
    ended: queue.SimpleQueue[None] = queue.SimpleQueue()

    def told() -> None:
        with one_by_one:
            kept(tally)

    threads = [
        threading.Thread(
            target=_work, args=(waiting, tally, say, end, over, grounds, told, ended), name=f"world {number}"
        )
        for number in range(worlds)
    ]
    for thread in threads:
        thread.start()
    try:
        # Not join(): an exception of a signal's handler in it makes Python 3.11 believe that the thread has ended.
        for _ in threads:
            ended.get()
    except BaseException:
        over.set()
        for ground in tuple(grounds):
            ground.end_commands()  # whoever waits for one of them comes to its end, and closes its world
        end = time.monotonic() + CLOSED
        for thread in threads:  # here: when the interpreter ends, a world can no longer be closed
            thread.join(max(0.0, end - time.monotonic()))
        raise
    finally:
        tally.ended = time.time()
    return tally


def _work(
    waiting: "queue.SimpleQueue[Schedule]",
    tally: Tally,
    say: Say,
    end: float,
    over: threading.Event,
    grounds: list[Ground],
    told: Callable[[], None],
    ended: "queue.SimpleQueue[None]",
) -> None:
    try:
        _on_worlds(waiting, tally, say, end, over, grounds, told)
    finally:
        ended.put(None)


def _on_worlds(
    waiting: "queue.SimpleQueue[Schedule]",
    tally: Tally,
    say: Say,
    end: float,
    over: threading.Event,
    grounds: list[Ground],
    told: Callable[[], None],
) -> None:
    while time.monotonic() < end and not waiting.empty() and not over.is_set():
        ground = Ground(Path(tempfile.mkdtemp(prefix=PREFIX)))
        grounds.append(ground)
        try:
            prepared(ground)
            while time.monotonic() < end and not over.is_set() and one_more(ground, waiting, tally, say):
                told()
        except BenchFailed as error:
            if not over.is_set():
                say(f"the world is made anew: {str(error).splitlines()[0]}")
        finally:
            grounds.remove(ground)
            ground.close()
            told()


def prepared(ground: Ground) -> None:
    """The ground stands, and has seen one cutover and its way back."""
    ground.set_up(small=not no_mount())
    name = ground.fault_environment(BARE)
    for leg in (FORWARD, BACK):
        walked_well(ground, name, leg)


def one_more(ground: Ground, waiting: "queue.SimpleQueue[Schedule]", tally: Tally, say: Say) -> bool:
    """Tries the next schedule; False when none is left. Raises BenchFailed when blue does not serve well afterwards."""
    try:
        schedule = waiting.get_nowait()
    except queue.Empty:
        return False
    done: list[Result] = []
    try:
        for result in tried(ground, schedule):
            if ground.over:
                raise BenchFailed("ended")
            done.append(result)
            tally.results.append(result)
            if result.last:
                say(f"the last command said:\n{result.last}")
            say(
                f"{len(tally.results)}: {', '.join(result.strikes)}: {result.word} ({result.path}; {result.seconds:g} s, {result.gap:g} s without a write)"
            )
    except Exception as error:  # whatever a broken world raises, it is a finding about this schedule
        if ground.over:
            raise BenchFailed("ended") from error
        told = f"{type(error).__name__}: {str(error)[:1500]}"
        if done and not done[-1].problems:
            tally.results[tally.results.index(done[-1])] = replace(done[-1], problems=(f"THE RUN AFTER: {told}",))
        elif not done:
            tally.results.append(Result(tuple(map(str, schedule.strikes)), "", "no end", "", (told,), 0, 0, 0))
        say(f"{schedule}: {told}")
        raise BenchFailed(told) from error
    if any(result.problems for result in done):
        raise BenchFailed("it may be spoilt by what went wrong")
    return True


def fails(schedule: Schedule) -> bool:
    """Whether something may not be, on a world of its own."""
    tally = run([schedule], lambda line: None)
    return bool(tally.defects)


def shrunk(schedule: Schedule) -> Schedule:
    """The shortest schedule that still fails."""
    return shortest(schedule, fails)
