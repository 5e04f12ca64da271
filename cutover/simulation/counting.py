"""Many seeds one after the other: how they ended, how fast that was, and what is left of each that failed."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cutover.simulation.shrinking import command, shrunk
from cutover.simulation.simulator import Engine, Result, simulate

OFTEN = 10.0  # seconds between two words on how far it is
MOST = 5  # failing seeds that are shrunk; what comes after is only named


@dataclass
class Count:
    """How the seeds ended before their people brought them to the end that they wanted; `failing` are shrunk."""

    outcomes: Counter[str] = field(default_factory=Counter)
    failing: list[Result] = field(default_factory=list)
    more: list[int] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def seeds(self) -> int:
        return self.outcomes.total()

    def lines(self) -> list[str]:
        """All of it for a person."""
        rate = self.seeds / self.seconds if self.seconds else 0.0
        lines = [f"{self.seeds} schedules in {self.seconds:.1f} s, {rate:.0f} a second"]
        lines += [f"{often:7} {outcome}" for outcome, often in self.outcomes.most_common()]
        for result in self.failing:
            lines += ["", *told(result)]
        lines += ["", f"failed as well: seeds {', '.join(map(str, self.more))}"] if self.more else []
        return lines


def counted(seeds: Iterable[int], say: Callable[[str], None], engine: Engine | None = None) -> Count:
    """Simulates these seeds; `say` hears now and then how far it is."""
    count, began = Count(), time.monotonic()
    spoken = began
    for seed in seeds:
        result = simulate(seed, engine=engine)
        count.outcomes[result.outcome] += 1
        if result.violation and len(count.failing) < MOST:
            say(f"seed {seed} fails, and is made shorter: {result.violation}")
            count.failing.append(shrunk(result, engine))
        elif result.violation:
            count.more.append(seed)
        if time.monotonic() - spoken > OFTEN:
            spoken = time.monotonic()
            say(f"seed {seed}: {count.seeds} so far, {len(count.failing) + len(count.more)} failed")
    count.seconds = time.monotonic() - began
    return count


def told(result: Result) -> list[str]:
    """One schedule for a person: the command that repeats it, what it is, how it ended."""
    how = f"FAILED: {result.violation}" if result.violation else f"holds; ended: {result.outcome}"
    return [command(result), *(f"  {line}" for line in result.schedule.words()), f"  {how}"]
