"""Figures from a person's own command, which prints one number."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.series import Reading, Sample, Span, judged
from cutover.machine.bash import run_bash

LONGEST = 30.0
NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?(nan|inf)", re.IGNORECASE)


@dataclass(frozen=True)
class CommandFigures:
    """Runs the query in bash; the last line that it prints is the number. It has no memory: a reading is one sample, of now.

    The command must only look: it runs again and again, in a dry-run too, and is ended at the deadline.
    """

    variables: Callable[[], Mapping[str, str]] = field(default=dict, repr=False, compare=False)
    variables_shell: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    now: Callable[[], float] = field(default=time.time, repr=False, compare=False)

    def read(self, query: str, span: Span, deadline: Deadline) -> Reading:
        try:
            ended = run_bash(query, self.variables(), deadline.within(LONGEST))
        except CutoverError as error:
            return Reading.unreachable(error.message)
        except OSError as error:
            return Reading.unreachable(f"the command cannot be started: {error.strerror}")
        if ended.code != 0:
            return Reading.unreachable(ended.complaint("the command"))
        if not NUMBER.fullmatch(ended.last_line):
            said = f"{ended.last_line[:60]!r}" if ended.last_line else "nothing"
            return Reading.unreachable(f"the command has to print a number as its last line, and printed {said}")
        at = self.now()
        sample = Sample(at, float(ended.last_line))
        return judged([sample], span.ending(at), delay=self.delay, remembers=False)

    def shell(self, query: str) -> str:
        known = [f"{name}={value}; export {name}" for name, value in self.variables_shell.items()]
        return "\n".join(["(set -euo pipefail", *known, query.strip("\n"), ")"])
