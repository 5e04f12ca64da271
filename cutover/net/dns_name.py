"""Where authoritative name servers say that a name leads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from shlex import quote

import dns.exception

from cutover.core.gate import Check, Finding
from cutover.net.dns import Answer, ask, brief, own_servers


@dataclass(frozen=True, kw_only=True)
class NameLeads(Check):
    """What counts for clients is what the zone's servers answer, each of them; an accepted change is not there yet."""

    zone: str
    record: str
    wanted: str
    """The name that the CNAME `record` has to lead to."""
    servers: Callable[[], Sequence[str]] | None = None
    """Gives host:port of each server when it is asked; without it the zone's own name servers are."""
    servers_shell: str = "$SHOP_DNS_SERVERS"
    """The same as the shell has it: host:port, separated by commas."""

    def look(self) -> Finding:
        try:
            servers = tuple(self.servers()) if self.servers is not None else own_servers(self.zone)
        except (dns.exception.DNSException, OSError) as error:
            return Finding.blind(f"the name servers of {self.zone} are not known: {brief(error)}")
        answers = [ask(server, self.record, "CNAME") for server in servers]
        if not answers or all(answer.reason.startswith("no answer") for answer in answers):
            told = "; ".join(map(str, answers)) or "no name server to ask"
            return Finding.blind(told, "are the name servers reachable from here (UDP and TCP)?")
        odd = [self._told(answer) for answer in answers if not self._suits(answer)]
        if odd:
            return Finding.not_yet(
                f"{self.record} does not lead to {self.wanted} everywhere: {'; '.join(odd)}",
                "a change needs up to a minute to reach every authoritative server",
            )
        return Finding.passed(f"{self.record} leads to {self.wanted} at {len(answers)} name servers")

    def _suits(self, answer: Answer) -> bool:
        return [_plain(value) for value in answer.values] == [_plain(self.wanted)]

    def _told(self, answer: Answer) -> str:
        return f"{answer.server}: {answer.reason or ', '.join(map(_plain, answer.values))}"

    def shell(self) -> str:
        dig = f"+norecurse +noall +answer +time=2 +tries=1 {quote(self.record)} CNAME"
        wanted = _plain(self.wanted)
        verdict = f"""| awk '{{ print; bad += tolower($5) != "{wanted}." }} END {{ exit bad || !NR }}'"""
        if self.servers is None:
            return f'for server in $(dig +short NS {quote(self.zone)}); do dig "@$server" {dig}; done {verdict}'
        return (
            f"echo \"{self.servers_shell}\" | tr , '\\n' | while read -r server; do"
            f' dig "@${{server%:*}}" -p "${{server##*:}}" {dig}; done {verdict}'
        )


def _plain(name: str) -> str:
    return name.lower().rstrip(".")
