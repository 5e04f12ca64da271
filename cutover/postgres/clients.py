"""How clients reach the side that accepts writes, where they do not find it by themselves: what every such route can do."""

from typing import ClassVar, Protocol

PAUSED = "paused"


class Clients(Protocol):
    """Makes clients wait, where it can, and leads them to one side; all but `settle` is short, because writes may be waiting."""

    states: ClassVar[tuple[str, ...]]
    """What `where` says when nobody else has touched the route."""

    def where(self) -> str:
        """One of `states`, or in words whatever else is there; raises Unreachable."""

    def pause(self) -> None:
        """Makes further transactions wait, nothing where a route cannot; raises ClientsNotPaused, and then who did not wait
        before does not."""

    def resume(self) -> None:
        """Lets the clients go on, wherever they are led to."""

    def direct_to(self, side: str) -> None:
        """Leads the clients to a side, which is open by then; whoever was paused waits for `resume`. Doing it twice is fine."""

    def settle(self) -> None:
        """What needs no haste after `direct_to` and `resume`: writes flow again."""

    def functions(self) -> str:
        """Shell functions `pause_clients SIDE` (the one that is to be opened) and `direct_clients SIDE`, for the printed switch."""

    def where_shell(self) -> str:
        """The command with which a person sees where clients are led to."""
