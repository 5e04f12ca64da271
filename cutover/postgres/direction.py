"""Which way changes flow: both at once where both sides can filter origins (16+), otherwise one at a time, turned with the switch.

PostgreSQL 15 sends on whatever it has applied, so two directions at once would send every change in a circle. There the
way back is a slot that keeps what is written from a known position on, and a subscription that is enabled only when the
direction it replaces is gone. (A 16 subscriber accepts `origin = none` of a 15 publisher without a word, and loops.)
"""

from dataclasses import dataclass

from cutover.core.errors import CutoverError
from cutover.postgres.replication import SUBSCRIBED, filters_origins, subscription_name
from cutover.postgres.session import Session

ADVANCE = "SELECT end_lsn FROM pg_replication_slot_advance('{name}', pg_current_wal_insert_lsn())"

SLOT = """SELECT coalesce((SELECT CASE WHEN wal_status = 'lost' THEN 'lost' ELSE 'kept' END
  FROM pg_replication_slots WHERE slot_name = '{name}'), 'none')"""


class WayBackNotReady(CutoverError):
    """The direction that the way back needs is not prepared, so nothing was switched or turned."""


@dataclass(frozen=True)
class ReverseSlot:
    """Inside a switch on PostgreSQL 15: the slot on the target from which the way back will follow; see the module.

    `publisher` is a session on the side that is about to be opened, `subscriber` one on the side that writes until now.
    """

    publisher: Session
    subscriber: Session

    @property
    def name(self) -> str:
        return subscription_name(self.publisher, self.subscriber)

    def check(self) -> None:
        """Raises WayBackNotReady unless the slot is kept and its subscription waits, disabled."""
        seen = direction(self.publisher, self.subscriber)
        if seen != "ready":
            raise WayBackNotReady(
                f"{self.name} is {seen}, wanted ready (a slot on {self.publisher.label}, a disabled subscription on "
                f"{self.subscriber.label}): without it {self.subscriber.label} could not follow after the switch"
            )

    def advance(self, timeout: float) -> str:
        """Moves the slot past everything that was applied until now; returns the position.

        Making it move reads all WAL since the last time, so once before the pause and once inside it.
        """
        return str(self.publisher.value(ADVANCE.format(name=self.name), timeout=timeout))

    def keep(self, transaction: Session, position: str) -> None:
        """Notes the position on the subscriber, inside the fence transaction there.

        A slot's own position survives a crash of its server only from the next checkpoint on; from an older one the
        subscriber would be sent what it wrote itself. It asks from where its origin stands, and that is durable.
        """
        transaction.run(
            "SELECT pg_replication_origin_advance('pg_' || oid, %s::pg_lsn) FROM pg_subscription WHERE subname = %s",
            [position, self.name],
        )


def reverse_slot(source: Session, target: Session) -> ReverseSlot | None:
    """The slot that a switch from source to target has to advance, None where both directions follow at once."""
    return None if filters_origins(source, target) else ReverseSlot(target, source)


def direction(source: Session, target: Session) -> str:
    """How `target` follows `source`: absent, copying, following, ready (disabled, its slot keeps everything), or broken."""
    name = subscription_name(source, target)
    seen = str(target.value(SUBSCRIBED.format(name=name)))
    if seen != "disabled":
        return seen
    return "ready" if source.value(SLOT.format(name=name)) == "kept" else "broken"
