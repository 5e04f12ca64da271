"""The console script `cutover`: the same tasks as `invoke`, with did-you-mean for what cannot be parsed."""

import difflib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from invoke.exceptions import ParseError
from invoke.program import Program

from cutover.cli import namespace
from cutover.cli.ends import say
from cutover.starting import quickly

USAGE = 3  # configuration refused


class CutoverProgram(Program):
    """Invoke's program, with parse errors that name the nearest task or flag and end with exit code 3."""

    def parse_core(self, argv: list[str] | None) -> None:
        with self._explained():
            super().parse_core(argv)
        quickly()  # here, because invoke's own parsing forbids to keep bytecode

    def parse_tasks(self) -> None:
        with self._explained():
            super().parse_tasks()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
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
        known = list(namespace().task_names)
        if word.startswith("-"):
            known = [
                flag for context in namespace().to_contexts() if context.name in sys.argv for flag in context.flags
            ]
        near = difflib.get_close_matches(word, known, n=1, cutoff=0.55)
        return f" Did you mean {near[0]!r}?" if near else " See: cutover --list"


def main() -> None:
    """Runs the tasks of this package, wherever it is installed."""
    try:
        _program().run(sys.argv)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _program() -> Program:
    return CutoverProgram(name="cutover", binary="cutover", namespace=namespace(), version=version("cutover"))


if __name__ == "__main__":
    main()
