"""The preflight of one environment: every question about its databases and its traffic, asked on few connections."""

from collections.abc import Sequence
from dataclasses import dataclass

from cutover.core.gate import Check, Finding
from cutover.plans.checks import together
from cutover.postgres.preflight import look_together


@dataclass(frozen=True)
class Preflight(Check):
    """What would stop the cutover later is found before anything is changed, all of it at once, with what mends it.

    A refusal stops here; a warning is shown and the cutover begins. The table of the command says of each check what was
    seen, what is wanted and what mends it; with `--json` also the statement with which a person asks the same.
    """

    checks: Sequence[tuple[str, Check]]

    def look(self) -> Finding:
        return together(self.look_each())

    def look_each(self) -> list[tuple[str, Finding]]:
        """Every check's own finding, in order."""
        return look_together(self.checks)

    def shell(self) -> str:
        # The plain SQL of all checks is longer than the rest of a page: `--json` prints it.
        return 'invoke preflight --env "$CUTOVER_ENV"'
