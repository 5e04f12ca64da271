"""A hostname whose share is the weight of two record sets, and whose TTL is short while it moves."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from cutover.aws.balancer_health import BalancerHealthy
from cutover.aws.listener import Missing
from cutover.aws.permission import Permission
from cutover.aws.record_group import ALIAS_TTL, RecordName
from cutover.aws.record_sides import RecordSides
from cutover.aws.route53 import Route53Share
from cutover.aws.route53_alias import AliasTargetsCount
from cutover.aws.route53_gone import BlueOutOfRecords
from cutover.aws.route53_group import GroupCanBeMoved
from cutover.aws.route53_weighted import Route53Weighted
from cutover.aws.side_health import SideHealth, SidesJudged
from cutover.core.clock import Deadline
from cutover.core.plan import Item
from cutover.core.share import Share
from cutover.core.step import Step
from cutover.core.witness import Witness
from cutover.environment import Route53Carrier
from cutover.net.dns_chain import LeadsHere
from cutover.net.drawn_names import NameServerDraws
from cutover.plans.carried import Carried, Named
from cutover.plans.ttl import old_answers_gone, ttl_changed, ttl_visible, ttl_waited_out, zone_words

LISTED_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class RecordDraws(NameServerDraws):
    """Draws whose answers are told apart by the record sets themselves."""

    sides: RecordSides

    def permissions(self) -> Iterable[Permission]:
        return self.sides.permissions()


@dataclass(frozen=True)
class CarriedByRoute53(Carried):
    words: Route53Carrier

    def share(self, before: Share, after: Share) -> Step[Any]:
        private, vpc = zone_words(self.words)
        return Route53Share(
            name=self.step_name(after),
            before=before,
            after=after,
            aws=self.means.aws,
            zone=self.words.zone,
            record=self.host,
            record_type=self.words.type,
            blue=self.words.blue,
            green=self.words.green,
            private=private,
            vpc=vpc,
            health=self.words.health,
            listener_port=self.words.listener_port,
            fail_back=self.words.fail_back == "allowed",
        )

    def preflight(self) -> Named:
        words, ttl = self.words, self.words.ttl
        checks: Named = [(f"records-{self.name}", self._can_be_moved(self._weighted()))]
        judged = SidesJudged(
            where=self._where,
            blue=words.blue,
            green=words.green,
            health=SideHealth(self.means.aws, words.health, words.listener_port),
            weighted=self._weighted(),
        )
        checks.append((f"health-{self.name}", judged))
        if words.alias:
            sides = (words.blue, words.green)
            checks.append((f"alias-{self.name}", AliasTargetsCount(where=self._where, sides=sides, needed=False)))
        longest = ALIAS_TTL if ttl is None else ttl.normal
        checks.append((f"name-servers-{self.name}", ttl_visible(self.means, self.host, words, longest)))
        if words.above:
            servers = None if words.private else self.means.dns_servers()
            above = tuple((one.name, one.ttl) for one in words.above)
            checks.append((f"names-above-{self.name}", LeadsHere(host=self.host, above=above, servers=servers)))
        return checks

    def ttl_lowered(self) -> list[Item]:
        ttl, weighted = self.words.ttl, self._weighted()
        lowered = self._ttl("ttl-lowered", ttl.normal, ttl.cutover) if ttl is not None else []
        return [*lowered, *([weighted] if weighted is not None else [])]

    def waited_out(self) -> list[Item]:
        ttl = self.words.ttl
        if ttl is None or ttl.normal == ttl.cutover:
            return []
        lowered = f"ttl-lowered-{self.name}"
        return [ttl_waited_out(self.means, f"ttl-waited-out-{self.name}", self.host, self.words, ttl, lowered)]

    def restored(self) -> list[Item]:
        ttl = self.words.ttl
        gone = old_answers_gone(
            self.means, f"old-answers-gone-{self.name}", self.host, self.words, self.step_name(Share.of(100))
        )
        return [gone, *(self._ttl("ttl-restored", ttl.cutover, ttl.normal) if ttl is not None else [])]

    def zone(self) -> str | None:
        return None if self.words.private else self.words.zone

    def remembered(self) -> float:
        return ALIAS_TTL if self.words.ttl is None else self.words.ttl.normal

    def follows(self) -> float:
        ttl = self.words.ttl
        return ALIAS_TTL if ttl is None else ttl.cutover + ttl.slack

    def name_draws(self) -> Witness | None:
        if self.words.private:  # its name servers cannot be reached
            return None
        sides = RecordSides(self._where, self.words.blue, self.words.green)
        return RecordDraws(
            zone=self.words.zone,
            record=self.host,
            record_type=self.words.type,
            sides=sides,
            sides_shell=sides.shell(),
            servers=self.means.dns_servers(),
        )

    def _ttl(self, verb: str, before: int, after: int) -> list[Item]:
        if before == after:
            return []
        return [ttl_changed(self.means, f"{verb}-{self.name}", self.host, self.words, before, after)]

    def healthy(self) -> Named:
        words, aws, port = self.words, self.means.aws, self.words.listener_port
        checks: Named = [
            (f"{self.name} {one}", BalancerHealthy(aws=aws, load_balancer=one, port=port)) for one in words.health
        ]
        if words.alias:
            checks.append((f"{self.name} alias", AliasTargetsCount(where=self._where, sides=(words.green,))))
        return [*checks, (f"{self.name} records", self._can_be_moved())]

    def names(self) -> list[RecordName]:
        return [self._where]

    def retired(self) -> list[Item]:
        return [
            BlueOutOfRecords(
                name=f"blue-out-of-{self.name}",
                aws=self.means.aws,
                zone=self.words.zone,
                record=self.host,
                record_type=self.words.type,
                blue=self.words.blue,
                green=self.words.green,
                private=zone_words(self.words)[0],
                vpc=zone_words(self.words)[1],
            )
        ]

    def balancers(self) -> list[tuple[str, int]]:
        return [(name, self.words.listener_port) for name in self.words.health]

    def records(self) -> list[tuple[str, str, str]]:
        return [] if self.words.private else [(self.words.zone, self.host, self.words.type)]

    def documents(self) -> list[tuple[str, Callable[[], Any]]]:
        return [(f"{self.host} {self.words.type}", self._as_listed)] if self.words.private else []

    # --- shared ------------------------------------------------------------------------------------------------

    @property
    def _where(self) -> RecordName:
        words = self.words
        return RecordName(self.means.aws, words.zone, self.host, words.type, *zone_words(words))

    def _as_listed(self) -> Any:
        try:
            return self._where.records(Deadline.after(LISTED_SECONDS))
        except Missing as missing:
            return str(missing)

    def _can_be_moved(self, weighted: Route53Weighted | None = None) -> GroupCanBeMoved:
        words = self.words
        return GroupCanBeMoved(
            where=self._where,
            blue=words.blue,
            green=words.green,
            ttls=() if words.ttl is None else (words.ttl.normal, words.ttl.cutover),
            fail_back=words.fail_back,
            weighted=weighted,
        )

    def _weighted(self) -> Route53Weighted | None:
        words, (private, vpc) = self.words, zone_words(self.words)
        if words.migrate is None:
            return None
        return Route53Weighted(
            name=f"made-weighted-{self.name}",
            aws=self.means.aws,
            zone=words.zone,
            record=self.host,
            record_type=words.type,
            blue=words.blue,
            green=words.green,
            target=words.migrate.green,
            target_ipv6=words.migrate.green_ipv6 or "",
            private=private,
            vpc=vpc,
        )
