"""Targets of the local load balancers and their real health: registered, probed over HTTP, draining.

moto keys targets by address only and calls each healthy at once. Here every (address, port) is a target of its own, and
states follow the DescribeTargetHealth page: unused, initial, healthy, unhealthy, draining.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

PROBE_INTERVAL = 0.3
PROBE_TIMEOUT = 1.0
CONSECUTIVE = 2

Address = tuple[str, int]
REASONS = {
    "initial": ("Elb.InitialHealthChecking", "Initial health checks in progress"),
    "draining": ("Target.DeregistrationInProgress", "Target deregistration is in progress"),
    "unregistered": ("Target.NotRegistered", "Target is not registered to the target group"),
    "unused": ("Target.NotInUse", "Target group is not configured to receive traffic from the load balancer"),
}


@dataclass(frozen=True)
class Health:
    """State, reason and description the way DescribeTargetHealth words them; reason is empty when healthy."""

    state: str
    reason: str = ""
    description: str = ""


@dataclass(frozen=True)
class Probe:
    """Where and how one target group wants to be asked; `codes` like 200 or 200-299,301."""

    group: str
    path: str
    port: str
    codes: str
    in_use: bool


@dataclass
class Target:
    """A registered or draining target; `run` counts equal probe results in a row, negative for failures."""

    address: Address
    health: Health
    run: int = 0
    drained_at: float | None = None


@dataclass
class TargetTable:
    """Who is registered where; the only truth about targets in the local world."""

    clock: Callable[[], float] = time.monotonic
    _groups: dict[str, dict[Address, Target]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def register(self, group: str, addresses: Iterable[Address]) -> None:
        with self._lock:
            members = self._groups.setdefault(group, {})
            for address in addresses:
                known = members.get(address)
                if known is None or known.drained_at is not None:
                    members[address] = Target(address, Health("initial", *REASONS["initial"]))

    def deregister(self, group: str, addresses: Sequence[tuple[str, int | None]], *, drain: float) -> bool:
        """Drain the targets for `drain` seconds (0 removes them at once); False when one of them is unknown."""
        with self._lock:
            members = self._groups.setdefault(group, {})
            chosen = [
                [a for a in members if a[0] == host and port in (None, a[1]) and members[a].drained_at is None]
                for host, port in addresses
            ]
            if not all(chosen):
                return False
            for address in (address for some in chosen for address in some):
                members[address].drained_at = self.clock() + drain
                members[address].health = Health("draining", *REASONS["draining"])
            return True

    def health(self, group: str, *, in_use: bool) -> dict[Address, Health]:
        """Every registered or draining target of the group with its health."""
        with self._lock:
            members = self._groups.get(group, {})
            for address in [a for a, t in members.items() if t.drained_at is not None and t.drained_at <= self.clock()]:
                del members[address]
            unused = Health("unused", *REASONS["unused"])
            return {a: t.health if in_use or t.drained_at is not None else unused for a, t in members.items()}

    def forget(self, group: str) -> None:
        with self._lock:
            self._groups.pop(group, None)

    def saw(self, group: str, address: Address, outcome: Health) -> None:
        """Count one probe result; the state changes after two equal ones in a row."""
        with self._lock:
            target = self._groups.get(group, {}).get(address)
            if target is None or target.drained_at is not None:
                return
            good = outcome.state == "healthy"
            target.run = (max(target.run, 0) + 1) if good else (min(target.run, 0) - 1)
            if abs(target.run) >= CONSECUTIVE:
                target.health = outcome

    def rest(self, group: str) -> None:
        """Start over with `initial` once the group is in use again: nobody is probed while it is not."""
        with self._lock:
            for target in self._groups.get(group, {}).values():
                if target.drained_at is None:
                    target.run, target.health = 0, Health("initial", *REASONS["initial"])


class Prober:
    """Asks every target of every group in use, round after round, until stopped."""

    def __init__(self, table: TargetTable, probes: Callable[[], list[Probe]]) -> None:
        self._table = table
        self._probes = probes
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._rounds, name="prober", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=PROBE_TIMEOUT + 1)

    def _rounds(self) -> None:
        with ThreadPoolExecutor(max_workers=8, thread_name_prefix="probe") as pool:
            while not self._stop.wait(PROBE_INTERVAL):
                work = []
                for probe in self._probes():
                    if not probe.in_use:
                        self._table.rest(probe.group)
                        continue
                    states = self._table.health(probe.group, in_use=True)
                    work += [(probe, address) for address, health in states.items() if health.state != "draining"]
                for (probe, address), outcome in zip(work, pool.map(_ask, work), strict=True):
                    self._table.saw(probe.group, address, outcome)


def _ask(work: tuple[Probe, Address]) -> Health:
    probe, (host, port) = work
    connection = http.client.HTTPConnection(
        host, port if probe.port == "traffic-port" else int(probe.port), timeout=PROBE_TIMEOUT
    )
    try:
        connection.request("GET", probe.path, headers={"User-Agent": "ELB-HealthChecker/2.0"})
        status = connection.getresponse().status
    except TimeoutError:
        return Health("unhealthy", "Target.Timeout", "Request timed out")
    except (OSError, http.client.HTTPException):
        return Health("unhealthy", "Target.FailedHealthChecks", "Health checks failed")
    finally:
        connection.close()
    if _matches(probe.codes, status):
        return Health("healthy")
    return Health("unhealthy", "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{status}]")


def _matches(codes: str, status: int) -> bool:
    for part in codes.split(","):
        low, _, high = part.partition("-")
        if int(low) <= status <= int(high or low):
            return True
    return False
