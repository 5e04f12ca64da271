"""The name that database clients connect to: one simple CNAME in Route 53 that leads to blue's or to green's endpoint."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from shlex import quote
from typing import ClassVar

from cutover.aws.listener import Missing
from cutover.aws.permission import Permission
from cutover.aws.record_group import Record, RecordName, await_insync, each, policy, send
from cutover.aws.route53_claim import taken
from cutover.aws.route53_permission import records_read, records_written
from cutover.aws.route53_zone import canonical
from cutover.aws.session import OBSERVE_SECONDS, Aws
from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError, NotConverged, StepFailed, Unreachable
from cutover.core.gate import Check, Finding

DIRECT_SECONDS = 5.0  # for all calls together: clients find the open side only after them
SETTLE_SECONDS = 20.0

# The batch for the one record on stdin, nothing when it leads there already; the first argument is where, all are known.
LEAD = """\
import json, sys
known = sys.argv[1:]
records = json.load(sys.stdin)
there = [one["Value"].rstrip(".").lower() for record in records for one in record.get("ResourceRecords", [])]
if len(there) != 1 or there[0] not in known or "SetIdentifier" in records[0]:
    sys.exit("the name is not one simple record that leads to blue or to green; nothing was written")
if there[0] != known[0]:
    led = {**records[0], "ResourceRecords": [{"Value": known[0]}]}
    steps = (("DELETE", records[0]), ("CREATE", led))
    print(json.dumps({"Changes": [{"Action": action, "ResourceRecordSet": one} for action, one in steps]}))"""


@dataclass(frozen=True)
class ClientName:
    """Leads clients to a side by the CNAME `record` in the public zone `zone`; `blue` and `green` are the endpoints' names.

    Nobody is paused: who resolves the old answer comes to the fenced side until its TTL has run out.
    """

    states: ClassVar[tuple[str, ...]] = ("blue", "green")

    aws: Aws
    zone: str
    record: str
    blue: str
    green: str
    _sent: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def name(self) -> RecordName:
        return RecordName(self.aws, self.zone, self.record, "CNAME")

    def records_changed(self) -> Sequence[RecordName]:
        return (self.name,)

    def endpoint(self, side: str) -> str:
        return self.blue if side == "blue" else self.green

    def where(self) -> str:
        """`blue`, `green`, or what is unusual about the name; raises AwsError when Route 53 does not answer within 5 s."""
        try:
            return self.state(self.name.records(Deadline.after(OBSERVE_SECONDS)))
        except Missing as missing:
            return str(missing)

    def state(self, records: list[Record]) -> str:
        """The same of records that were listed."""
        kinds = [policy(record) if "AliasTarget" not in record else "alias" for record in records]
        if kinds != ["simple"]:
            return f"not one simple record: {', '.join(kinds)}"
        values = [canonical(one["Value"]) for one in records[0]["ResourceRecords"]]
        known = {canonical(self.blue): "blue", canonical(self.green): "green"}
        return known.get(values[0], values[0]) if len(values) == 1 else f"{len(values)} values"

    def pause(self) -> None:
        """A name makes nobody wait."""

    def resume(self) -> None:
        """Nobody was paused."""

    def direct_to(self, side: str) -> None:
        """Sends the change, and does not wait until it is in sync; raises StepFailed when it is not known to be accepted."""
        led = each(partial(_led_to, endpoint=self.endpoint(side)))
        try:
            sent = send(self.name, led, self.state, ("blue", "green"), Deadline.after(DIRECT_SECONDS))
        except (Unreachable, StepFailed) as error:
            raise StepFailed(f"{self.record} does not lead clients to {side} yet: {error.message}") from error
        if sent is not None:
            self._sent.append(sent)

    def settle(self) -> None:
        """Waits until the change is in sync, at most 20 s; what is not by then is seen by who asks the name servers next."""
        if self._sent:
            with suppress(Unreachable, NotConverged):
                await_insync(self.aws, self._sent[-1], Deadline.after(SETTLE_SECONDS))

    def permissions(self) -> Sequence[Permission]:
        return records_written(self.name)

    # --- the same for a person -----------------------------------------------------------------------------------

    def functions(self) -> str:
        """Shell functions `pause_clients` and `direct_clients blue|green`, for the switch's script."""
        both = f"{quote(canonical(self.blue))} {quote(canonical(self.green))}"
        change = (
            f'{self.aws.shell()} route53 change-resource-record-sets --hosted-zone-id "$zone" --change-batch "$batch"'
        )
        return f"""aws() {{ AWS_PAGER= timeout 20 aws "$@"; }}  # a link that hangs ends, too
pause_clients() {{ :; }}  # a name makes nobody wait
direct_clients() {{
  local to zone records batch
  case $1 in blue) to={quote(canonical(self.blue))} ;; green) to={quote(canonical(self.green))} ;; esac
  {self.name.zone_shell()} &&
  records=$({self.name.list_shell()} --output json) &&
  batch=$(python3 -c '{LEAD}' "$to" {both} <<<"$records") &&
  {{ [ -z "$batch" ] || {change} >/dev/null; }} ||
  {{ echo "{self.record} does not lead clients to $1 yet; run this again" >&2; return 1; }}
}}"""

    def where_shell(self) -> str:
        """The command with which a person sees where the name leads; its last line is `clients: SIDE`."""
        known = "".join(
            f' to == "{canonical(endpoint)}" ? "{side}" :'
            for side, endpoint in (("blue", self.blue), ("green", self.green))
        )
        each = 'to = tolower($2); sub(/\\.$/, "", to); odd = $3 != "None"'
        told = f'"clients: " (NR != 1 || odd ? "not one simple record" :{known} to)'
        return self.name.show("Type,ResourceRecords[0].Value,SetIdentifier", each, told)


