"""The last log of workers that were stopped, kept beside the record of blue."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any

from cutover.aws.log_tail import LogTail
from cutover.aws.permission import Permission
from cutover.core.clock import Deadline
from cutover.core.step import Command
from cutover.plans.backup import Recorded, SaveRecord, SetAside
from cutover.plans.means import Means

READ_SECONDS = 60.0
UNREADABLE = 'import json, sys; print(json.dumps({"events": [], "reason": sys.stdin.read().strip()}))'


@dataclass(frozen=True)
class SaveLog(SaveRecord):
    """Writes the log, reads it back, and only then gives it its name."""

    shown: str
    tail: LogTail

    def shell(self) -> str:
        folder, reason = self.shown.rsplit("/", 1)[0], f'"{self.shown}.reason"'
        asked = self.tail.shell(f'"{self.shown}"')
        lines = [
            f'umask 077; mkdir -p "{folder}"',
            f"if ! {asked} 2> {reason}; then",
            f'  python3 -c {quote(UNREADABLE)} < {reason} > "{self.shown}"',
            f"fi; rm -f {reason}",
        ]
        return "\n".join(["(set -euo pipefail; export AWS_PAGER=", *lines, ")"])


@dataclass(frozen=True, kw_only=True)
class FinalLog(Recorded):
    """Keeps what blue's workers wrote last: the job that they were at when they stopped may have to be done again.

    Where the log cannot be read, the reason is kept instead; nothing waits for it.
    """

    worker: str
    tail: LogTail

    @property
    def resource(self) -> str:
        return f"final-log:{self.worker}"

    def observe(self) -> str:
        """By us with its checksum, or by hand as the aws command prints it; half a file is none."""
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return "not saved"
        return "saved" if super().observe() == "saved" or (isinstance(kept, dict) and "events" in kept) else "not saved"

    def commands(self, target: str) -> Sequence[Command]:
        if target != "saved":
            return (SetAside(self.path, self.shown),)
        return (SaveLog(self.path, (), self.traffic, self.shown, self.tail),)

    def permissions(self) -> Iterator[Permission]:
        yield from self.tail.permissions()


def final_log(means: Means, worker: str, group: str) -> FinalLog:
    """The step for one entry of the environment's workers."""
    tail = LogTail(aws=means.aws, group=group)
    file = f"{means.environment.name}/final-log-{worker}.json"

    def read() -> Any:
        return tail.read(Deadline.after(READ_SECONDS))

    return FinalLog(
        name=f"final-log-{worker}",
        path=means.state_dir / file,
        shown="${CUTOVER_HOME:-.cutover}/" + ("" if means.environment.world is None else "world/") + file,
        blues=(),
        traffic=read,
        worker=worker,
        tail=tail,
        settle=READ_SECONDS + 15.0,
    )
