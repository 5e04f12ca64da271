"""Which side a name leads to, drawn at its authoritative name servers."""

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote

import dns.exception

from cutover.core.clock import Deadline
from cutover.core.errors import Unreachable
from cutover.core.witness import Tally, Witness
from cutover.net.dns import address_of, ask, brief, own_servers
from cutover.net.drawing import NoDraw, drawn

FAMILIES = {"A": socket.AF_INET, "AAAA": socket.AF_INET6}


@dataclass(frozen=True, kw_only=True)
class NameServerDraws(Witness):
    """Asks each authoritative server in turn, without recursion and without a cache: every answer is a draw of its own.

    A resolver would be one draw per TTL, however often it is asked.
    """

    zone: str
    record: str
    record_type: str
    sides: Callable[[], Mapping[str, str]]
    """blue or green by the value that leads there, as the record sets have it."""
    sides_shell: str
    """The same in bash: sets $blue and $green to the values, separated by spaces."""
    servers: Callable[[], Sequence[str]] | None = None
    servers_shell: str = "$SHOP_DNS_SERVERS"

    @property
    def called(self) -> str:
        return "its name servers"

    def seen(self, draws: int, deadline: Deadline) -> Tally:
        servers = placed(servers_of(self.zone, self.servers))
        sides = self.sides_by_answer()

        def draw(number: int) -> str:
            answer = ask(servers[number % len(servers)], self.record, self.record_type)
            if answer.reason:
                raise NoDraw(str(answer))
            values = [plain_name(value) for value in answer.values]
            found = {sides.get(value, value) for value in values}
            return found.pop() if len(found) == 1 else ", ".join(values)

        return drawn(draw, draws, deadline)

    def sides_by_answer(self) -> dict[str, str]:
        """Sides by answer: where addresses are asked for, a name (an alias's target) stands for those that it has now."""
        sides = {plain_name(value): side for value, side in self.sides().items()}
        if self.record_type not in FAMILIES:
            return sides
        found: dict[str, str] = {}
        for value, side in sides.items():
            for address in addresses_of(value, FAMILIES[self.record_type]):
                if found.setdefault(address, side) != side:
                    raise Unreachable(f"{value}: {address} is the other side's address, too: no answer tells a side")
        return found

    def shell(self, draws: int) -> str:
        asked = f"{quote(self.record)} {quote(self.record_type)}"
        also = ""
        if self.record_type in FAMILIES:
            also = "\n" + "\n".join(
                f"{side}=\"${side} $(dig +short {self.record_type} ${side} | tr '\\n' ' ')\""
                for side in ("blue", "green")
            )
        return f"""{self.sides_shell}{also}
{servers_lines(self.zone, self.servers is not None, self.servers_shell)}
for n in {{1..{draws}}}; do
  server=${{servers[n % ${{#servers[@]}}]}}
  value=$(dig +norecurse +short +time=2 +tries=1 "@${{server%:*}}" -p "${{server##*:}}" {asked} | head -n 1 | tr A-Z a-z || true)
  case " $blue " in *" ${{value%.}} "*) echo blue; continue;; esac
  case " $green " in *" ${{value%.}} "*) echo green;; esac
done"""


def servers_of(zone: str, servers: Callable[[], Sequence[str]] | None) -> Sequence[str]:
    """host:port of the zone's authoritative servers; raises Unreachable."""
    try:
        found = tuple(servers()) if servers is not None else own_servers(zone)
    except (dns.exception.DNSException, OSError) as error:
        raise Unreachable(f"the name servers of {zone} are not known: {brief(error)}") from error
    if not found:
        raise Unreachable(f"no name server of {zone} is known")
    return found


def placed(servers: Sequence[str]) -> Sequence[str]:
    """The same with addresses for names, so that not every draw looks them up; one without an address is left as it is."""
    found = []
    for server in servers:
        host, _, port = server.rpartition(":")
        try:
            found.append(f"{address_of(host)}:{port}")
        except (dns.exception.DNSException, OSError):
            found.append(server)
    return found


def servers_lines(zone: str, named: bool, servers_shell: str) -> str:
    """The array $servers of host:port in bash."""
    if named:
        return f'IFS=, read -ra servers <<<"{servers_shell}"'
    return f"servers=($(dig +short NS {quote(zone)} | sed 's/\\.$/:53/'))"


def addresses_of(name: str, family: socket.AddressFamily) -> list[str]:
    """The addresses of a name as the system resolves it, or the address that it is; raises Unreachable."""
    try:
        found = socket.getaddrinfo(name, None, family, socket.SOCK_STREAM)
    except OSError as error:
        raise Unreachable(f"{name}: {brief(error)}") from error
    return sorted({str(place[0]) for *_, place in found})


def plain_name(value: str) -> str:
    return value.lower().rstrip(".")
