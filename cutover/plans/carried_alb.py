"""A hostname whose share is the weight of two target groups behind one load balancer."""

from dataclasses import dataclass
from typing import Any, TypedDict

from cutover.aws.alb import AlbAttach, AlbShare, TargetsHealthy
from cutover.aws.alb_bypass import NothingBypasses
from cutover.aws.alb_conditions import RuleName
from cutover.aws.alb_drained import Drained
from cutover.aws.alb_gone import BlueOutOfListener
from cutover.aws.alb_groups import GroupsFit
from cutover.aws.alb_stickiness import NOT_STICKY, AlbStickiness, sticky_for
from cutover.aws.counted_requests import CountedRequests
from cutover.aws.session import Aws
from cutover.core.gate import Gate, Policy
from cutover.core.plan import Item
from cutover.core.share import Share
from cutover.core.step import Step
from cutover.core.witness import Witness
from cutover.environment import AlbCarrier
from cutover.plans.carried import Carried, Named


class Place(TypedDict):
    """Where the share stands, as every step and check of it wants to know."""

    aws: Aws
    load_balancer: str
    port: int
    rule: RuleName | None


@dataclass(frozen=True)
class CarriedByAlb(Carried):
    words: AlbCarrier

    def share(self, before: Share, after: Share) -> Step[Any]:
        return AlbShare(
            name=self.step_name(after),
            before=before,
            after=after,
            blue=self.words.blue,
            green=self.words.green,
            healthy_at_least=self.words.healthy_at_least,
            **self._place(),
        )

    def preflight(self) -> Named:
        words, place = self.words, self._place()
        fit = GroupsFit(blue=words.blue, green=words.green, sticky=words.sticky or 0, **place)
        bypassing = NothingBypasses(
            host=self.host, blue=words.blue, green=words.green, accepted=words.bypassing == "tell", **place
        )
        return [
            (f"blue-healthy-{self.name}", TargetsHealthy(aws=self.means.aws, group=words.blue)),
            (f"target-groups-{self.name}", fit),
            (f"bypassing-{self.name}", bypassing),
        ]

    def attached(self) -> list[Item]:
        """Green at weight 0; stickiness goes first, so that from the first share on the weights hold for everybody."""
        attach = AlbAttach(
            name=f"green-attached-{self.name}", blue=self.words.blue, green=self.words.green, **self._place()
        )
        return [*self._sticky("sticky-off", off=True), attach]

    def healthy(self) -> Named:
        words = self.words
        return [
            (self.name, TargetsHealthy(aws=self.means.aws, group=words.green, at_least=words.healthy_at_least)),
        ]

    def serving(self) -> Named:
        return [(f"{self.name} {self.words.green}", TargetsHealthy(aws=self.means.aws, group=self.words.green))]

    def drained(self) -> list[Item]:
        drain, check = self.words.drain, self._drained()
        if drain is None or check is None:
            return []
        return [Gate(name=f"blue-drained-{self.name}", check=check, deadline=drain.deadline, on_fail=Policy.HOLD)]

    def left(self) -> Named:
        check = self._drained()
        return [] if check is None else [(f"{self.name} requests", check)]

    def _drained(self) -> Drained | None:
        drain, words = self.words.drain, self.words
        if drain is None:
            return None
        return Drained(
            aws=self.means.aws,
            load_balancer=words.load_balancer,
            group=words.blue,
            window=drain.window,
            late=drain.late,
        )

    def restored(self) -> list[Item]:
        return self._sticky("sticky-on", off=False)

    def groups(self) -> tuple[str, str]:
        return self.words.blue, self.words.green

    def request_counts(self) -> Witness:
        words = self.words
        return CountedRequests(
            aws=self.means.aws, load_balancer=words.load_balancer, blue=words.blue, green=words.green
        )

    def retired(self) -> list[Item]:
        return [
            BlueOutOfListener(
                name=f"blue-out-of-{self.name}", blue=self.words.blue, green=self.words.green, **self._place()
            )
        ]

    def serving_groups(self) -> list[str]:
        return [self.words.green]

    def balancers(self) -> list[tuple[str, int]]:
        return [(self.words.load_balancer, self.words.listener_port)]

    def _sticky(self, verb: str, *, off: bool) -> list[Item]:
        seconds = self.words.sticky
        if seconds is None:
            return []
        states = (sticky_for(seconds), NOT_STICKY) if off else (NOT_STICKY, sticky_for(seconds))
        before, after = states
        step = AlbStickiness(name=f"{verb}-{self.name}", before=before, after=after, seconds=seconds, **self._place())
        return [step]

    def _place(self) -> Place:
        words = self.words
        rule = None if words.rule is None else RuleName(words.rule.host, words.rule.path or "")
        return Place(aws=self.means.aws, load_balancer=words.load_balancer, port=words.listener_port, rule=rule)
