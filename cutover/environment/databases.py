"""What an environment says about a database: where its sides are, how its writes are stopped, how its clients come."""

from typing import Annotated

from pydantic import Field

from cutover.environment.clients import ClientCname, MultiHost, PgBouncer
from cutover.environment.comparing import Validation
from cutover.environment.copying import Copy, GreenSchema
from cutover.environment.ending import Backup, DumpBackup
from cutover.environment.reading import whole
from cutover.environment.reference import Ref
from cutover.environment.section import Section
from cutover.environment.written import DatabaseName, Wait


class Fence(Section):
    """How blue's writes are stopped for the switchover."""

    dead_man: Wait = 10.0
    """When the tool dies inside the fence, the server gives blue its writes back after this time."""
    lock_timeout: Wait = 5.0
    """The longest wait for the locks on blue's tables."""
    catch_up: Wait = 5.0
    """The longest wait, with writes stopped, for green to receive the last row."""
    sequence_margin: Annotated[int, whole(0, 1_000_000_000)] = 1000
    """How far green's sequences are set ahead of blue's, in steps of each sequence."""


class Database(Section):
    """The two databases; each DSN is a reference."""

    name: DatabaseName
    blue: Ref
    green: Ref
    blue_from_green: Ref | None = None
    """How green's server reaches blue's, where that is not `blue`."""
    green_from_blue: Ref | None = None
    """How blue's server reaches green's, where that is not `green`."""
    fence: Fence = Fence()
    green_schema: Annotated[GreenSchema, Field(alias="schema")] = "present"
    """`present`: green has blue's tables already; `copied`: the plan makes them, with pg_dump and pg_restore."""
    first_copy: Annotated[Copy, Field(alias="copy")] = Copy()
    copy_timeout: Wait = 21_600.0
    """The longest time that the first copy may take."""
    lag_limit_bytes: Annotated[int, whole(0, 1_000_000_000_000)] = 1_000_000
    """Replication lag above which the window is not entered."""
    longest_transaction: Wait = 2.0
    """Age of a transaction that has written above which the window is not entered; preflight refuses at thirty times this."""
    wal_limit_bytes: Annotated[int, whole(1, 1_000_000_000_000_000)] = 20_000_000_000
    """WAL that a slot of ours may keep on a side before the plan stops; choose it well below the free disk."""
    validation: Validation = Validation()
    backup: Backup = DumpBackup()
    """What is kept of blue's rows before it ends."""
    clients: Annotated[MultiHost | PgBouncer | ClientCname, Field(discriminator="kind")] = MultiHost()
