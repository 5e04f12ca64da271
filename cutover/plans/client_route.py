"""The parts of the plan that lead clients to the other side, where they do not find it by themselves."""

from dataclasses import dataclass

from cutover.aws.client_name import ClientName, ClientNameReady
from cutover.core.gate import Check, Gate, Policy
from cutover.core.plan import Item
from cutover.environment import ClientCname
from cutover.net.dns_name import NameLeads
from cutover.plans.checks import AllOf
from cutover.plans.means import Means
from cutover.plans.ttl import ttl_changed, ttl_waited_out
from cutover.postgres.drained import ClientsDrained
from cutover.postgres.pair import DatabasePair
from cutover.postgres.pgbouncer import Pool
from cutover.postgres.pgbouncer_ready import PoolReady


@dataclass(frozen=True)
class SideLeft(AllOf):
    """Clients that resolve an old answer come back to the side that they were sent away from, and each of their writes fails.

    Every name server has to lead to the other side, and who still comes is sent away again, until nobody has come for as
    long as old answers live. Who comes after that keeps addresses for longer than they are valid: restart it.
    """


@dataclass(frozen=True)
class ClientRoute:
    """Makes the items that `database.clients` asks for; none, where clients find the open side by themselves."""

    means: Means
    pair: DatabasePair

    def preflight_checks(self) -> list[tuple[str, Check]]:
        route, words, named = self.pair.pool, self._words, self.pair.named
        if isinstance(route, Pool):
            return [(named("pgbouncer"), PoolReady(route))]
        if isinstance(route, ClientName) and words is not None:
            return [(named("client-name"), ClientNameReady(route, (words.ttl.normal, words.ttl.cutover)))]
        return []

    def records(self) -> list[tuple[str, str, str]]:
        """(zone, name, type) of what the record of blue is to keep."""
        words = self._words
        return [] if words is None else [(words.zone, words.record, words.type)]

    def ttl_lowered(self) -> list[Item]:
        return self._ttl("clients-ttl-lowered", lowered=True)

    def ttl_restored(self) -> list[Item]:
        return self._ttl("clients-ttl-restored", lowered=False)

    def ttl_waited_out(self) -> list[Item]:
        words, named = self._with_a_lower_ttl, self.pair.named
        if words is None:
            return []
        lowered = named("clients-ttl-lowered")
        return [ttl_waited_out(self.means, named("clients-ttl-waited-out"), words.record, words, words.ttl, lowered)]

    def led_to_blue(self) -> list[Item]:
        """The last look before the window; on the way back it comes after blue was opened, and asks whether green was left."""
        words = self._words
        if words is None:
            return []
        left = self._left(words, "green", "blue")
        return [
            Gate(
                name=self.pair.named("clients-led-to-blue"),
                check=self._leads(words, "blue"),
                deadline=words.drain.deadline,
                on_rollback=left,
                hold_back=self._hold(words),
            )
        ]

    def drained(self) -> list[Item]:
        """Blue was left: every name server leads to green, and no client has come to blue for as long as old answers live."""
        words = self._words
        if words is None:
            return []
        return [
            Gate(
                name=self.pair.named("clients-drained"),
                check=self._left(words, "blue", "green"),
                deadline=words.drain.deadline,
                hold=self._hold(words),
                on_fail=Policy.HOLD,
            )
        ]

    # --- shared ------------------------------------------------------------------------------------------------

    @property
    def _words(self) -> ClientCname | None:
        words = self.means.words(self.pair).clients
        return words if isinstance(words, ClientCname) else None

    @property
    def _with_a_lower_ttl(self) -> ClientCname | None:
        words = self._words
        return words if words is not None and words.ttl.normal != words.ttl.cutover else None

    def _left(self, words: ClientCname, left: str, serving: str) -> Check:
        database = self.pair.blue if left == "blue" else self.pair.green
        drained = ClientsDrained(database, words.drain.spared)
        return SideLeft((("name", self._leads(words, serving)), ("sessions", drained)))

    def _leads(self, words: ClientCname, side: str) -> NameLeads:
        wanted = words.blue if side == "blue" else words.green
        return NameLeads(zone=words.zone, record=words.record, wanted=wanted, servers=self.means.dns_servers())

    def _hold(self, words: ClientCname) -> float:
        # Counted from when every server has the new answer, so that afterwards no cache that keeps to the TTL has the old one.
        return words.ttl.cutover + words.drain.hold

    def _ttl(self, name: str, *, lowered: bool) -> list[Item]:
        words = self._with_a_lower_ttl
        if words is None:
            return []
        normal, lower = words.ttl.normal, words.ttl.cutover
        before, after = (normal, lower) if lowered else (lower, normal)
        return [ttl_changed(self.means, self.pair.named(name), words.record, words, before, after)]


def client_routes(means: Means) -> tuple[ClientRoute, ...]:
    """The route of each database's clients."""
    return tuple(ClientRoute(means, pair) for pair in means.pairs)
