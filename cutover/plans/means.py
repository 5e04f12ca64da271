"""What a plan works with: the environment's words, and the adapters that were wired for it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from cutover.aws.session import Aws
from cutover.core.journal import Entry, Journal
from cutover.core.series import Gap, Reading, Span
from cutover.environment import Database, Environment, Fetch, Ref
from cutover.metrics.compared import Counted
from cutover.metrics.figures import Figures
from cutover.postgres.pair import DatabasePair


class _Nothing:
    def read(self, name: str, side: str, span: Span) -> Reading:
        return Reading.unreachable("nothing is measured here")

    def baseline(self, name: str) -> float | None:
        return None


NOTHING_MEASURED = _Nothing()


def _uncounted(since: float, until: float) -> Gap:
    """Nothing is counted here."""
    return Gap.UNREACHABLE


@dataclass(frozen=True)
class Means:
    """Adapters of one environment; nothing here is open. `values` gives the process environment when it is asked."""

    environment: Environment
    pairs: tuple[DatabasePair, ...]
    """Every database of the cutover on both sides; one without a name, or several with names."""
    aws: Aws
    state_dir: Path
    values: Callable[[], Mapping[str, str]]
    token: Callable[[], int]
    read_only: bool = False
    history: Callable[[], Sequence[Entry]] = tuple
    """The journal's entries of the environment's last run, oldest first."""
    confirmed: Callable[[], Collection[str]] = tuple
    """The resources whose deletion was confirmed by name."""
    journal: Callable[[], Journal | None] = lambda: None
    """The journal of the run under way in this process."""
    figures: Callable[[], Figures] = lambda: NOTHING_MEASURED
    """What is measured, as conditions read it."""
    counted: Callable[[str], Counted] = lambda side: _uncounted
    """What a side counted in a span of time, where the environment compares green with blue."""
    fetch: Fetch | None = None
    """Reads what references to AWS stand for."""

    def value_of(self, ref: Ref) -> Callable[[], str]:
        """What a reference stands for, resolved when it is asked for."""
        return lambda: ref.resolve(self.values(), self.fetch)

    def shell_of(self, ref: Ref) -> str:
        """A word of bash that stands for the same; a secret is fetched when the word is used, and printed nowhere."""
        name = quote(ref.name)
        match ref.kind:
            case "literal":
                return name
            case "env":
                return f'"${ref.name}"'
            case "file":
                return f'"$(cat {name})"'
            case "ssm":
                ask = "ssm get-parameter --with-decryption --query Parameter.Value --output text --name"
            case _:
                ask = "secretsmanager get-secret-value --query SecretString --output text --secret-id"
        return f'"$({self.aws.shell()} {ask} {name})"'

    def words(self, pair: DatabasePair) -> Database:
        """What the environment says about a database."""
        return self.environment.every_database[pair.name]

    def ledger_pair(self) -> DatabasePair:
        """The database in which the ledger's keys are looked up."""
        wanted = self.environment.ledger_database or ""
        return next((pair for pair in self.pairs if pair.name == wanted), self.pairs[0])

    def file(self, name: str) -> tuple[Path, str]:
        """Where a file of this environment is kept on this machine, and that path as a person types it."""
        file = f"{self.environment.name}/{name}"
        shown = "${CUTOVER_HOME:-.cutover}/" + ("" if self.environment.world is None else "world/") + file
        return self.state_dir / file, shown

    def ledger_path(self) -> Path:
        """Where the probes' ledger is; only asked where the environment names one."""
        ref = self.environment.ledger
        if ref is None:
            raise LookupError("the environment names no ledger")
        return Path(ref.resolve(self.values()))

    def url(self, side: str) -> Callable[[], str] | None:
        """The side's own address, resolved when it is asked for; None where the environment names none."""
        ref = self.environment.smoke.blue if side == "blue" else self.environment.smoke.green
        return None if ref is None else lambda: ref.resolve(self.values())

    def dns_servers(self) -> Callable[[], Sequence[str]] | None:
        """The authoritative servers as host:port; None asks the zone's own."""
        ref = self.environment.dns.servers
        if ref is None:
            return None
        return lambda: [server.strip() for server in ref.resolve(self.values()).split(",")]

    def dns_resolvers(self) -> Callable[[], Sequence[str]] | None:
        """The resolvers whose answers are shown, as host:port; None where the environment names none."""
        ref = self.environment.dns.resolvers
        if ref is None:
            return None
        return lambda: [server.strip() for server in ref.resolve(self.values()).split(",")]
