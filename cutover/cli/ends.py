"""How a command ends: our errors become exit codes and words, never a traceback."""

import functools
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO

from invoke.exceptions import Exit

from cutover.core.errors import ConfigurationRefused, CutoverError
from cutover.core.hidden import hiding
from cutover.core.plain import spelled

HEARTBEAT = 1.5  # seconds after which the next look gets a plain line, so that there is one every two while waiting


def say(text: str = "") -> None:
    """Talk goes to standard error; standard output carries data only."""
    print(spelled(text), file=sys.stderr, flush=True)


def put(what: object = "", *, end: str = "\n") -> None:
    """Data for a person, on standard output: what a record or a server said does nothing to the terminal."""
    print(spelled(str(what)), end=end)


def heading(text: str) -> None:
    """A line above others on standard output, bold on a terminal that wants it; without rich, which takes long to load."""
    print(f"\n\x1b[1m{spelled(text)}\x1b[0m" if has_style(sys.stdout) else f"\n{spelled(text)}")


def has_style(stream: TextIO) -> bool:
    """Whether colours and moving lines are wanted there: only on a terminal, and not on every one."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()


def cell(text: str) -> str:
    """The same as a cell of one of rich's tables."""
    from rich.markup import escape

    return escape(spelled(text))


def ended(function: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a task end with the exit codes of the README for every foreseeable error."""

    @functools.wraps(function)
    def task(*arguments: Any, **named: Any) -> Any:
        with hiding():
            try:
                return function(*arguments, **named)
            except CutoverError as error:
                raise exit_for(error) from error
            except BrokenPipeError as error:
                raise Exit(code=1) from error

    return task


def exit_for(error: CutoverError) -> Exit:
    """The exit for an error, after saying what was wrong and what to type next."""
    if isinstance(error, ConfigurationRefused):
        say(f"{len(error.problems)} problem{'s' if len(error.problems) != 1 else ''}, nothing was touched:")
        for problem in error.problems:
            say(f"  {problem}")
    else:
        say(f"{_headline(error)}: {error.message}")
    if error.next_command:
        say(f"next: {error.next_command}")
    return Exit(code=error.exit_code)


def _headline(error: CutoverError) -> str:
    words = {
        4: "refused, somebody else is at work",
        5: "refused",
        6: "ended rolled back",
        7: "ROLLBACK INCOMPLETE, a person is needed",
        8: "waiting",
        130: "stopped",
        143: "stopped",
    }
    return words.get(error.exit_code, "stopped")
