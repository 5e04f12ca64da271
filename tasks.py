"""What `invoke` finds here: the namespace of cutover/cli."""

from cutover.cli import namespace

ns = namespace()
