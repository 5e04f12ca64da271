"""What the console's server needs from whoever knows the run: what the page shows, and what its buttons do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cutover.console.sessions import Role


@dataclass(frozen=True)
class Line:
    """One entry of the journal: `html` is an `<li>` in which every field is escaped already; a seq never changes its html."""

    seq: int
    html: str


class Shown(Protocol):
    """What the page shows; every method returns at once, from memory, and is called from the server's thread."""

    environment: str

    def page(self) -> Mapping[str, Any]:
        """Further values for templates/page.html.j2, for its first paint."""

    def panels(self) -> Mapping[str, tuple[int, str]]:
        """By the id of an element its version and its HTML, escaped already; versions only grow."""

    def newest(self) -> int:
        """The seq of the newest line, 0 for none."""

    def lines(self, *, after: int | None = None, before: int | None = None, most: int = 200) -> Sequence[Line]:
        """At most `most` lines, oldest first: the first ones after `after`, the last ones before `before`, or the newest."""

    def curves(self) -> Mapping[str, Any]:
        """What the charts draw, as JSON types, which know no NaN."""

    def on_change(self, call: Callable[[], None]) -> None:
        """From now on `call` is called, from any thread, when panels or lines have changed."""


class Acts(Protocol):
    """What the buttons do: `needs` says for each verb which role may."""

    needs: Mapping[str, Role]

    def do(self, verb: str, who: str, words: Mapping[str, str]) -> str:
        """Does it, in seconds at most, in a thread of its own; returns what happened in one sentence, or raises CutoverError."""
