"""What the leases of every store have in common: who may have one, what the refused one is told, and whether a holder lives."""

import os
import socket
import time
import uuid
from pathlib import Path

from cutover.core.errors import LeaseHeld, LeaseLost
from cutover.core.lease import Lease


def claimed(last: int, now: float, *, who: str, operation: str) -> Lease:
    """A new lease for this process, newer than the token `last`.

    Only the comparison of tokens counts. The clock is in them because the databases know no journal: a token must also be
    newer than those of another one, or of one that was lost; a clock that is wrong only makes the numbers jump.
    """
    return Lease(
        id=uuid.uuid4().hex[:12],
        token=max(last + 1, int(now)),
        who=who,
        host=socket.gethostname(),
        pid=os.getpid(),
        started=process_start(os.getpid()),
        since=now,
        operation=operation,
        machine=machine(),
    )


def refuse_if_held(holder: Lease | None, take_over: str | None, *, local: bool = False) -> None:
    """Raises LeaseHeld, saying who, where, since when and for what, unless the holder is dead or its id is `take_over`."""
    if holder is None or holder.id == take_over or not may_be_alive(holder, local=local):
        return
    raise LeaseHeld(
        f"{holder.who} on {holder.host} (pid {holder.pid}) holds this environment since "
        f"{time.strftime('%Y-%m-%d %H:%M:%S %Z', time.localtime(holder.since))} for: {holder.operation}",
        next_command=f"invoke unlock --lease {holder.id}   # only when that process is surely gone",
    )


def lost(lease: Lease, holder: Lease | None) -> LeaseLost:
    """The error of whoever comes with a lease that is void; `holder` has the present one."""
    by = f"{holder.who} on {holder.host} (pid {holder.pid}, {holder.operation})" if holder else "somebody"
    return LeaseLost(f"our lease {lease.id} is void: {by} took over; nothing more is written by this process")


def may_be_alive(holder: Lease, *, local: bool = False) -> bool:
    """False when the holder's pid was one of ours and is gone; any other holder is never assumed dead.

    A `local` store is a file that only processes under one kernel can share: there an older kernel's holders are dead, and a
    lease that does not say its machine is told by the hostname.
    """
    ours = machine()
    if holder.host != socket.gethostname():
        return True
    if not holder.machine or not ours:
        return not local or process_start(holder.pid) == holder.started
    if _kernel(holder.machine) != _kernel(ours):
        return not local
    return holder.machine != ours or process_start(holder.pid) == holder.started


def machine() -> str:
    """Which pids are ours: the kernel's boot id (random(4)) and the namespace of pids (pid_namespaces(7)); empty when unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _kernel(machine: str) -> str:
    return machine.partition(" ")[0]


def process_start(pid: int) -> int:
    """The process's start in clock ticks since boot (proc(5), field 22); -1 when there is no such process or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return -1
    return -1 if fields[0] in ("Z", "X") else int(fields[19])
