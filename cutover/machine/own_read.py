"""Whether a person's own commands can be read at all, before any of them is due."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from cutover.core.children import inherited
from cutover.core.errors import CutoverError, Unreachable
from cutover.core.gate import Check, Finding
from cutover.machine.own_check import OwnCheck
from cutover.machine.own_command import OwnStep


@dataclass(frozen=True, kw_only=True)
class OwnCommandsRead(Check):
    """A command with a slip of the pen, or a secret that cannot be found, would stop the cutover when it is due.

    Bash reads every command without running it, and every variable is looked up.
    """

    steps: tuple[OwnStep, ...] = ()
    lines: tuple[OwnCheck, ...] = ()
    """Lines of a checklist."""

    def look(self) -> Finding:
        written: tuple[OwnStep | OwnCheck, ...] = (*self.steps, *self.lines)
        odd = [complaint for one in written for complaint in _slips(one)]
        unseen: list[str] = []
        for one in written:
            try:
                one.values()
            except Unreachable as error:
                unseen.append(f"{one.name}: {error.message}")
            except CutoverError as error:
                odd.append(f"{one.name}: {error.message}")
        if odd:
            return Finding.failed("; ".join(odd), "mend the command in the environment file")
        if unseen:
            return Finding.blind("; ".join(unseen))
        counted = [f"{len(self.steps)} own steps"] if self.steps else []
        counted += [f"{len(self.lines)} line{'s' * (len(self.lines) > 1)} of a checklist"] if self.lines else []
        return Finding.passed(f"the commands of {' and '.join(counted)} can be read")

    def shell(self) -> str:
        return 'invoke preflight --env "$CUTOVER_ENV"'


def _slips(one: OwnStep | OwnCheck) -> Iterator[str]:
    for word, script in _scripts(one):
        read = subprocess.run(
            ["bash", "-n", "-c", script],
            env=inherited(),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=10.0,
            check=False,
        )
        if read.returncode:
            yield f"{one.name}: {word}: {(read.stderr.strip() or 'bash cannot read it').splitlines()[0][:200]}"


def _scripts(one: OwnStep | OwnCheck) -> tuple[tuple[str, str], ...]:
    if isinstance(one, OwnCheck):
        return (("command", one.command),)
    return (("observe", one.observed_by), ("to", one.to), ("back", one.back))
