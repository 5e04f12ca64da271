"""Named places at which the tests kill the program; in production nothing is installed and `reached` does nothing."""

from collections.abc import Callable

_hook: Callable[[str], None] | None = None


def reached(name: str) -> None:
    """Tells the installed hook that the program stands at `name`."""
    if _hook is not None:
        _hook(name)


def install(hook: Callable[[str], None] | None) -> None:
    """Installs (or with None removes) the hook of this process."""
    global _hook
    _hook = hook
