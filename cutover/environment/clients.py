"""How clients find the side that accepts writes."""

from typing import Annotated, Literal

from pydantic import AfterValidator

from cutover.environment.reading import word
from cutover.environment.reference import HostPort, Ref
from cutover.environment.section import Section
from cutover.environment.shapes import distinct
from cutover.environment.written import ConfigPath, DatabaseName, DnsName, Duration, Seconds, Wait

ClientKind = Annotated[str, word(r"[A-Za-z0-9_. -]{1,63}", "a role or application name of letters, digits and _ . -")]


class MultiHost(Section):
    """Clients name both servers and `target_session_attrs=read-write`: they find the writable side by themselves."""

    kind: Literal["multi-host"] = "multi-host"


class PgBouncer(Section):
    """Clients come through PgBouncer: they wait while the writes change sides, and are directed to the other one then."""

    kind: Literal["pgbouncer"] = "pgbouncer"
    admin: Ref
    """A DSN of the admin console, postgresql://…/pgbouncer."""
    database: DatabaseName
    """The entry in PgBouncer's [databases]."""
    file: ConfigPath
    """The file with that entry, on one line with `host=` and `port=`; it must be writable where the tool runs."""
    blue: HostPort
    """Blue as PgBouncer reaches it."""
    green: HostPort
    """Green as PgBouncer reaches it."""
    pause_timeout: Wait = 5.0
    """The longest wait for open transactions to end; then nothing is switched."""


class Ttl(Section):
    """The TTL of a name's records, in seconds."""

    normal: Seconds
    cutover: Seconds
    """From preparation to the end of the bake."""
    slack: Duration = 60.0
    """Waited on top of a TTL, for resolvers that keep records longer than they may."""


class Drain(Section):
    """When the side that was left counts as left: clients that still come are sent away, and named."""

    hold: Duration = 5.0
    """How long nobody may have come, on top of `ttl.cutover`."""
    deadline: Wait = 60.0
    """After this time with clients still coming the run holds, and a person looks at them."""
    spared: Annotated[tuple[ClientKind, ...], AfterValidator(distinct)] = ()
    """Roles and application names that may stay, as monitoring and backups."""


class ClientCname(Section):
    """Clients connect to a name that leads to one of the servers: it is changed when the other one is open.

    Nobody waits meanwhile: until their TTL has run out, writes of clients with the old answer are refused.
    """

    kind: Literal["dns"] = "dns"
    zone: DnsName
    """The public hosted zone in Route 53."""
    record: DnsName
    """The name that clients connect to: one simple record, no weights, no alias."""
    type: Literal["CNAME"] = "CNAME"
    blue: DnsName
    """The name of blue's endpoint; both listen on one port."""
    green: DnsName
    """The name of green's endpoint."""
    ttl: Ttl
    drain: Drain = Drain()
