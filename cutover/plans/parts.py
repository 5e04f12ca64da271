"""The parts of the plan that depend on what an environment has: its hostnames, maintenance, smoke tests and soaks."""

from dataclasses import dataclass, replace
from typing import Any

from cutover.aws.alb import AlbAttach, AlbShare, TargetsHealthy
from cutover.aws.alb_rules import AlbMaintenance
from cutover.aws.balancer_health import BalancerHealthy
from cutover.aws.document import document
from cutover.aws.route53 import Route53Share
from cutover.core.gate import Check, Gate, Policy
from cutover.core.plan import Item
from cutover.core.share import Share
from cutover.core.step import Step
from cutover.environment import AlbCarrier, Hostname, Route53Carrier
from cutover.net.smoke import SmokeTests
from cutover.net.traffic import TrafficHealthy
from cutover.plans.backup import Recorded
from cutover.plans.checks import AllOf, KeysCanBeAsked, ProbeLands
from cutover.plans.client_route import ClientRoute, client_routes
from cutover.plans.copying import database_checks, with_tables
from cutover.plans.databases import all_of, ways_back
from cutover.plans.means import Means
from cutover.plans.preflight import Preflight
from cutover.plans.ttl import ttl_changed, ttl_waited_out

SHORTEST_LOOK, LONGEST_LOOK = 5.0, 60.0  # seconds of the ledger that one look at the traffic covers


