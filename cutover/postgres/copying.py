"""The first copy by several connections under one snapshot; the changes since that moment wait in the slot.

Ordinary triggers and the fence do not fire for it: its sessions on green have the role `replica`, as those of
PostgreSQL's own apply workers have, so the kit can stand before the first row.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import ClassVar

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.killpoint import reached
from cutover.core.step import Command
from cutover.core.telling import say
from cutover.postgres.comparison import Progress
from cutover.postgres.copy_parts import FORGET, Part, finish, left, mark, note, noted, plan
from cutover.postgres.copy_script import copy_script, end_script
from cutover.postgres.emptying import ReadyToFill
from cutover.postgres.keeper import COPIER, KEEPER, NO_TIMEOUTS, Kept, alive, ended, joined, keep
from cutover.postgres.replication import subscription_name
from cutover.postgres.rowhash import PINNED
from cutover.postgres.session import APPLICATION, Database, Session

STALL = 300.0  # seconds in which a megabyte has to pass
LOOK = 1.0  # seconds between two words about the progress
# On green a part and its mark are one transaction, so neither is lost alone; the note at the end is flushed, and all with it.
ON_GREEN = {**PINNED, "synchronous_commit": "off"}
# A slot that has lost its WAL can never send what came after the copy.
SENDS = "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND wal_status IS DISTINCT FROM 'lost'"
REFERENCED = """SELECT EXISTS (SELECT FROM pg_constraint
 WHERE contype = 'f' AND confrelid = %s::regclass AND conrelid <> confrelid)"""


class CopyRefused(CutoverError):
    """The copy cannot be begun or gone on with; the message says what to do."""


class Rewritten(CutoverError):
    """A table that is copied in parts got new files meanwhile, so that its parts do not fit together."""


class _Stopped(Exception):
    """Another part has failed, or the operator wants to stop."""


def slot_of(source: Database, target: Database) -> str:
    """The slot whose snapshot is copied, and from which the subscription of that name goes on."""
    return subscription_name(source, target)


@dataclass(frozen=True)
class CopyRows(Command):
    """Copies every row as it was when the slot was made; goes on where a killed copy stopped, while its snapshot lives."""

    kill_points: ClassVar[tuple[str, ...]] = (
        "copy: emptied",
        "copy: the keeper is asked",
        "copy: the slot is made",
        "copy: the parts are noted",
        "copy: the first part is copied",
        "copy: all parts are copied",
        "copy: noted",
    )

    source: Database
    target: Database
    jobs: int
    above: int
    """Tables of more bytes than this are copied in parts."""

    def run(self, deadline: Deadline) -> None:
        slot = slot_of(self.source, self.target)
        with _opened(self.source) as ours, _opened(self.target) as theirs:
            if theirs.value("SELECT 1 FROM pg_subscription WHERE subname = %s", [slot]):
                return
            kept, finished = noted(theirs)
            there = bool(ours.value(SENDS, [slot]))
            if finished and there:
                ended(ours, [KEEPER], deadline)
                return
            # A stopped copier that wakes up would go on beside us.
            ended(theirs, [COPIER], deadline)
            ended(ours, [COPIER], deadline)
            if kept is None or finished or not there or not alive(self.source, kept.snapshot):
                if kept is not None:
                    say("the snapshot of the earlier copy is gone: it begins anew")
                kept = self._begin(ours, theirs, deadline)
            try:
                self._copy(kept, theirs, deadline)
            except Rewritten:
                ended(ours, [KEEPER], deadline)  # nothing can be gone on with: the next try begins anew
                raise
            reached("copy: all parts are copied")
            finish(theirs, kept)
            reached("copy: noted")
            ended(ours, [KEEPER], deadline)

    def _begin(self, ours: Session, theirs: Session, deadline: Deadline) -> Kept:
        """Takes away what an earlier copy left, makes slot and snapshot, and notes what is to be done."""
        slot, back = slot_of(self.source, self.target), slot_of(self.target, self.source)
        if theirs.value("SELECT 1 FROM pg_replication_slots WHERE slot_name = %s", [back]):
            raise CopyRefused(
                f"slot {back} on {self.target.label} would send the copy back to {self.source.label}: nothing was copied",
                next_command="invoke rollback --everything, then begin anew",
            )
        let_go(ours, slot, deadline)
        ReadyToFill(self.target).run(deadline)
        theirs.run(FORGET)
        reached("copy: emptied")
        kept = self._kept(ours, slot, deadline)
        reached("copy: the slot is made")
        note(theirs, kept, plan(ours, kept, self.above))
        reached("copy: the parts are noted")
        return kept

    def _kept(self, ours: Session, slot: str, deadline: Deadline) -> Kept:
        while True:
            try:
                return keep(self.source, ours, slot, deadline)
            except CutoverError as error:
                let_go(ours, slot, Deadline.after(10.0))
                # 42710: the slot of a late keeper, which a copier that has died since had asked for, came before ours
                if getattr(error, "sqlstate", "") != "42710" or deadline.expired:
                    raise

    def _copy(self, kept: Kept, theirs: Session, deadline: Deadline) -> None:
        parts, bytes_done, rows_done = left(theirs)
        progress = Progress(sum(part.bytes for part in parts) + bytes_done, bytes_done, rows_done, skipped=bytes_done)
        waiting: queue.SimpleQueue[Part] = queue.SimpleQueue()
        for part in parts:
            waiting.put(part)
        stop = threading.Event()
        copied: queue.SimpleQueue[tuple[Part, int]] = queue.SimpleQueue()
        with ThreadPoolExecutor(self.jobs, thread_name_prefix="copy") as pool:
            copiers = [
                pool.submit(_Copier(self.source, self.target, kept, waiting, stop, copied.put).work)
                for _ in range(min(self.jobs, len(parts)))
            ]
            try:
                _watch(copiers, copied, progress, deadline)
            except BaseException:
                stop.set()
                raise

    def shell(self) -> str:
        return copy_script(self.source, self.target, slot_of(self.source, self.target), self.jobs)


@dataclass(frozen=True)
class EndCopy(Command):
    """Ends what keeps the snapshot, drops a slot that nobody reads, and forgets what was copied."""

    source: Database
    target: Database

    def run(self, deadline: Deadline) -> None:
        with _opened(self.source) as ours, _opened(self.target) as theirs:
            ended(theirs, [COPIER], deadline)
            let_go(ours, slot_of(self.source, self.target), deadline)
            theirs.run(FORGET)

    def shell(self) -> str:
        return end_script(self.source, self.target, slot_of(self.source, self.target))


def _opened(database: Database) -> AbstractContextManager[Session]:
    return database.open("copy state", settings=PINNED)


def let_go(source: Session, slot: str, deadline: Deadline) -> None:
    """Ends copiers and keeper, and drops the slot: one that nobody reads keeps WAL for ever."""
    ended(source, [COPIER, KEEPER], deadline)
    source.run(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s AND NOT active",
        [slot],
    )


def _watch(
    copiers: list[Future[None]], copied: "queue.SimpleQueue[tuple[Part, int]]", progress: Progress, deadline: Deadline
) -> None:
    """Says how far it is until all copiers have ended; raises what the first of them raised."""
    pending = set(copiers)
    while pending:
        done, pending = wait(pending, timeout=LOOK, return_when=FIRST_EXCEPTION)
        while not copied.empty():
            part, rows = copied.get()
            progress.bytes_read += part.bytes
            progress.rows += rows
            progress.table = part.leaf
        for copier in done:
            copier.result()
        if deadline.expired and pending:
            raise CopyRefused("the copy did not end in time; what is copied stays, and is gone on with for ten minutes")
        say(str(progress))


@dataclass(frozen=True)
class _Copier:
    """One connection to each side, which takes part after part."""

    source: Database
    target: Database
    kept: Kept
    waiting: "queue.SimpleQueue[Part]"
    stop: threading.Event
    copied: Callable[[tuple[Part, int]], None]

    def work(self) -> None:
        purpose = COPIER.removeprefix(f"{APPLICATION} ")
        with ExitStack() as stack:
            ours = stack.enter_context(self.source.open(purpose, settings=PINNED))
            theirs = stack.enter_context(self.target.open(purpose, settings=ON_GREEN))
            for session in (ours, theirs):
                session.run(
                    NO_TIMEOUTS
                )  # of the database or the role: a part takes as long as it takes, and `STALL` watches
            theirs.run("SET session_replication_role = replica; SET lock_timeout = '60s'")
            while not self.stop.is_set():
                try:
                    part = self.waiting.get_nowait()
                except queue.Empty:
                    return
                self.copied((part, self._one(part, ours, theirs)))

    def _one(self, part: Part, ours: Session, theirs: Session) -> int:
        # Frozen at once where that is allowed (the table emptied in the same transaction): no second writing by vacuum.
        freeze = part.whole and not theirs.value(REFERENCED, [part.leaf])
        theirs.run("BEGIN")
        if freeze:
            theirs.run(f"TRUNCATE ONLY {part.leaf}")
        with joined(ours, self.kept.snapshot):
            rows = theirs.copy_in(part.taken(freeze=freeze), self._blocks(ours, part), stall=STALL)
            # Asked under the lock of the read: rows of a rewritten table lie in other pages, and would be missed or doubled.
            if not part.whole and ours.value("SELECT pg_relation_filenode(%s)", [part.relation]) != part.filenode:
                raise Rewritten(
                    f"{part.leaf} was rewritten while it was copied (VACUUM FULL, CLUSTER, TRUNCATE); the next try begins anew",
                    next_command="invoke resume",
                )
        mark(theirs, part, rows)  # who wakes up late must not bring the rows a second time
        theirs.run("COMMIT")
        if part.id == 1:
            reached("copy: the first part is copied")
        return rows

    def _blocks(self, ours: Session, part: Part) -> Iterator[bytes]:
        for block in ours.copy_out(part.out, stall=STALL):
            if self.stop.is_set():
                raise _Stopped
            yield block
