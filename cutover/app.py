"""Opens one environment: the only place that wires words to adapters."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cutover.aws.client_name import ClientName
from cutover.aws.session import Aws
from cutover.core.errors import ConfigurationRefused
from cutover.core.lease import Lease
from cutover.core.plan import Plan
from cutover.environment import ClientCname, Environment, PgBouncer, Ref, load
from cutover.environment import Database as Words
from cutover.plans.blue_green import blue_green, finish
from cutover.plans.means import Means
from cutover.postgres.clients import Clients
from cutover.postgres.moving import Fence
from cutover.postgres.pair import DatabasePair
from cutover.postgres.pgbouncer import Pool
from cutover.postgres.session import Database
from cutover.state.sqlite import SqliteState

DIRECTORY = Path("environments")


def home() -> Path:
    """Where journals, records and the local world are kept: $CUTOVER_HOME, else .cutover in this folder."""
    return Path(os.environ.get("CUTOVER_HOME") or ".cutover").absolute()


@dataclass
class App:
    """One environment, wired; `read_only` makes every connection unable to write (dry-run)."""

    environment: Environment
    means: Means
    plan: Plan
    finish: Plan
    home: Path
    lease: list[Lease] = field(default_factory=list)

    @property
    def state_path(self) -> Path:
        return self.means.state_dir / f"{self.environment.name}.sqlite"

    def state(self) -> SqliteState:
        """The journal and lease of this environment; the caller closes it."""
        return SqliteState(self.state_path)

    def plan_named(self, name: str) -> Plan:
        return self.finish if name == "finish" else self.plan


def open_environment(name: str, *, read_only: bool = False, directory: Path = DIRECTORY) -> App:
    """The environment of that name, wired and not connected; raises ConfigurationRefused with every problem."""
    environment = load(name, directory)
    place = home()
    lease: list[Lease] = []
    values = _values(environment, place)
    aws = Aws(region=environment.aws.region, profile=environment.aws.profile, read_only=read_only)
    means = Means(
        environment=environment,
        pairs=tuple(_pair(words, name, values, aws, read_only) for name, words in environment.every_database.items()),
        aws=aws,
        # What is known of a local world ends with it: a new one must not be taken for a half-done cutover.
        state_dir=place if environment.world is None else place / "world",
        values=values,
        token=lambda: lease[-1].token if lease else 0,
        read_only=read_only,
    )
    return App(environment, means, blue_green(means), finish(means), place, lease)


def _pair(words: Words, name: str, values: Callable[[], Mapping[str, str]], aws: Aws, read_only: bool) -> DatabasePair:
    """One database on both sides; `name` is empty where there is only one."""

    def database(side: str, ref: Ref, role: str) -> Database:
        variable = _variable(name or words.name, role, ref)
        return Database(side, variable, lambda: ref.resolve(values(), _fetch(aws)), read_only, name)

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
        pool=_clients(words, name, values, aws),
    )


def _clients(words: Words, name: str, values: Callable[[], Mapping[str, str]], aws: Aws) -> Clients | None:
    """What leads clients to a side, where the environment says that they do not find it by themselves."""
    clients, fetch = words.clients, _fetch(aws)
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
        admin=lambda: clients.admin.resolve(values(), fetch),
        addresses=lambda side: refs[side].resolve(values(), fetch),
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


def _fetch(aws: Aws) -> Callable[[str, str], str]:
    def fetch(kind: str, name: str) -> str:
        if kind == "ssm":
            answer = aws.client("ssm").get_parameter(Name=name, WithDecryption=True)
            return str(answer["Parameter"]["Value"])
        if kind == "secretsmanager":
            return str(aws.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"])
        raise ConfigurationRefused([f"{kind}:{name}: no such kind of reference"])

    return fetch
