"""How a command starts quickly."""

import gc
import sys

OBJECTS = 50_000


def quickly() -> None:
    """Keeps the bytecode of what is loaded, and looks for garbage only now and then.

    Loading makes some hundred thousand objects, none of them garbage: by CPython's own threshold (700 in 3.11) the collector went through
    all of them several times.
    """
    # invoke forbids it by default: every start would compile four hundred modules again, which takes longer than the rest.
    sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)
    gc.set_threshold(OBJECTS)