@dataclass(frozen=True)
class ClientNameReady(Check):
    """Clients can only be led over by one simple record that leads to blue now; a second one, or a policy, would split them.

    Its TTL must be the one of the environment file: how long old answers live on is counted by it.
    """

    clients: ClientName
    ttls: tuple[int, ...]

    def look(self) -> Finding:
        clients = self.clients
        see = "see database.clients in the environment file"
        try:
            deadline = Deadline.after(OBSERVE_SECONDS)
            zone = clients.name.hosted.id(deadline)
            records = clients.name.listed(zone, deadline)
            in_the_way = taken(clients.name, zone, deadline)
        except Missing as missing:
            return Finding.failed(str(missing), see)
        except CutoverError as error:
            return Finding.blind(error.message)
        if in_the_way:
            return Finding.failed(in_the_way, "give what is there another name")
        where = clients.state(records)
        if where != "blue":
            told = f"leads clients to {where}" if len(records) == 1 and " " not in where else f"is {where}"
            return Finding.failed(f"{clients.record} {told}; wanted one simple CNAME to {clients.blue} (blue)", see)
        ttl = int(records[0]["TTL"])
        if ttl not in self.ttls:
            wanted = " or ".join(str(one) for one in dict.fromkeys(self.ttls))
            return Finding.failed(
                f"the TTL of {clients.record} is {ttl} s, wanted {wanted}", "correct ttl.normal there"
            )
        return Finding.passed(f"{clients.record} leads clients to blue, TTL {ttl} s")

    def permissions(self) -> Sequence[Permission]:
        return records_read(self.clients.name)

    def shell(self) -> str:
        return self.clients.where_shell()


def _led_to(record: Record, endpoint: str) -> Record:
    if [canonical(one["Value"]) for one in record["ResourceRecords"]] == [canonical(endpoint)]:
        return record  # written in another way, and nothing to change
    return {**record, "ResourceRecords": [{"Value": endpoint}]}
