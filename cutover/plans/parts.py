"""The parts of the plan that depend on what an environment has: its hostnames, maintenance, smoke tests and soaks."""

from dataclasses import dataclass, replace
from functools import cached_property

from cutover.aws.account import AccountIsOurs
from cutover.aws.alb_maintenance_check import MaintenanceFits
from cutover.aws.alb_rules import AlbMaintenance
from cutover.aws.document import Documents
from cutover.core.gate import Check, Gate, Policy
from cutover.core.plan import Item
from cutover.core.share import Share
from cutover.core.step import Step
from cutover.net.smoke import SmokeTests
from cutover.net.traffic import TrafficHealthy
from cutover.plans.backup import Recorded, backup_of
from cutover.plans.carried import Carried
from cutover.plans.carriers import carried
from cutover.plans.checklist import AFTER, READY, gates
from cutover.plans.checks import AllOf, KeysCanBeAsked, LeftToGuards, ProbeLands
from cutover.plans.client_route import ClientRoute, client_routes
from cutover.plans.compared import can_be_compared
from cutover.plans.copying import database_checks, with_tables
from cutover.plans.databases import all_of, ways_back
from cutover.plans.means import Means
from cutover.plans.observed import share_observed
from cutover.plans.preflight import Preflight
from cutover.plans.tested import tested
from cutover.plans.work import work_checks, work_documents

SHORTEST_LOOK, LONGEST_LOOK = 5.0, 60.0  # seconds of the ledger that one look at the traffic covers


@dataclass(frozen=True)
class Parts:
    """Makes the items that one environment's words ask for, in the order in which they are asked for."""

    means: Means

    @cached_property
    def carried(self) -> list[Carried]:
        """The hostnames, in the order in which their shares move."""
        return carried(self.means)

    # --- prepare -----------------------------------------------------------------------------------------------

    def preflight_checks(self) -> Preflight:
        """Every preflight check with its name."""
        checks: list[tuple[str, Check]] = []
        if self.means.aws.account is not None:
            checks.append(("aws-account", AccountIsOurs(self.means.aws)))
        for pair in self.means.pairs:
            checks += [(pair.named(name), check) for name, check in database_checks(self.means.words(pair), pair)]
            checks += ClientRoute(self.means, pair).preflight_checks()
        if question := self.means.environment.ledger_keys:
            pair = self.means.ledger_pair()
            sides = with_tables(self.means.words(pair), pair)
            checks.append(("ledger-keys", KeysCanBeAsked(sides, question)))
        for one in self.carried:
            checks += one.preflight()
        checks += [
            (f"maintenance-{step.load_balancer}", MaintenanceFits(step=step))
            for step in self.maintenance(on=True)
            if isinstance(step, AlbMaintenance)
        ]
        checks += work_checks(self.means)
        checks += can_be_compared(self.means)
        return Preflight(tuple(checks))

    def preflight_gate(self) -> Gate:
        return Gate(name="preflight", check=self.preflight_checks(), deadline=30.0)

    def readiness(self) -> list[Item]:
        """What this environment wants to be so before anything is touched."""
        return gates(self.means, self.means.environment.readiness, READY, Policy.STOP)

    def record_of_blue(self) -> Step[str]:
        aws = self.means.aws
        balancers = [balancer for one in self.carried for balancer in one.balancers()]
        records = [record for route in client_routes(self.means) for record in route.records()]
        records += [record for one in self.carried for record in one.records()]
        others = [*(other for one in self.carried for other in one.documents()), *work_documents(self.means)]
        traffic = Documents(aws, balancers, records, others)
        path, shown = self.means.file("record-of-blue.json")
        blues = tuple(pair.blue for pair in self.means.pairs)
        return Recorded(name="record-of-blue", path=path, shown=shown, blues=blues, traffic=traffic)

    def backups(self) -> list[Item]:
        """Blue's rows as they are before anything is touched, where the environment asks for them."""
        wanted = [pair for pair in self.means.pairs if self.means.words(pair).backup.before]
        return [backup_of(self.means, pair, "before") for pair in wanted]

    def ttl_lowered(self) -> list[Item]:
        return [item for one in self.carried for item in one.ttl_lowered()]

    def ttl_waited_out(self) -> list[Item]:
        return [item for one in self.carried for item in one.waited_out()]

    def ttl_restored(self) -> list[Item]:
        return [item for one in self.carried for item in one.restored()]

    def green_attached(self) -> list[Item]:
        return [item for one in self.carried for item in one.attached()]

    def green_healthy(self, name: str) -> list[Item]:
        """Health of green before it gets (more) traffic, one gate over all hostnames."""
        checks = [check for one in self.carried for check in one.healthy()]
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
                hosts=wanted.hosts,
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
        return [one.share(before, after) for one in self.carried]

    def arrived(self, after: Share) -> list[Item]:
        """What shows that the moves have effect; never in the window, where writes would wait for the slowest reader."""
        checks = [check for one in self.carried for check in one.arrived(after)]
        return [Gate(name=name, check=check, deadline=120.0, on_fail=self._policy()) for name, check in checks]

    def observed(self, percent: float) -> list[Item]:
        """Witnesses agree with the share that was asked for, where the environment names any."""
        return share_observed(self.carried, percent)

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
        checks += [check for one in self.carried for check in one.serving()]
        return Gate(
            name=f"soak-{percent:g}",
            check=AllOf(tuple(checks)) if checks else LeftToGuards(),
            deadline=300.0,
            hold=seconds,
            on_fail=self._policy(),
            # What was never bad, and never proven to be well, is for a person to decide.
            on_timeout=Policy.HOLD,
            detaches=True,
        )

    def checklist(self) -> list[Item]:
        return gates(self.means, self.means.environment.checklist, AFTER, self._policy())

    def baked(self) -> Gate:
        """The way back stays warm; where both sides share their databases it needs nothing but a green that serves."""
        checks = ways_back(self.means) or [check for one in self.carried for check in one.serving()]
        return Gate(
            name="bake",
            check=all_of(checks) if checks else LeftToGuards(),
            deadline=300.0,
            hold=self.means.environment.bake.soak,
            lapse=300.0 if self.means.pairs else None,
            # What a way back needs can be mended; a green that does badly is what a way back is for.
            on_fail=Policy.HOLD if self.means.pairs else self._policy(),
            detaches=True,
        )

    def blue_drained(self) -> list[Item]:
        return [item for one in self.carried for item in one.drained()]

    # --- shared ------------------------------------------------------------------------------------------------

    def _listener_port(self, balancer: str) -> int:
        """The port on which a load balancer serves one of the hostnames; 80 for one that no hostname names."""
        return dict(pair for one in self.carried for pair in one.balancers()).get(balancer, 80)

    def _policy(self) -> Policy:
        return Policy(self.means.environment.shift.on_failure)

    def smoke(self, side: str, keyword: str = "") -> SmokeTests | None:
        """The smoke tests against one side, None where the environment names no address of it."""
        return tested(self.means, side, keyword)
