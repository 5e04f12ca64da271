"""What a plan works with: the environment's words, and the adapters that were wired for it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cutover.aws.session import Aws
from cutover.environment import Database, Environment
from cutover.postgres.pair import DatabasePair


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

    def words(self, pair: DatabasePair) -> Database:
        """What the environment says about a database."""
        return self.environment.every_database[pair.name]

    def ledger_pair(self) -> DatabasePair:
        """The database in which the ledger's keys are looked up."""
        wanted = self.environment.ledger_database or ""
        return next((pair for pair in self.pairs if pair.name == wanted), self.pairs[0])

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
