"""What goes wrong with green in the benchmark, and what `environments/local-watched.yaml` says that it leads to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cutover.bench.fault_seen import FREEZE, HOLD, INVESTIGATED, PREVIOUS, ROLLBACK, WAIT, Documented
from cutover.bench.watched_run import WatchedRun
from cutover.world import world

LONG = 600.0  # seconds at half of the traffic: longer than any fault takes to be found
SHORT = 30.0  # seconds: as long as a verdict takes, and the growth of memory is judged over 10
APPROVAL = {"go": {"before": "shift-100", "roles": ["decision"]}}
OF_PROMETHEUS = ("errors-1", "errors-2", "slower-than-blue", "leak", "payments")


@dataclass(frozen=True)
class Fault:
    """One fault; `soak` is how long its run stays at half of the traffic, `changes` are of its environment."""

    title: str
    documented: Documented
    inject: Callable[[WatchedRun], object]
    soak: float = LONG
    changes: Mapping[str, Any] = field(default_factory=dict)

    def ready(self, run: WatchedRun) -> None:
        """Half of the traffic is green's and all is well; or the run waits for a person, who does not come."""
        if "approvals" in self.changes:
            run.until("waiting", gate="go")
        else:
            run.at_half()


def _wrong(**changes: float | bool) -> Callable[[WatchedRun], object]:
    return lambda run: run.goes_wrong(**changes)


FAULTS: Mapping[str, Fault] = {
    "errors-7": Fault("errors at 7 %", Documented(INVESTIGATED, ("errors-1",)), _wrong(errors=7)),
    "errors-12": Fault("errors at 12 %", Documented(ROLLBACK, ("errors-2",), ("errors-1",)), _wrong(errors=12)),
    "latency": Fault("p95 +150 ms", Documented(PREVIOUS, ("slower-than-blue",)), _wrong(latency=0.15)),
    "leak": Fault("memory leak, 20 MB/s", Documented(HOLD, ("leak",)), _wrong(leak=20e6)),
    "payments": Fault(
        "5 % of payments refused, an approval waiting", Documented(ROLLBACK, ("payments",)), _wrong(payments=5),
        soak=12.0, changes={"approvals": APPROVAL},
    ),
    "corruption": Fault(
        "one row wrong", Documented(FREEZE, ("integrity",)), lambda run: world.corrupt(run.stage.home, "green")
    ),
    "crash": Fault("crash", Documented(ROLLBACK, ("down",)), lambda run: world.kill(run.stage.home, "shop-v2")),
    "nobody": Fault(
        "no traffic at all", Documented(WAIT), lambda run: world.load(run.stage.home, 0), soak=SHORT
    ),
    "silence": Fault("metrics endpoint dead", Documented(HOLD, OF_PROMETHEUS), _wrong(silent=True)),
}  # fmt: skip
