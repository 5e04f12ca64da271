"""What `invoke` finds here: the namespace of cutover/cli."""

import sys

# invoke forbids it by default: every start would compile four hundred modules again, which takes longer than the rest.
sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)

from cutover.cli import namespace

ns = namespace()
