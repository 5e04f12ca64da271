"""Whether clients have left the side that is fenced: who still comes is named, and sent away again."""

from collections.abc import Sequence
from dataclasses import dataclass

from cutover.core.errors import CutoverError
from cutover.core.gate import Check, Finding
from cutover.postgres.session import Database
from cutover.postgres.sides import STATE_WORD

SHOWN = 5  # kinds of clients that are named

# Sessions of clients, and of nobody else: those of ours, of replication and of the names in {spared} stay.
LEFT = """SELECT coalesce(nullif(application_name, ''), usename::text), coalesce(host(client_addr), 'a local socket'),
       count(*), count(*) FILTER (WHERE pg_terminate_backend(pid))
  FROM pg_stat_activity
 WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
   AND application_name !~ '^cutover' AND application_name <> ALL ({spared}) AND usename::text <> ALL ({spared})
 GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"""


@dataclass(frozen=True)
class ClientsDrained(Check):
    """Clients that resolve an old answer come back to the side that they were sent away from, and each of their writes fails.

    They are sent away again at every look, until none has come for the whole hold time: by then every cache that keeps to
    the TTL has the new answer. Who still comes after the deadline keeps addresses for longer than they are valid.
    """

    writes = True

    database: Database
    spared: Sequence[str] = ()
    """Roles and application names that may stay, as monitoring."""

    def look(self) -> Finding:
        side = self.database.label
        try:
            with self.database.open("drain") as session:
                state = str(session.value(STATE_WORD))
                if state != "fenced":  # whoever is there has every right to be
                    return Finding.not_yet(f"{side} is {state}, and clients are sent away from a fenced side only")
                left = session.rows(self._question())
        except CutoverError as error:
            return Finding.blind(error.message)
        if not left:
            return Finding.passed(f"no client is on {side}")
        told = ", ".join(f"{name} from {where} ({count})" for name, where, count, _ in left[:SHOWN])
        more = f" and {len(left) - SHOWN} more kinds" if len(left) > SHOWN else ""
        return Finding.not_yet(
            f"clients still came to {side} and were sent away: {told}{more}",
            "their resolver, pool or driver keeps the old address: shorten its DNS cache or restart them; "
            "database.clients.drain.spared names who may stay",
            clients=[{"application_name": n, "client_addr": w, "count": c} for n, w, c, _ in left],
        )

    def _question(self) -> str:
        # Names of a checked environment file, without quotes or backslashes.
        names = ", ".join(f"'{name}'" for name in self.spared)
        return LEFT.format(spared=f"ARRAY[{names}]::text[]")

    def shell(self) -> str:
        # Who is printed has been sent away; it is repeated until it has printed nobody for the hold time.
        state = self.database.ask(STATE_WORD)
        return f"""(set -uo pipefail
[ "$({state}
)" = fenced ] || {{ echo '{self.database.label} is not fenced; nobody was sent away' >&2; exit 1; }}
{self.database.ask(self._question(), "| (! grep .)")}
)"""
