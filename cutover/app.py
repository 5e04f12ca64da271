"""Opens one environment: the only place that wires words to adapters."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from cutover.aws.bucket import DEFAULT_RATES, rates_of
from cutover.aws.client_name import ClientName
from cutover.aws.secret import Secrets
from cutover.aws.session import Aws
from cutover.core.children import withhold
from cutover.core.errors import ConfigurationRefused
from cutover.core.journal import Entry, Journal, State
from cutover.core.lease import Lease
from cutover.core.plan import Plan
from cutover.counts import Counts
from cutover.environment import ClientCname, Environment, PgBouncer, Ref, load, secret_variables
from cutover.environment import Database as Words
from cutover.figures import Figures
from cutover.looks import Looks
from cutover.plans.blue_green import blue_green, finish
from cutover.plans.decommission import decommission
from cutover.plans.means import Means
from cutover.plans.triggered import recorded_baseline
from cutover.postgres.clients import Clients
from cutover.postgres.moving import Fence
from cutover.postgres.pair import DatabasePair
from cutover.postgres.pgbouncer import Pool
from cutover.postgres.session import Database
from cutover.stores import Place

DIRECTORY = Path("environments")


def home() -> Path:
    """Where journals, records and the local world are kept: $CUTOVER_HOME, else .cutover in this folder.

    Raises ConfigurationRefused where a file stands in its place.
    """
    place = Path(os.environ.get("CUTOVER_HOME") or ".cutover").absolute()
    if next(part for part in (place, *place.parents) if part.exists()).is_dir():
        return place
    raise ConfigurationRefused(
        [f"$CUTOVER_HOME ({place}) is, or lies below, something that is no folder"],
        next_command="export CUTOVER_HOME=~/.cutover",
    )


@dataclass
class App:
    """One environment, wired; `read_only` makes every connection unable to write (dry-run)."""

    environment: Environment
    means: Means
    plan: Plan
    finish: Plan
    decommission: Plan
    home: Path
    place: Place
    lease: list[Lease] = field(default_factory=list)
    held: list[State] = field(default_factory=list)
    """Where the lease was got, while this process works under it."""
    journals: list[Journal] = field(default_factory=list)
    """Of the runs that this process has walked, the newest last."""
    confirmed: set[str] = field(default_factory=set)
    """Resources whose deletion an operator has confirmed by name."""
    looks: Looks | None = None
    """What is measured, while somebody looks."""
    remembered: Callable[[], Sequence[Entry]] | None = None
    """The entries of the last run, from whoever reads the journal on and on anyway."""
    opened: list[State] = field(default_factory=list)
    """Opened, and read, before it is needed: whoever asks for the state next gets it."""

    def state(self) -> State:
        """The journal and lease of this environment; the caller closes it."""
        return self.opened.pop() if self.opened else self.place.open()

    def close(self) -> None:
        """Closes what was opened and not needed."""
        if self.looks is not None:
            self.looks.close()
        while self.opened:
            self.opened.pop().close()

    def recorded(self) -> State | None:
        """The same where something may have been recorded; None, and nothing is made, where surely nothing was."""
        return self.place.open_recorded()

    def plan_named(self, name: str) -> Plan:
        return {"finish": self.finish, "decommission": self.decommission}.get(name, self.plan)

    def began_elsewhere(self) -> float | None:
        """When the last run began, for who only looks at it."""
        entries = self.remembered() if self.remembered is not None else ()
        return entries[0].at if entries else None

    def history(self) -> Sequence[Entry]:
        """The entries of the last run; none when there was none."""
        if self.remembered is not None:
            return self.remembered()
        state = self.recorded()
        if state is None:
            return ()
        try:
            entries = state.entries()
        finally:
            state.close()
        return [entry for entry in entries if entry.run == entries[-1].run]


def open_environment(name: str, *, read_only: bool = False, directory: Path = DIRECTORY) -> App:
    """The environment of that name, wired and not connected; raises ConfigurationRefused with every problem."""
    environment = load(name, directory)
    withhold(secret_variables(environment))
    place = home()
    # What is known of a local world ends with it: a new one must not be taken for a half-done cutover.
    state_dir = place if environment.world is None else place / "world"
    lease: list[Lease] = []
    held: list[State] = []
    journals: list[Journal] = []
    confirmed: set[str] = set()

    def may_write() -> None:
        if held:
            held[-1].check(lease[-1])

    def token() -> int:
        return lease[-1].token if lease else 0

    values = _values(environment, place)
    aws = Aws(
        region=environment.aws.region,
        profile=environment.aws.profile,
        read_only=read_only,
        account=environment.aws.account,
        # A local world's AWS is nobody's account: there is no share of it to leave to others.
        rates=rates_of(environment.aws.rates, {} if environment.world is not None else DEFAULT_RATES),
        may_write=may_write,
        token=token,
    )
    secrets = Secrets(aws)  # one, which remembers
    means = Means(
        environment=environment,
        pairs=tuple(
            _pair(words, name, values, aws, secrets, read_only) for name, words in environment.every_database.items()
        ),
        aws=aws,
        state_dir=state_dir,
        values=values,
        token=token,
        read_only=read_only,
        history=lambda: app.history(),
        confirmed=lambda: confirmed,
        figures=lambda: looks,
        journal=lambda: journals[-1] if journals else None,
        counted=lambda side: counts.of(side),
        fetch=secrets.fetch,
    )
    counts = Counts(means)
    looks = Looks(
        lambda: Figures(means, writes=not read_only),
        lambda: recorded_baseline(means),
        began=lambda: journals[-1].began if journals else app.began_elsewhere(),
    )
    kept = Place(
        environment=environment.name,
        address=lambda: environment.state.resolve(values(), secrets.fetch),
        file=state_dir / f"{environment.name}.sqlite",
        # The store has conditions of its own, and is what is asked. Its bucket is ours alone: nobody's share of an API to spare.
        aws=replace(aws, may_write=None, token=None, rates={}),
    )
    plans = blue_green(means), finish(means), decommission(means)
    app = App(environment, means, *plans, place, kept, lease, held, journals, confirmed, looks=looks)
    return app


def _pair(
    words: Words, name: str, values: Callable[[], Mapping[str, str]], aws: Aws, secrets: Secrets, read_only: bool
) -> DatabasePair:
    """One database on both sides; `name` is empty where there is only one."""

    def database(side: str, ref: Ref, role: str) -> Database:
        variable = _variable(name or words.name, role, ref)
        resolve, forget = partial(_resolved, ref, values, secrets), partial(secrets.forget, ref.kind, ref.name)
        return Database(side, variable, resolve, read_only, name, forget)

    def other_way(side: str, ref: Ref | None, role: str) -> Database | None:
        return None if ref is None else database(side, ref, role)

    fence = words.fence
    return DatabasePair(
        blue=database("blue", words.blue, "blue"),
        green=database("green", words.green, "green"),
        fence=Fence(
            dead_man=fence.dead_man,
            lock_timeout=fence.lock_timeout,
            catch_up=fence.catch_up,
            sequence_margin=fence.sequence_margin,
            validate_changed=words.validation.in_window == "changed",
        ),
        blue_for_green=other_way("blue", words.blue_from_green, "blue_from_green"),
        green_for_blue=other_way("green", words.green_from_blue, "green_from_blue"),
        pool=_clients(words, name, values, aws, secrets),
    )


def _resolved(ref: Ref, values: Callable[[], Mapping[str, str]], secrets: Secrets) -> str:
    return ref.resolve(values(), secrets.fetch)


def _clients(
    words: Words, name: str, values: Callable[[], Mapping[str, str]], aws: Aws, secrets: Secrets
) -> Clients | None:
    """What leads clients to a side, where the environment says that they do not find it by themselves."""
    clients = words.clients
    if isinstance(clients, ClientCname):
        return ClientName(aws, clients.zone, clients.record, clients.blue, clients.green)
    if not isinstance(clients, PgBouncer):
        return None
    refs = {"blue": clients.blue, "green": clients.green}

    def typed(side: str) -> str:
        ref = refs[side]
        return ref.name if ref.kind == "literal" else f"${_variable(name or words.name, f'pgbouncer_{side}', ref)}"

    return Pool(
        database=clients.database,
        file=clients.file,
        variable=_variable(name or words.name, "pgbouncer_admin", clients.admin),
        admin=partial(_resolved, clients.admin, values, secrets),
        forget=partial(secrets.forget, clients.admin.kind, clients.admin.name),
        addresses=lambda side: _resolved(refs[side], values, secrets),
        shown=(typed("blue"), typed("green")),
        pause_timeout=clients.pause_timeout,
    )


def _values(environment: Environment, place: Path) -> Callable[[], Mapping[str, str]]:
    """The process environment, and under it what a local world exports once it is up."""
    if environment.world is None:
        return lambda: os.environ
    file = place / "world" / "env"

    def values() -> Mapping[str, str]:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except OSError:
            return os.environ
        return {**os.environ, **dict(line.split("=", 1) for line in lines if "=" in line)}

    return values


def adopt(app: App) -> None:
    """Puts the variables of a local world into this process's environment, where boto3 and psql look for them."""
    os.environ.update(app.means.values())


def _variable(database: str, role: str, ref: Ref) -> str:
    return ref.name if ref.kind == "env" else f"{database.upper().replace('-', '_')}_{role.upper()}_DSN"
