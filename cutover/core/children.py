"""What the commands that we start find in their environment: all that we found, but for what is withheld from them.

A smoke test, a readiness command or a script of an own step is somebody else's program: it gets the secrets that are declared for
it, and not every other one that this process was started with.
"""

import os
from collections.abc import Iterable

_withheld: set[str] = set()


def withhold(names: Iterable[str]) -> None:
    """From now on no command finds these variables, unless they are given to it on purpose."""
    _withheld.update(names)


def inherited() -> dict[str, str]:
    """The variables of this process without those that are withheld."""
    return {name: value for name, value in os.environ.items() if name not in _withheld}
