"""Following from a copy of our own: rows by several connections, then what is built over them, then the changes since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover.core.clock import Deadline
from cutover.core.step import Command
from cutover.postgres.copy_parts import BEGUN, COPIED, noted
from cutover.postgres.copy_script import attach_script
from cutover.postgres.copying import SENDS, CopyRefused, CopyRows, EndCopy, slot_of
from cutover.postgres.emptying import EmptyAgain
from cutover.postgres.replication import FILTERS_ORIGINS, PUBLICATION, Subscription, Unsubscribe, filters_origins
from cutover.postgres.schema_copy import CompleteSchema, NoteTables
from cutover.postgres.session import Database


@dataclass(frozen=True)
class Attach(Command):
    """Makes the subscription that goes on exactly where the copy's snapshot ends."""

    source: Database
    target: Database
    address: Database

    def run(self, deadline: Deadline) -> None:
        slot = slot_of(self.source, self.target)
        with self.target.open("subscribe") as target, self.source.open("subscribe") as source:
            if target.value("SELECT 1 FROM pg_subscription WHERE subname = %s", [slot]):
                target.run(f"ALTER SUBSCRIPTION {slot} ENABLE")
                return
            if not noted(target)[1]:
                raise CopyRefused("the rows are not copied to their end: nothing can follow them yet")
            if not source.value(SENDS, [slot]):
                raise CopyRefused(
                    f"slot {slot} on {self.source.label} is gone or has lost its WAL: what came after the copy is not to be had",
                    next_command="invoke resume, which copies anew",
                )
            dsn = target.value("SELECT quote_literal(%s::text)", [self.address.resolve()])
            origin = ", origin = none" if filters_origins(source, target) else ""
            target.run(
                f"CREATE SUBSCRIPTION {slot} CONNECTION {dsn} PUBLICATION {PUBLICATION} "
                f"WITH (copy_data = false, create_slot = false, slot_name = '{slot}'{origin})",
                timeout=max(1.0, min(60.0, deadline.remaining())),
            )

    def shell(self) -> str:
        slot = slot_of(self.source, self.target)
        return attach_script(self.source, self.target, self.address, slot, PUBLICATION, FILTERS_ORIGINS)


@dataclass(frozen=True, kw_only=True)
class CopiedSubscription(Subscription):
    """Keeps one side following the other; large tables are copied first by several connections, all at the same moment.

    One connection for each table, as table sync has, takes as long as the largest table; here it is copied in parts. Where
    the schema is copied, too, keys and indexes are built over the rows that are there, before the changes since arrive.
    """

    copy: bool = True
    empties: bool = True
    jobs: int = 4
    above: int = 1 << 30
    """Tables of more bytes than this are copied in parts."""
    completes: bool = False
    """Whether keys, indexes, constraints and triggers are made on the way."""

    def commands(self, target: str) -> Sequence[Command]:
        if target == "absent":
            end = EndCopy(self.source, self.target)
            looked_at_again = (NoteTables(self.target),) if self.completes else ()
            return (Unsubscribe(self.source, self.target), end, EmptyAgain(self.target), *looked_at_again)
        complete = (CompleteSchema(self.source, self.target, self.jobs),) if self.completes else ()
        return (
            CopyRows(self.source, self.target, self.jobs, self.above),
            *complete,
            Attach(self.source, self.target, self.address or self.source),
        )

    def evidence(self) -> Mapping[str, Any]:
        if self.after != "following":
            return {}
        with self.target.open("state") as session:
            found = session.rows(COPIED)
        return dict(zip(("rows", "bytes", "tables", "seconds"), found[0], strict=True)) if found else {}

    def _question(self) -> str:
        # A copy without a subscription is half-done work of ours.
        asked = super()._question()
        return f"SELECT CASE WHEN word = 'absent' AND {BEGUN} THEN 'copying' ELSE word END FROM ({asked}) x(word)"
