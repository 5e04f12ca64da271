"""The commands that turn the direction of replication where only one may run; where both may, they leave it alone."""

from dataclasses import dataclass
from typing import ClassVar

from cutover.core.clock import Backoff, Deadline, SystemClock
from cutover.core.killpoint import reached
from cutover.core.step import Command
from cutover.postgres.direction import ADVANCE, SLOT, WayBackNotReady, direction
from cutover.postgres.replication import (
    FILTERS_ORIGINS,
    PUBLICATION,
    Subscribe,
    Unsubscribe,
    filters_origins,
    subscription_name,
)
from cutover.postgres.session import Database, Session
from cutover.postgres.sides import STATE_WORD, side_state

WORKER = "SELECT 1 FROM pg_stat_subscription WHERE subname = '{name}' AND relid IS NULL AND pid IS NOT NULL"


@dataclass(frozen=True)
class MakeReady(Command):
    """Prepares that `target` follows `source`, which is fenced: at once where both filter origins, otherwise when it is turned."""

    kill_points: ClassVar[tuple[str, ...]] = ("ready: slot made", "ready: subscription made")

    source: Database
    target: Database
    address: Database
    """The source as the target's server reaches it."""

    def run(self, deadline: Deadline) -> None:
        name = subscription_name(self.source, self.target)
        with self.source.open("ready") as source, self.target.open("ready") as target:
            if filters_origins(source, target):
                reached("ready: slot made")  # by the subscription itself
                Subscribe(self.source, self.target, copy=False, address=self.address).run(deadline)
                reached("ready: subscription made")
                return
            if direction(source, target) in ("following", "copying"):
                return
            state = side_state(source).state
            if state != "fenced":  # what it wrote since the slot was made would be passed over
                raise WayBackNotReady(f"{name} is made ready while {source.label} is fenced, and it is {state}")
            if source.value(SLOT.format(name=name)) == "lost":
                source.run("SELECT pg_drop_replication_slot(%s)", [name])
            if source.value(SLOT.format(name=name)) == "none":
                # Making a slot waits for every transaction that is open on the source.
                source.run(
                    "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [name], timeout=deadline.remaining()
                )
            reached("ready: slot made")
            if not target.value("SELECT 1 FROM pg_subscription WHERE subname = %s", [name]):
                dsn = target.value("SELECT quote_literal(%s::text)", [self.address.resolve()])
                target.run(
                    f"CREATE SUBSCRIPTION {name} CONNECTION {dsn} PUBLICATION {PUBLICATION} WITH ({self._how()})"
                )
            reached("ready: subscription made")
            source.run(ADVANCE.format(name=name), timeout=deadline.remaining())

    def _how(self) -> str:
        name = subscription_name(self.source, self.target)
        return f"copy_data = false, enabled = false, create_slot = false, slot_name = '{name}'"

    def shell(self) -> str:
        name = subscription_name(self.source, self.target)
        both = Subscribe(self.source, self.target, copy=False, address=self.address).shell()
        there = self.target.ask(f"SELECT subenabled FROM pg_subscription WHERE subname = '{name}'")
        make = self.source.ask(
            f"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput') "
            f"WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{name}')"
        )
        lost = f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{name}' AND wal_status = 'lost'"
        create = (
            f"PGOPTIONS='-c default_transaction_read_only=off' "
            f'psql "${self.target.variable}" -X -q -v ON_ERROR_STOP=1 -v source="${self.address.variable}" <<\'SQL\'\n'
            f"CREATE SUBSCRIPTION {name} CONNECTION :'source' PUBLICATION {PUBLICATION}\n  WITH ({self._how()});\nSQL"
        )
        return f"""(set -euo pipefail
if [ "$({self.source.ask(FILTERS_ORIGINS)})$({self.target.ask(FILTERS_ORIGINS)})" = tt ]; then
{both}
exit 0
fi
there=$({there})
if [ "$there" = t ]; then exit 0; fi
fence=$({self.source.ask(STATE_WORD)}
)
if [ "$fence" != fenced ]; then echo "{self.source.label} is $fence, wanted fenced: nothing was touched" >&2; exit 1; fi
{self.source.ask(lost)}
{make}
if [ -z "$there" ]; then
{create}
fi
{self.source.ask(ADVANCE.format(name=name))})"""