@dataclass(frozen=True)
class Parts:
    """Makes the items that one environment's words ask for, in the order in which they are asked for."""

    means: Means

    # --- prepare -----------------------------------------------------------------------------------------------

    def preflight_checks(self) -> Preflight:
        """Every preflight check with its name."""
        checks: list[tuple[str, Check]] = []
        for pair in self.means.pairs:
            checks += [(pair.named(name), check) for name, check in database_checks(self.means.words(pair), pair)]
            checks += ClientRoute(self.means, pair).preflight_checks()
        if question := self.means.environment.ledger_keys:
            pair = self.means.ledger_pair()
            sides = with_tables(self.means.words(pair), pair)
            checks.append(("ledger-keys", KeysCanBeAsked(sides, question)))
        for name, hostname in self.means.environment.hostnames.items():
            carrier = hostname.carrier
            if isinstance(carrier, AlbCarrier):
                checks.append((f"blue-healthy-{name}", TargetsHealthy(aws=self.means.aws, group=carrier.blue)))
        return Preflight(tuple(checks))

    def preflight_gate(self) -> Gate:
        return Gate(name="preflight", check=self.preflight_checks(), deadline=30.0)

    def record_of_blue(self) -> Step[str]:
        environment, aws = self.means.environment, self.means.aws
        carriers = [(hostname.host, hostname.carrier) for hostname in environment.hostnames.values()]
        balancers = [(c.load_balancer, c.listener_port) for _, c in carriers if isinstance(c, AlbCarrier)]
        balancers += [
            (name, c.listener_port) for _, c in carriers if isinstance(c, Route53Carrier) for name in c.health
        ]
        records = [record for route in client_routes(self.means) for record in route.records()]
        records += [(c.zone, host, c.type) for host, c in carriers if isinstance(c, Route53Carrier)]

        def traffic() -> Any:
            return document(aws, balancers, records)

        file = f"{environment.name}/record-of-blue.json"
        shown = "${CUTOVER_HOME:-.cutover}/" + ("" if environment.world is None else "world/") + file
        path = self.means.state_dir / file
        blues = tuple(pair.blue for pair in self.means.pairs)
        return Recorded(name="record-of-blue", path=path, shown=shown, blues=blues, traffic=traffic)

    def ttl_lowered(self) -> list[Item]:
        return [
            ttl_changed(
                self.means, f"ttl-lowered-{name}", hostname.host, carrier, carrier.ttl.normal, carrier.ttl.cutover
            )
            for name, hostname, carrier in self._route53()
            if carrier.ttl.normal != carrier.ttl.cutover
        ]

    def ttl_waited_out(self) -> list[Item]:
        return [
            ttl_waited_out(self.means, f"ttl-waited-out-{name}", hostname.host, carrier, f"ttl-lowered-{name}")
            for name, hostname, carrier in self._route53()
            if carrier.ttl.normal != carrier.ttl.cutover
        ]

    def ttl_restored(self) -> list[Item]:
        return [
            ttl_changed(
                self.means, f"ttl-restored-{name}", hostname.host, carrier, carrier.ttl.cutover, carrier.ttl.normal
            )
            for name, hostname, carrier in self._route53()
            if carrier.ttl.normal != carrier.ttl.cutover
        ]

    def green_attached(self) -> list[Item]:
        return [
            AlbAttach(
                name=f"green-attached-{name}",
                aws=self.means.aws,
                load_balancer=carrier.load_balancer,
                port=carrier.listener_port,
                blue=carrier.blue,
                green=carrier.green,
            )
            for name, _, carrier in self._alb()
        ]

    def green_healthy(self, name: str) -> list[Item]:
        """Health of green before it gets (more) traffic, one gate over all hostnames."""
        aws = self.means.aws
        checks: list[tuple[str, Check]] = []
        for host, _, alb in self._alb():
            checks.append((host, TargetsHealthy(aws=aws, group=alb.green, at_least=alb.healthy_at_least)))
        for host, _, route53 in self._route53():
            checks += [
                (f"{host} {one}", BalancerHealthy(aws=aws, load_balancer=one, port=route53.listener_port))
                for one in route53.health
            ]
        return [Gate(name=name, check=AllOf(tuple(checks)), deadline=120.0, on_fail=self._policy())] if checks else []

    def green_tested(self) -> list[Item]:
        """Green tested directly before it gets traffic; on the way back the same tests ask blue."""
        green, blue = self.smoke("green"), self.smoke("blue")
        return [Gate(name="green-tested", check=green, on_rollback=blue)] if green is not None else []

    # --- window ------------------------------------------------------------------------------------------------

    def maintenance(self, *, on: bool) -> list[Item]:
        wanted = self.means.environment.maintenance
        if wanted.kind == "none":
            return []
        steps: list[Item] = []
        for balancer in wanted.load_balancers:
            step = AlbMaintenance(
                name=f"maintenance-on-{balancer}",
                aws=self.means.aws,
                load_balancer=balancer,
                port=self._listener_port(balancer),
                priority=wanted.priority,
                methods=wanted.methods,
                message=wanted.message,
            )
            off = replace(step, name=f"maintenance-off-{balancer}", before=step.after, after=step.before)
            steps.append(step if on else off)
        return steps

    def probe_write(self, *, serving: str) -> list[Item]:
        """A checkout by the application's own route: only one side accepts writes, so it must have landed there."""
        smoke, question = self.smoke(serving, keyword="checkout"), self.means.environment.ledger_keys
        if smoke is None:
            return []
        pair = self.means.ledger_pair()
        check = smoke if question is None else ProbeLands(smoke, pair.green, pair.blue, question)
        return [Gate(name="probe-write", check=check, on_fail=Policy.ROLLBACK)]

    # --- shift and bake ----------------------------------------------------------------------------------------

    def traffic(self, before: Share, after: Share) -> list[Item]:
        """One move per hostname, by the provider that carries its share."""
        steps: list[Item] = []
        for name, _, alb in self._alb():
            steps.append(
                AlbShare(
                    name=f"traffic-{name}-{after.percent.normalize():f}",
                    before=before,
                    after=after,
                    aws=self.means.aws,
                    load_balancer=alb.load_balancer,
                    port=alb.listener_port,
                    blue=alb.blue,
                    green=alb.green,
                    healthy_at_least=alb.healthy_at_least,
                )
            )
        for name, hostname, route53 in self._route53():
            steps.append(
                Route53Share(
                    name=f"traffic-{name}-{after.percent.normalize():f}",
                    before=before,
                    after=after,
                    aws=self.means.aws,
                    zone=route53.zone,
                    record=hostname.host,
                    record_type=route53.type,
                    blue=route53.blue,
                    green=route53.green,
                )
            )
        return steps

    def smoke_after_shift(self) -> list[Item]:
        check = self.smoke("green")
        return [Gate(name="smoke-green", check=check, on_fail=self._policy())] if check is not None else []

    def soak(self, percent: float, seconds: float) -> Gate:
        """Green stays well at this share for the whole soak: by the ledger of the probes, else by its targets' health."""
        limits, ledger = self.means.environment.shift.limits, self.means.environment.ledger
        span = min(max(seconds, SHORTEST_LOOK), LONGEST_LOOK)
        checks: list[tuple[str, Check]] = ways_back(self.means)
        if ledger is not None:
            checks.append(
                (
                    "traffic",
                    TrafficHealthy(
                        ledger=self.means.ledger_path,
                        seconds=span,
                        error_rate=limits.error_rate,
                        p95_ms=limits.p95_ms,
                        at_least=limits.at_least,
                    ),
                )
            )
        checks += [
            (f"{name} {c.green}", TargetsHealthy(aws=self.means.aws, group=c.green)) for name, _, c in self._alb()
        ]
        return Gate(
            name=f"soak-{percent:g}", check=AllOf(tuple(checks)), deadline=300.0, hold=seconds, on_fail=self._policy()
        )

    def checklist(self) -> list[Item]:
        items: list[Item] = []
        for line in self.means.environment.checklist:
            check = self.smoke("green", keyword=line.smoke) if line.smoke else None
            if check is not None:
                items.append(Gate(name=f"checklist-{line.name}", check=check, on_fail=self._policy()))
        return items

    def way_back_warm(self) -> Gate:
        return Gate(
            name="bake",
            check=all_of(ways_back(self.means)),
            deadline=300.0,
            hold=self.means.environment.bake.soak,
            lapse=300.0,
            on_fail=Policy.HOLD,
        )

    # --- shared ------------------------------------------------------------------------------------------------

    def _alb(self) -> list[tuple[str, Hostname, AlbCarrier]]:
        found = self.means.environment.hostnames.items()
        return [(name, h, h.carrier) for name, h in found if isinstance(h.carrier, AlbCarrier)]

    def _route53(self) -> list[tuple[str, Hostname, Route53Carrier]]:
        found = self.means.environment.hostnames.items()
        return [(name, h, h.carrier) for name, h in found if isinstance(h.carrier, Route53Carrier)]

    def _listener_port(self, balancer: str) -> int:
        """The port on which a load balancer serves one of the hostnames; 80 for one that no hostname names."""
        ports = {alb.load_balancer: alb.listener_port for _, _, alb in self._alb()}
        ports |= {name: route53.listener_port for _, _, route53 in self._route53() for name in route53.health}
        return ports.get(balancer, 80)

    def _policy(self) -> Policy:
        return Policy(self.means.environment.shift.on_failure)

    def smoke(self, side: str, keyword: str = "") -> SmokeTests | None:
        """The smoke tests against one side, None where the environment names no address of it."""
        url, wanted = self.means.url(side), self.means.environment.smoke
        if url is None:
            return None
        ref = wanted.blue if side == "blue" else wanted.green
        shown = f"${ref.name}" if ref is not None and ref.kind == "env" else str(ref)
        return SmokeTests(
            folder=wanted.path,
            url=url,
            url_shell=shown,
            keyword=keyword,
            timeout=wanted.timeout,
            read_only=self.means.read_only,
        )
