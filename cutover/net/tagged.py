"""Which side answers a request, told by a tag in its response: through DNS and the edge, as a visitor comes."""

import functools
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from shlex import quote
from typing import Any

import dns.rdatatype

from cutover.core.clock import Deadline
from cutover.core.errors import Unreachable
from cutover.core.witness import Tally, Witness
from cutover.net.dns import Answer, brief, response_of, rrset_of
from cutover.net.drawing import NoDraw, drawn
from cutover.net.drawn_names import addresses_of, placed, servers_lines, servers_of

TIMEOUT = 5.0
LONGEST_BODY = 65_536
Place = tuple[list[str], int]


@dataclass(frozen=True, kw_only=True)
class TaggedResponses(Witness):
    """Requests of the public name, each with an answer of the name servers and a connection of its own, and no cookies.

    So each is drawn anew by whoever draws: the weights of the records and those of the load balancer.
    """

    host: str
    zone: str | None = None
    """Whose name servers are asked each time; without it, and without `servers`, the system's resolver is, once: for names
    whose records nobody moves."""
    tag: str
    """The response's header, or with `in_body` the field of its JSON object (dots lead into nested ones)."""
    blue: str
    green: str
    in_body: bool = False
    path: str = "/"
    scheme: str = "https"
    port: int | None = None
    """None takes it from the name's SRV record (RFC 2782, _http._tcp or _https._tcp)."""
    servers: Callable[[], Sequence[str]] | None = None
    servers_shell: str = "$SHOP_DNS_SERVERS"

    @property
    def called(self) -> str:
        return "tagged responses"

    def seen(self, draws: int, deadline: Deadline) -> Tally:
        servers = placed(servers_of(self.zone or self.host, self.servers)) if self._asks_servers else ()
        places: dict[str, Place] = {}

        def draw(number: int) -> str:
            if servers:
                addresses, port = self._led(servers[number % len(servers)], places)
            else:
                addresses, port = self._place(self.host, places, lambda: (_resolved(self.host), self.port or 0))
            return self._told(addresses[number % len(addresses)], port)

        return drawn(draw, draws, deadline)

    @property
    def _asks_servers(self) -> bool:
        return self.zone is not None or self.servers is not None

    def _led(self, server: str, places: dict[str, Place]) -> Place:
        """Addresses and port of whatever the name leads to this time."""
        response = response_of(server, self.host, "A")
        if isinstance(response, Answer):
            raise NoDraw(str(response))
        end = self.host
        for rrset in response.answer:
            if rrset.rdtype == dns.rdatatype.CNAME:
                end = str(rrset[0].target)
        found = rrset_of(response, end, "A")
        if found is not None and self.port is not None:
            return [str(address) for address in found], self.port

        def look_up() -> Place:
            addresses = [str(address) for address in found] if found is not None else _resolved(end)
            return addresses, self.port or self._port_of(server, end)

        return self._place(end, places, look_up)

    @staticmethod
    def _place(name: str, places: dict[str, Place], look_up: Callable[[], Place]) -> Place:
        """Where a name at the end of the chain is; only where it is may be remembered, never that the chain leads there."""
        if name not in places:
            places[name] = look_up()
        return places[name]

    def _port_of(self, server: str, name: str) -> int:
        response = response_of(server, f"_{self.scheme}._tcp.{name}", "SRV")
        found = None if isinstance(response, Answer) else rrset_of(response, f"_{self.scheme}._tcp.{name}", "SRV")
        if found is None:
            raise NoDraw(f"{name} has no SRV record for {self.scheme} that says its port")
        return int(found[0].port)

    def _told(self, address: str, port: int) -> str:
        connection = _connection(self.scheme, self.host, address, port)
        over = _Over(connection, TIMEOUT)
        try:
            over.connect()
            headers = {"Host": self.host, "User-Agent": "cutover-witness", "Connection": "close"}
            connection.request("GET", self.path, headers=headers)
            response = connection.getresponse()
            value = _field(response.read(LONGEST_BODY), self.tag) if self.in_body else response.getheader(self.tag)
            status = response.status
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoDraw(f"no whole answer within {TIMEOUT:g} s" if over.ended else brief(error)) from error
        finally:
            over.cancel()
            connection.close()
        if value is None:
            return f"status {status} without {self.tag}"
        return {self.blue: "blue", self.green: "green"}.get(value, f"{self.tag} {value[:80]!r}")

    def shell(self, draws: int) -> str:
        if not self._asks_servers:
            return f"for n in {{1..{draws}}}; do\n  {self._curl('')}\ndone"
        dig = 'dig +norecurse +time=2 +tries=1 "@${server%:*}" -p "${server##*:}"'
        srv = f'"_{self.scheme}._tcp.$end" SRV'
        port = self.port or f"$({dig} +short {srv} | awk '{{ print $3; exit }}')"
        through = f'--connect-to {quote(f"{self.host}:{self._default}:")}"${{places[$end]}}" '
        return f"""{servers_lines(self.zone or self.host, self.servers is not None, self.servers_shell)}
declare -A places
for n in {{1..{draws}}}; do
  server=${{servers[n % ${{#servers[@]}}]}}
  end=$({dig} +noall +answer {quote(self.host)} A |
    awk '$4 == "CNAME" {{ name = $5 }} $4 == "A" && !name {{ name = $5 }} END {{ print name }}')
  if [ -z "$end" ]; then continue; fi
  if [ -z "${{places[$end]:-}}" ]; then
    address=$({dig} +short "$end" A | grep -E '^[0-9.]+$' | head -n 1 || true)
    places[$end]="${{address:-${{end%.}}}}:{port}"
  fi
  {self._curl(through)}
done"""

    @property
    def _default(self) -> int:
        return {"http": 80, "https": 443}[self.scheme]

    def _curl(self, through: str) -> str:
        at = "" if through or self.port in (None, self._default) else f":{self.port}"
        asked = f"curl -sS --max-time 5 {through}{quote(f'{self.scheme}://{self.host}{at}{self.path}')}"
        if self.in_body:
            return f"{asked} | python3 -c {quote(TAG)} {quote(self.tag)} {quote(self.blue)} {quote(self.green)} || true"
        wanted = quote(self.tag.lower() + ":")
        tag = f'awk -v wanted={wanted} \'tolower($1) == wanted {{ sub(/\\r$/, ""); $1 = ""; sub(/^ /, ""); print }}\''
        sides = f"{quote(self.blue)}) echo blue;; {quote(self.green)}) echo green;;"
        return f'case "$({asked} -o /dev/null -D - | {tag})" in {sides} esac'


