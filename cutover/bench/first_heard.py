"""How soon a new line of the journal has come to everybody who looks at the console: `word` of `invoke bench console`."""

import random
import time
from collections.abc import Callable, Iterator

from cutover.bench import paced_run
from cutover.bench.figures import Line, Reference, Spread
from cutover.bench.kept_pace import paced_stage
from cutover.bench.onlookers import onlookers
from cutover.bench.served_console import served_console
from cutover.console.reader import OFTEN
from cutover.console.stream import APART, OF_EACH
from cutover.state.sqlite import SqliteState

RHYTHM = "reads every, and speaks at most every"
LONGEST = 60.0  # seconds


def first_heard(times: int, streams: int, say: Callable[[str], None]) -> Iterator[Line]:
    """Each time one entry is appended at a moment that the console does not know; the last stream's time counts."""
    took = []
    with paced_stage(2, 2) as stage:
        state = SqliteState(stage.home / f"{paced_run.NAME}.sqlite")
        lease = state.acquire(who="bench", operation="cutover")
        state.append("one", "leg-started", {"direction": "forward", "plan": "cutover", "digest": "0"}, lease)
        with served_console(stage, paced_run.NAME) as console, onlookers(console, streams) as crowd:
            for _ in range(times):
                time.sleep(random.uniform(0.7, 1.2))
                began = time.monotonic()
                entry = state.append("one", "watched", {"gate": "soak-50"}, lease)
                took.append(1000 * (crowd.have(entry.seq, LONGEST) - began))
        state.release(lease)
        state.close()
    say(f"the last of {streams} streams had it after {Spread.of(took).short()}")
    rhythm = Reference(RHYTHM, Spread.of([1000 * (OFTEN + APART + OF_EACH * streams)]))
    yield Line(f"a new line of the journal at all of {streams} streams", Spread.of(took), (rhythm,))
