"""The commands that write what other programs watch with: alerts and dashboards."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.cli.ends import ended, put, say
from cutover.cli.looking import ENV

MONITORING = Path("monitoring")
ALARMS = "cloudwatch-alarms.json"
HELP = {
    "env": ENV,
    "out": "folder to write to; without it monitoring/ENV",
    "check": "end with 2 when a file is missing or stale, write nothing",
    "dry-run": "with --apply or --remove: show what is there and what would be done",
}


@dataclass(frozen=True)
class Order:
    """What was asked of one of the two commands; raises ConfigurationRefused for what cannot be asked at once."""

    command: str
    env: str
    out: str
    check: bool
    apply: bool
    remove: bool
    dry: bool

    def __post_init__(self) -> None:
        from cutover.core.errors import ConfigurationRefused

        if self.check + self.apply + self.remove > 1:
            raise ConfigurationRefused(["--check, --apply and --remove are three things: one of them at a time"])

    @property
    def folder(self) -> Path:
        return Path(self.out) if self.out else MONITORING / self.env

    @property
    def again(self) -> str:
        return f"invoke {self.command} --env {self.env}" + (f" --out {self.out}" if self.out else "")

    @property
    def only_looks(self) -> bool:
        """Whether the files are held against what they should be, and nothing more."""
        return self.check or (self.dry and not (self.apply or self.remove))

    @property
    def writes(self) -> bool:
        return not (self.only_looks or self.remove or self.dry)

    @property
    def acts(self) -> bool:
        """Whether something is brought to other programs, or shown as it would be."""
        return self.apply or self.remove

    def looked(self, found: Mapping[str, str]) -> None:
        """Ends with 2 where one of these files is missing or stale."""
        from cutover.metrics.alert_files import stale

        old = stale(found, self.folder)
        for name in old:
            say(f"{self.folder / name} is {'stale' if (self.folder / name).exists() else 'missing'}")
        if old:
            say(f"next: {self.again}")
            raise Exit(code=2)

    def written(self, found: Mapping[str, str]) -> None:
        """Writes what differs."""
        from cutover.core.errors import Refused
        from cutover.metrics.alert_files import write

        try:
            paths = write(found, self.folder)
        except OSError as error:
            raise Refused(f"{self.folder} cannot be written: {error.strerror}") from error
        for path in paths:
            say(str(path))
        if not paths:
            say(f"{self.folder} is current: nothing to write")

    def brought(self, steps: Iterable[Any]) -> None:
        """Every step on its way, one after the other: a failing one keeps no other from being taken.

        A word in place of a step says why something is left alone, which was asked for and is not done.
        """
        from cutover.alarms import taken
        from cutover.core.errors import CutoverError

        said = []
        for step in steps:
            called = "" if isinstance(step, str) else step.called
            try:
                told = f"✗ {step}" if isinstance(step, str) else taken(step, self.dry)
            except CutoverError as error:
                told = f"✗ {error.message}" + (f" (next: {error.next_command})" if error.next_command else "")
            put(f"  {told[0]} {called:<40} {told[2:]}" if called else f"  {told}")
            said.append(told)
        failed = sum(told.startswith("✗") for told in said)
        if failed:
            say(f"{failed} of {len(said)} {self.command} are not as they should be")
            say(f"next: {self.again} {'--remove' if self.remove else '--apply'} (what is done is not done again)")
            raise Exit(code=1)


@task(
    help={
        **HELP,
        "apply": "make the alarms in CloudWatch too, and have Prometheus read the rules; a second time nothing is written",
        "remove": "take them out of CloudWatch and Prometheus again, write no file",
    }
)
@ended
def alerts(
    c: Context,
    env: str = "",
    out: str = "",
    check: bool = False,
    apply: bool = False,
    remove: bool = False,
    dry_run: bool = False,
) -> None:
    """Write the triggers as Prometheus alerts with unit tests and routes, and as CloudWatch alarms; says what they cannot say. Example: invoke alerts --env prod --check"""
    from cutover.alarms import all_alarms
    from cutover.cli.opening import is_dry, named
    from cutover.metrics.alert_files import BASELINES
    from cutover.monitoring import monitoring_of

    order = Order("alerts", named(env), out, check, apply, remove, is_dry(c, dry_run))
    app = _with_triggers(env)
    made = monitoring_of(app)
    committed = all_alarms(app, {}).written()
    if order.only_looks:
        # Baselines are a run's, not the environment file's: a machine that has not seen the run cannot know them.
        found = {name: text for name, text in made.files({}).items() if name != BASELINES}
        order.looked({**found, ALARMS: committed})
        return
    baselines = _recorded(app)
    alarms = all_alarms(app, baselines or {})
    if order.writes:
        found = {**made.files(baselines or {}), ALARMS: committed}
        if baselines is None and (order.folder / BASELINES).exists():
            del found[BASELINES]  # what was known stays: nothing was learned
        order.written(found)
    if not remove:
        for line in made.channels.by_hand:
            say(f"by hand: {line}")
        _told(made.missing(baselines or {}))
        _told(
            {"not a CloudWatch alarm": alarms.unsaid, "said nearly": alarms.approximate, "tells nobody": alarms.silent}
        )
        both = f"{len(made.alerts.said())} are Prometheus alerts, {len(alarms.documents)} CloudWatch alarms"
        say(f"of {len(made.alerts.rules)} triggers {both}; the program watches all of them")
    if order.acts:
        order.brought(_alert_steps(order, made, alarms, baselines))


def _alert_steps(order: Order, made: Any, alarms: Any, baselines: Mapping[str, float] | None) -> Sequence[Any]:
    """The rules in Prometheus, and the alarms in CloudWatch."""
    from cutover.alarms import steps
    from cutover.cli.opening import opened
    from cutover.core.errors import CutoverError
    from cutover.monitoring import rules_step

    app = opened(order.env, read_only=order.dry)
    try:
        rules = rules_step(app, made, baselines, remove=order.remove)
    except CutoverError as error:
        rules = error.message  # Prometheus may be away: CloudWatch has its alarms all the same
    if rules is None and made.server and order.apply:
        say(
            f"by hand: have Prometheus read the *.rules.yaml in {order.folder}, or write its folder: metrics.sources.{made.server}.rules"
        )
    found, left = steps(app, alarms, remove=order.remove)
    _told({"left alone": left})
    return [*found, *([] if rules is None else [rules])]


@task(
    help={
        **HELP,
        "apply": "make the dashboards in CloudWatch and Grafana too; a second time nothing is written",
        "remove": "take them out of both again, write no file",
    }
)
@ended
def dashboards(
    c: Context,
    env: str = "",
    out: str = "",
    check: bool = False,
    apply: bool = False,
    remove: bool = False,
    dry_run: bool = False,
) -> None:
    """Write the figures as dashboards of Grafana and CloudWatch; says what they do not show. Example: invoke dashboards --env prod --apply"""
    from cutover.app import open_environment
    from cutover.cli.opening import is_dry, named
    from cutover.core.errors import ConfigurationRefused
    from cutover.dashboards import dashboards_of

    order = Order("dashboards", named(env), out, check, apply, remove, is_dry(c, dry_run))
    app = open_environment(env, read_only=True)
    if not app.environment.metrics.figures:
        raise ConfigurationRefused([f"{env} has no figures to show: write them under metrics.figures"])
    made = dashboards_of(app)
    if order.only_looks:
        order.looked(made.files())
        return
    if order.writes:
        order.written(made.files())
    if not remove:
        for view in made.views:
            for reason in view.absent:
                put(f"empty: {view.title}: {reason}")
        for name, reason in made.unshown().items():
            put(f"not shown: {name}: {reason}")
    if order.acts:
        order.brought(_dashboard_steps(order, made))


def _dashboard_steps(order: Order, made: Any) -> Iterator[Any]:
    """CloudWatch's dashboard, and Grafana's: the one is made where the other one's server is away."""
    from cutover.cli.opening import opened
    from cutover.core.errors import CutoverError
    from cutover.dashboards import grafana_step, step

    app = opened(order.env, read_only=order.dry)
    for one in (step, grafana_step):
        try:
            found = one(app, made, remove=order.remove)
        except CutoverError as error:
            found = error.message
        if found is not None:
            yield found
        elif order.apply:
            say(f"by hand: import {order.folder}/grafana.json, or write where Grafana is: metrics.grafana")


def _with_triggers(env: str) -> Any:
    from cutover.app import open_environment
    from cutover.core.errors import ConfigurationRefused

    app = open_environment(env, read_only=True)
    if not app.environment.triggers:
        raise ConfigurationRefused([f"{env} has no trigger to make alerts of: write them under triggers"])
    return app


def _recorded(app: Any) -> dict[str, float] | None:
    """The baselines of the last run; None, and it is said, where its journal cannot be read."""
    from cutover.core.errors import CutoverError
    from cutover.plans.triggered import recorded_baseline

    try:
        return recorded_baseline(app.means)
    except CutoverError as error:
        say(f"the baselines of the last run are not known: {error.message}")
        return None


def _told(missing: Mapping[str, Iterable[Any]]) -> None:
    """What dropped out, by name: nothing does so in silence."""
    for kind, ones in missing.items():
        for one in ones:
            put(f"{kind}: {one.name}: {one.reason}")
