"""Before the cutover: whether clients behind PgBouncer can be paused and directed to the other side."""

from dataclasses import dataclass

from cutover.core.errors import CutoverError
from cutover.core.gate import Check, Finding
from cutover.postgres.pgbouncer import Pool

PREPARED = (
    "PgBouncer before 1.21 forgets statements that drivers prepare when a client changes its server: "
    "switch them off there (psycopg: prepare_threshold=None), or use a newer one"
)


@dataclass(frozen=True)
class PoolReady(Check):
    """Clients can only wait for the switch when PgBouncer answers, serves blue, and its file names the entry once.

    A pool by session cannot be paused while a client is connected; one by transaction (or statement) can.
    """

    pool: Pool

    def look(self) -> Finding:
        try:
            where, mode, version = self.pool.where(), self.pool.mode(), self.pool.version()
            self.pool.line()
        except CutoverError as error:
            return Finding.failed(error.message, "see database.clients in the environment file")
        if where != "blue":
            return Finding.failed(f"clients of {self.pool.database} are directed to {where}, wanted blue")
        if mode == "session":
            return Finding.failed(
                f"the pool of {self.pool.database} is one by session",
                "pool_mode = transaction, where the application allows it",
            )
        if version < (1, 21):
            return Finding.passed(f"note: {PREPARED}", warning=True)
        return Finding.passed(f"PgBouncer directs {self.pool.database} to blue")

    def shell(self) -> str:
        return self.pool.where_shell()
