"""Writes the record of one long run: `python -m cutover.bench.long_record COUNT` in the repository folder of a stage."""

import sys
from collections.abc import Iterator
from itertools import chain, cycle, islice
from typing import Any

from cutover.app import App, open_environment
from cutover.bench.paced_run import NAME, before, paced
from cutover.core.plain import plain
from cutover.core.plan import Plan

RUN = "long"
SAID: tuple[tuple[str, dict[str, Any]], ...] = (
    ("waiting", {"verdict": "insufficient", "seen": "12 requests on green, wanted 100"}),
    ("watched", {}),
    ("waiting", {"verdict": "pending", "seen": "error rate 0.4 % on green, 0.3 % on blue; p95 210 ms and 204 ms"}),
    ("hold-broken", {}),
    ("hold-begun", {"seconds": 600.0}),
)


def main() -> None:
    count = int(sys.argv[1])
    app = open_environment(NAME)
    state = app.state()
    lease = state.acquire(who="bench", operation="cutover")
    for kind, data in islice(entries(app, count), count):
        state.append(RUN, kind, data, lease)
    state.release(lease)
    state.close()
    app.close()


def entries(app: App, count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """At least so many: each step is taken once, all along the run, and between two of them a soak says how it goes."""
    plan = paced(app, 0.0)
    begun = [*before(app, plan)][:-1]
    taken = [*_taken(plan)]
    each = (count - len(begun)) // len(taken) - 1
    gate = {"gate": plan.phases[0].name.replace("shift", "soak")}
    soak = ((kind, {**gate, **data}) for kind, data in cycle(SAID))
    return chain(begun, chain.from_iterable((one, *islice(soak, each)) for one in taken), soak)


def _taken(plan: Plan) -> Iterator[tuple[str, dict[str, Any]]]:
    for _, step in plan.steps():
        about = {"step": step.name, "undoes": []}
        states = {"before": plain(step.before), "after": plain(step.after), "seen": plain(step.before)}
        yield "intent", {**about, **states, "commands": [one.shell() for one in step.commands(step.after)]}
        yield "converged", {**about, "seen": plain(step.after), "seconds": 0.2, "evidence": {}}


if __name__ == "__main__":
    main()