@dataclass(frozen=True)
class Turn(Command):
    """Lets `target` follow `source`, which serves: where only one direction may follow, the other one is dropped before."""

    kill_points: ClassVar[tuple[str, ...]] = ("unsubscribe: disabled", "unsubscribe: dropped", "turn: enabled")

    source: Database
    target: Database

    def run(self, deadline: Deadline) -> None:
        name = subscription_name(self.source, self.target)
        with self.source.open("turn") as source, self.target.open("turn") as target:
            if filters_origins(source, target):
                target.run(f"ALTER SUBSCRIPTION {name} ENABLE")
                return
            seen = (side_state(source).state, side_state(target).state)
            if seen != ("open", "fenced"):
                raise WayBackNotReady(
                    f"{source.label} is {seen[0]} and {target.label} {seen[1]}, wanted open and fenced: "
                    f"{name} is enabled only when {source.label} serves"
                )
            if direction(source, target) not in ("ready", "following"):
                raise WayBackNotReady(f"{name} is {direction(source, target)}, wanted ready; nothing was dropped")
            # In this order: the other one loops every change, and a row without a key would multiply.
            Unsubscribe(self.target, self.source).run(deadline)
            target.run(f"ALTER SUBSCRIPTION {name} ENABLE")
            reached("turn: enabled")
            _await_worker(target, name, deadline)

    def shell(self) -> str:
        name = subscription_name(self.source, self.target)
        exists = self.target.ask(f"SELECT 1 FROM pg_subscription WHERE subname = '{name}'")
        enable = self.target.psql(f"ALTER SUBSCRIPTION {name} ENABLE;")
        return f"""(set -euo pipefail
if [ "$({self.source.ask(FILTERS_ORIGINS)})$({self.target.ask(FILTERS_ORIGINS)})" = tt ]; then
{enable}
exit 0
fi
source=$({self.source.ask(STATE_WORD)}
)
target=$({self.target.ask(STATE_WORD)}
)
if [ "$source/$target" != open/fenced ]; then echo "{self.source.label} is $source, {self.target.label} $target: nothing was touched" >&2; exit 1; fi
if [ -z "$({exists})" ]; then echo 'subscription {name} is missing: nothing was touched' >&2; exit 1; fi
{Unsubscribe(self.target, self.source).shell()}
{enable}
for _ in {{1..150}}; do
  if [ -n "$({self.target.ask(WORKER.format(name=name))})" ]; then echo '{self.target.label} follows {self.source.label}'; exit 0; fi
  sleep 0.1
done
echo 'the worker of {name} has not started within 15 s: see the server log of {self.target.label}' >&2
exit 1)"""


@dataclass(frozen=True)
class ReadyToSwitch(Command):
    """Before a switch from `source` to `target`: the target follows, and the other direction waits for its turn.

    It stood the other way round when the last switch was interrupted, or was taken back at once. Nothing is done once the
    switch has been made.
    """

    source: Database
    target: Database
    source_for_target: Database
    target_for_source: Database

    def run(self, deadline: Deadline) -> None:
        with self.source.open("ready") as source, self.target.open("ready") as target:
            if filters_origins(source, target):
                return
            if (side_state(source).state, side_state(target).state) != ("open", "fenced"):
                return
            if direction(source, target) == "following" and direction(target, source) == "ready":
                return
        Turn(self.source, self.target).run(deadline)
        MakeReady(self.target, self.source, self.target_for_source).run(deadline)

    def shell(self) -> str:
        there, back = (
            subscription_name(one, other) for one, other in ((self.source, self.target), (self.target, self.source))
        )
        follows = self.target.ask(f"SELECT subenabled FROM pg_subscription WHERE subname = '{there}'")
        waits = self.source.ask(f"SELECT subenabled FROM pg_subscription WHERE subname = '{back}'")
        return f"""(set -euo pipefail
if [ "$({self.source.ask(FILTERS_ORIGINS)})$({self.target.ask(FILTERS_ORIGINS)})" = tt ]; then exit 0; fi
source=$({self.source.ask(STATE_WORD)}
)
target=$({self.target.ask(STATE_WORD)}
)
if [ "$source/$target" != open/fenced ]; then exit 0; fi
if [ "$({follows})$({waits})" = tf ]; then exit 0; fi
{Turn(self.source, self.target).shell()}
{MakeReady(self.target, self.source, self.target_for_source).shell()})"""


def _await_worker(target: Session, name: str, deadline: Deadline) -> None:
    backoff = Backoff(SystemClock(), first=0.02)
    while not target.value(WORKER.format(name=name)):
        if deadline.expired:
            raise WayBackNotReady(f"the worker of {name} has not started; see the server log of {target.label}")
        backoff.pause(deadline)
