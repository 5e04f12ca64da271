"""The console script `cutover`: the same tasks as `invoke`, with did-you-mean for what cannot be parsed."""

import difflib
import re
import sys
from importlib.metadata import version

from invoke.exceptions import ParseError
from invoke.program import Program

from cutover.cli import namespace
from cutover.cli.ends import say

USAGE = 3  # configuration refused


class CutoverProgram(Program):
    """Invoke's program, with parse errors that name the nearest task or flag and end with exit code 3."""

    def parse_collection(self) -> None:
        super().parse_collection()

    def run(self, argv: list[str] | None = None, exit: bool = True) -> None:
        try:
            super().run(argv, exit=False)
        except ParseError as error:
            say(f"{error}{self._nearest(str(error))}")
            raise SystemExit(USAGE) from error
        except ValueError as error:  # a flag that wants a number and got a word
            say(f"a value is not of the kind that its flag wants: {error}")
            raise SystemExit(USAGE) from error

    def _nearest(self, message: str) -> str:
        found = re.search(r"No idea what '(.+?)' is", message)
        if found is None:
            return ""
        word = found.group(1)
        tasks = namespace()
        known = [name for name in tasks.task_names if not word.startswith("-")]
        for task in tasks.tasks.values():
            known += [f"--{name.replace('_', '-')}" for name in task.argspec(task.body)[0]] if word.startswith("-") else []
        near = difflib.get_close_matches(word, sorted(set(known)), n=1)
        return f" Did you mean {near[0]!r}?" if near else " See: cutover --list"


def main() -> None:
    """Runs the tasks of this package, wherever it is installed."""
    CutoverProgram(name="cutover", binary="cutover", namespace=namespace(), version=version("cutover")).run(sys.argv)
