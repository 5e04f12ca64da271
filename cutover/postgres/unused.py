"""Whether anybody still uses a side: looked at only, nobody is sent away."""

from collections.abc import Sequence
from dataclasses import dataclass

from cutover.core.errors import CutoverError
from cutover.core.gate import Check, Finding
from cutover.postgres.session import Database

SHOWN = 5  # kinds of users that are named

USERS = """SELECT coalesce(nullif(application_name, ''), usename::text), coalesce(host(client_addr), 'a local socket'), count(*)
  FROM pg_stat_activity
 WHERE (datname = current_database() OR backend_type = 'walsender') AND backend_type IN ('client backend', 'walsender')
   AND pid <> pg_backend_pid() AND application_name !~ '^cutover'
   AND application_name <> ALL ({spared}) AND usename::text <> ALL ({spared})
 GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"""


@dataclass(frozen=True)
class NobodyThere(Check):
    """Whoever still has a session on the old side would be cut off for good: a report, a backup, a forgotten service.

    Followers of its replication count, too. Who may stay is named in the environment file.
    """

    database: Database
    spared: Sequence[str] = ()

    def look(self) -> Finding:
        try:
            with self.database.open("look") as session:
                found = session.rows(self._question())
        except CutoverError as error:
            return Finding.blind(error.message)
        if not found:
            return Finding.passed(f"nobody is on {self.database.label}")
        told = ", ".join(f"{name} from {where} ({count})" for name, where, count in found[:SHOWN])
        more = f" and {len(found) - SHOWN} more kinds" if len(found) > SHOWN else ""
        return Finding.not_yet(
            f"{self.database.label} is still used: {told}{more}",
            "lead them to green, or name who may stay in decommission.spared",
            users=[{"application_name": n, "client_addr": w, "count": c} for n, w, c in found],
        )

    def _question(self) -> str:
        # Names of a checked environment file, without quotes or backslashes.
        names = ", ".join(f"'{name}'" for name in self.spared)
        return USERS.format(spared=f"ARRAY[{names}]::text[]")

    def shell(self) -> str:
        return self.database.ask(self._question(), "| (! grep .)")
