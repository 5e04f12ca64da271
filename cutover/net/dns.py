"""What authoritative name servers answer: the only place where a changed TTL can be proved."""

import ipaddress
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

import dns.exception

from cutover.core.errors import CutoverError
from cutover.core.gate import Check, Finding

if TYPE_CHECKING:  # who asks loads them: a plan is shown without a question
    from dns.message import Message
    from dns.rrset import RRset

QUERY_SECONDS = 2.0
NOT_EVERYWHERE = "a change needs up to a minute to reach every authoritative server"


@dataclass(frozen=True)
class Answer:
    """What one server said; `ttl` in seconds, None with the `reason` when the answer cannot be used, `values` as text."""

    server: str
    ttl: int | None
    reason: str = ""
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.server}: {self.reason or f'TTL {self.ttl}'}"


@dataclass(frozen=True, kw_only=True)
class AtNameServers(Check):
    """Something that every authoritative server of a zone has to answer, because they take a change over one by one."""

    zone: str
    record: str
    servers: Callable[[], Sequence[str]] | None = None
    """Gives host:port of each server when it is asked; without it the zone's own name servers are."""
    servers_shell: str = "$SHOP_DNS_SERVERS"
    """The same as the shell has it: host:port, separated by commas."""
    private: bool = False
    """The zone is a private one: `servers` are then the resolvers of its VPC, which answer from their caches, too."""

    @abstractmethod
    def asked(self) -> str:
        """The type of the record that is asked for."""

    @abstractmethod
    def judged(self, answers: Sequence[Answer]) -> Finding:
        """What the answers come to; at least one server has answered."""

    @abstractmethod
    def bad_shell(self) -> str:
        """The same as an awk condition on a line of dig's answer that does not suit."""

    def look(self) -> Finding:
        if self.private and self.servers is None:
            return Finding.blind(
                f"{self.record} is in a private zone: what is answered cannot be observed from here",
                "name the resolver of its VPC in the environment file (resolver: host:port), and run where it answers",
            )
        try:
            servers = tuple(self.servers()) if self.servers is not None else own_servers(self.zone)
        except CutoverError as error:  # where the servers are said is not there
            return Finding.blind(error.message)
        except (dns.exception.DNSException, OSError) as error:
            return Finding.blind(f"the name servers of {self.zone} are not known: {brief(error)}")
        answers = [ask(server, self.record, self.asked(), resolving=self.private) for server in servers]
        if not answers or all(answer.reason.startswith("no answer") for answer in answers):
            told = "; ".join(map(str, answers)) or "no name server to ask"
            return Finding.blind(told, "are the name servers reachable from here (UDP and TCP)?")
        return self.judged(answers)

    def shell(self) -> str:
        way = "+recurse" if self.private else "+norecurse"
        dig, asked = f"dig {way} +noall +answer +time=2 +tries=1", f"{quote(self.record)} {quote(self.asked())}"
        verdict = f"| awk '{{ print; bad += {self.bad_shell()} }} END {{ exit bad || !NR }}'"
        if self.servers is None and self.private:
            return f'(echo "{self.record} is in a private zone: ask the resolver of its VPC" >&2; exit 1)'
        if self.servers is None:
            return f'for server in $(dig +short NS {quote(self.zone)}); do {dig} "@$server" {asked}; done {verdict}'
        return (
            f"echo \"{self.servers_shell}\" | tr , '\\n' | while read -r server; do"
            f' {dig} "@${{server%:*}}" -p "${{server##*:}}" {asked}; done {verdict}'
        )


@dataclass(frozen=True, kw_only=True)
class TtlVisible(AtNameServers):
    """Only authoritative servers prove a TTL: at a resolver an old record that counts down looks just like a new one.

    Every server of the zone is asked, because they take a change over one by one.
    """

    record_type: str
    wanted: int
    exact: bool = False

    def asked(self) -> str:
        return self.record_type

    def judged(self, answers: Sequence[Answer]) -> Finding:
        told = f"{'; '.join(map(str, answers))} (wanted {'' if self.exact else '≤ '}{self.wanted})"
        if self.private:
            # A resolver may be counting down an older answer; that it is gone, INSYNC and the clock say.
            told += ", by the VPC's resolver, so not proved by this alone"
        if all(self._suits(answer) for answer in answers):
            return Finding.passed(told)
        return Finding.not_yet(told, NOT_EVERYWHERE)

    def _suits(self, answer: Answer) -> bool:
        if answer.ttl is None:
            return False
        return answer.ttl == self.wanted if self.exact else answer.ttl <= self.wanted

    def bad_shell(self) -> str:
        return f"$2 {'!=' if self.exact else '>'} {self.wanted}"


def own_servers(zone: str) -> tuple[str, ...]:
    """host:port of the zone's name servers as the system's resolver knows them."""
    import dns.resolver

    names = dns.resolver.resolve(zone, "NS", lifetime=2 * QUERY_SECONDS)
    return tuple(sorted(f"{str(name.target).rstrip('.')}:53" for name in names))


def ask(server: str, name: str, kind: str, *, resolving: bool = False) -> Answer:
    """One question to one server (host:port), over TCP when UDP is cut short; never raises for an answer.

    Without `resolving` it does not want recursion, and only an authoritative answer counts.
    """
    import dns.flags

    response = response_of(server, name, kind, recursion=resolving)
    if isinstance(response, Answer):
        return response
    if not resolving and not response.flags & dns.flags.AA:
        return Answer(server, None, "not authoritative")
    found = rrset_of(response, name, kind)
    if found is None:
        return Answer(server, None, f"no {kind} record")
    return Answer(server, found.ttl, values=tuple(str(value) for value in found))


def response_of(server: str, name: str, kind: str, *, recursion: bool = False) -> "Message | Answer":
    """The whole response of one server (host:port), or an answer that says why there is none to use. Never raises for an answer."""
    import dns.flags
    import dns.message
    import dns.query
    import dns.rcode

    host, _, port = server.rpartition(":")
    flags = dns.flags.RD if recursion else 0
    query = dns.message.make_query(name, kind, flags=flags, use_edns=True)
    try:
        address = address_of(host)
        response, _ = dns.query.udp_with_fallback(query, address, timeout=QUERY_SECONDS, port=int(port))
    except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
        return Answer(server, None, f"no answer ({brief(error)})")
    if response.rcode() != dns.rcode.NOERROR:
        return Answer(server, None, dns.rcode.to_text(response.rcode()))
    return response


def rrset_of(response: "Message", name: str, kind: str) -> "RRset | None":
    """The records of that name and type in the answer section."""
    import dns.name
    import dns.rdataclass
    import dns.rdatatype

    return response.get_rrset(
        response.answer, dns.name.from_text(name), dns.rdataclass.IN, dns.rdatatype.from_text(kind)
    )


def address_of(host: str) -> str:
    """The address of a server that is given by name or address; raises DNSException."""
    import dns.resolver

    host = host.strip("[]")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return str(dns.resolver.resolve(host, "A", lifetime=QUERY_SECONDS)[0])


def brief(error: BaseException) -> str:
    """An error in one short line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
