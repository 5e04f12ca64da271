"""What `invoke` finds here: the namespace of cutover/cli."""

from cutover.starting import quickly

quickly()

from cutover.cli import namespace

ns = namespace()
