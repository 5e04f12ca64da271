"""What each name server and each resolver answers for a name just now, and for how long it may be remembered."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import dns.flags
import dns.resolver

from cutover.net.dns import Answer, response_of, rrset_of

AUTHORITATIVE, RESOLVER = "name server", "resolver"


@dataclass(frozen=True)
class Said:
    """One server's answer; `ttl` is what is left of it in seconds, None with the `reason` when there is no answer to use."""

    server: str
    role: str
    values: tuple[str, ...]
    ttl: int | None
    reason: str = ""


def answers(name: str, kind: str, servers: Sequence[str], resolvers: Sequence[str]) -> list[Said]:
    """The answers of all servers (host:port), asked at the same time; authoritative ones without recursion."""
    asked = [(server, AUTHORITATIVE) for server in servers] + [(server, RESOLVER) for server in resolvers]
    if not asked:
        return []

    with ThreadPoolExecutor(min(16, len(asked)), thread_name_prefix="ask") as pool:
        return list(pool.map(lambda who: _said(who[0], who[1], name, kind), asked))


def _said(server: str, role: str, name: str, kind: str) -> Said:
    """A resolver answers from its cache, or finds out: the TTL that it gives is what is left."""
    response = response_of(server, name, kind, recursion=role == RESOLVER)
    if isinstance(response, Answer):
        return Said(server, role, (), None, response.reason)
    if role == AUTHORITATIVE and not response.flags & dns.flags.AA:
        return Said(server, role, (), None, "not authoritative")
    found = rrset_of(response, name, kind) or rrset_of(response, name, "CNAME")
    if found is None:
        return Said(server, role, (), None, f"no {kind} record")
    return Said(server, role, tuple(str(value) for value in found), found.ttl)


def own_resolvers() -> tuple[str, ...]:
    """host:port of the resolvers that this machine asks."""
    try:
        known = dns.resolver.get_default_resolver()
    except dns.resolver.NoResolverConfiguration:
        return ()
    return tuple(
        f"[{server}]:{known.port}" if ":" in str(server) else f"{server}:{known.port}" for server in known.nameservers
    )
