"""CNAMEs in front of a hostname, each with the TTL for which resolvers keep it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from shlex import quote

import dns.exception

from cutover.core.errors import CutoverError
from cutover.core.gate import Check, Finding
from cutover.net.dns import QUERY_SECONDS, Answer, ask, brief, own_servers


@dataclass(frozen=True, kw_only=True)
class LeadsHere(Check):
    """Visitors who come through a CNAME keep its answer, with all that it led to, for its TTL: that time is waited out as well.

    The plan counts with the TTLs of the environment file, so they are held against what the name servers answer.
    """

    host: str
    above: tuple[tuple[str, int], ...]
    """Names of the CNAMEs, each with the seconds that the plan counts with."""
    servers: Callable[[], Sequence[str]] | None = None
    """Gives host:port of the servers to ask; without it those of each name's own zone are."""

    def look(self) -> Finding:
        odd: list[str] = []
        silent: list[str] = []
        for name, ttl in self.above:
            try:
                servers = tuple(self.servers()) if self.servers is not None else own_servers(_zone_of(name))
            except CutoverError as error:
                silent.append(error.message)
                continue
            except (dns.exception.DNSException, OSError) as error:
                silent.append(f"the name servers of {name} are not known: {brief(error)}")
                continue
            answers = [ask(server, name, "CNAME") for server in servers]
            if not answers or all(answer.reason.startswith("no answer") for answer in answers):
                silent += [str(answer) for answer in answers] or [f"no name server of {name} to ask"]
            else:
                odd += self._odd(name, ttl, answers)
        if odd:
            return Finding.failed("; ".join(odd), "correct `above` in the environment file")
        if silent:
            return Finding.blind("; ".join(silent), "are the name servers reachable from here (UDP and TCP)?")
        longest = max(ttl for _, ttl in self.above)
        return Finding.passed(f"{len(self.above)} CNAMEs lead to {self.host}, kept for at most {longest} s")

    def _odd(self, name: str, ttl: int, answers: Sequence[Answer]) -> list[str]:
        known = {_plain(self.host), *(_plain(one) for one, _ in self.above)} - {_plain(name)}
        found = []
        for answer in answers:
            leads = ", ".join(_plain(value) for value in answer.values)
            if answer.ttl is None:
                found.append(f"{name} at {answer}")
            elif leads not in known:
                found.append(f"{name} leads to {leads}, not to {self.host}")
            elif answer.ttl > ttl:
                found.append(f"{name} has a TTL of {answer.ttl} s, the plan counts with {ttl} s")
        return list(dict.fromkeys(found))

    def shell(self) -> str:
        asked = "dig +noall +answer +time=2 +tries=1"
        names = " ".join(quote(name) for name, _ in self.above)
        limits = " ".join(f'ttl["{_plain(name)}."] = {ttl};' for name, ttl in self.above)
        verdict = f"BEGIN {{ {limits} }} {{ print; bad += $2 > ttl[tolower($1)] }} END {{ exit bad || NR < {len(self.above)} }}"
        # A resolver counts down, so what it answers is at most the TTL.
        return f"for name in {names}; do {asked} \"$name\" CNAME; done | awk '{verdict}'"


def _zone_of(name: str) -> str:
    import dns.resolver

    return str(dns.resolver.zone_for_name(name, lifetime=2 * QUERY_SECONDS)).rstrip(".")


def _plain(name: str) -> str:
    return name.lower().rstrip(".")
