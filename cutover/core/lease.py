"""Who may write now."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Lease:
    """The right to append to one environment's journal; a higher `token` makes this one void.

    `since` is seconds since the epoch, `started` the holder's process start in clock ticks (a reused pid is another
    process). `machine` says whose pids these are, as hostnames are not unique; empty in leases of earlier versions.
    """

    id: str
    token: int
    who: str
    host: str
    pid: int
    started: int
    since: float
    operation: str
    machine: str = ""


class LeaseStore(Protocol):
    """Where the lease of one environment is kept; every change is atomic."""

    def acquire(self, *, who: str, operation: str, take_over: str | None = None) -> Lease:
        """The lease for this process; raises LeaseHeld unless it is free, its holder is dead, or its id is `take_over`."""

    def release(self, lease: Lease) -> None:
        """Gives the lease back; nothing happens when it is no longer ours."""

    def holder(self) -> Lease | None:
        """The present holder, for messages."""

    def check(self, lease: Lease) -> None:
        """Raises LeaseLost when `lease` is void."""