# Its arguments are the field, and the values that stand for blue and for green.
TAG = """\
import functools, json, sys
field, blue, green = sys.argv[1:]
value = functools.reduce(lambda found, key: found[key], field.split("."), json.load(sys.stdin))
print({blue: "blue", green: "green"}.get(str(value), "other"))"""


class _Over:
    """Ends a connection `seconds` from now, whatever still trickles in: a socket's own timeout begins anew with every byte."""

    def __init__(self, connection: http.client.HTTPConnection, seconds: float) -> None:
        self.ended = False
        self._connection = connection
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def connect(self) -> None:
        self._connection.connect()
        self._socket = self._connection.sock  # which the connection forgets as soon as the response has begun

    def cancel(self) -> None:
        self._timer.cancel()
        self._timer.join()

    def _end(self) -> None:
        self.ended = True
        with suppress(OSError):
            if (found := self._socket or self._connection.sock) is not None:
                found.shutdown(socket.SHUT_RDWR)


class _Placed(http.client.HTTPSConnection):
    """A connection to one address that asks for `host`, in the certificate too."""

    def __init__(self, host: str, address: str, port: int) -> None:
        super().__init__(host, port, timeout=TIMEOUT, context=_trusted())
        self._place = (address, port)

    def connect(self) -> None:
        opened = socket.create_connection(self._place, TIMEOUT)
        self.sock = _trusted().wrap_socket(opened, server_hostname=self.host, do_handshake_on_connect=False)
        self.sock.do_handshake()


def _connection(scheme: str, host: str, address: str, port: int) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(address, port, timeout=TIMEOUT)
    return _Placed(host, address, port)


@functools.cache
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context()


def _resolved(name: str) -> list[str]:
    try:
        return addresses_of(name.rstrip("."), socket.AF_INET)
    except Unreachable as error:
        raise NoDraw(error.message) from error


def _field(body: bytes, path: str) -> str | None:
    value: Any = json.loads(body)
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return None if value is None else str(value)
