"""Which version of a parameter stands, by its history: who wrote over what stood then, and who only thought so.

A write of ours carries a note (the parameter's Description): over which version it goes. It stands if that one stood, and no
other change came between. What carries no note of ours was written by a person, and stands.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

OVER = re.compile(r"cutover flag over version (\d+), write [0-9a-f]{12}\Z")
AGAIN = re.compile(r"cutover flag as in version (\d+), after a lost race\Z")


@dataclass(frozen=True)
class Entry:
    """One version of a parameter."""

    version: int
    text: str
    note: str = ""

    def origin(self, history: Sequence["Entry"]) -> "Entry":
        """The change that this is, or that it restores."""
        again = AGAIN.match(self.note)
        return self if not again else next((one for one in history if one.version == int(again[1])), self)


def note(over: int) -> str:
    """The note of a new write over a version, unlike that of any other write."""
    return f"cutover flag over version {over}, write {uuid4().hex[:12]}"


def restoring(version: int) -> str:
    """The note of a write that puts a version back."""
    return f"cutover flag as in version {version}, after a lost race"


def standing(history: Sequence[Entry]) -> Entry | None:
    """What stands, or a later copy of it that was put back; None without any. `history` is sorted by version.

    The first entry that is left stands: AWS keeps 100, and what came before cannot be known.
    """
    stands: Entry | None = None
    changed = 0
    good: set[int] = {0}
    """Versions over which one may write: what stands, and its copies."""
    texts = {one.version: one.text for one in history}
    noted: set[str] = set()
    for one in history:
        over, again = OVER.match(one.note), AGAIN.match(one.note)
        # A person's write may have kept the note of the version before: it is another write, or another text, all the same.
        by_hand = (
            (over and one.note in noted) or (again and texts.get(int(again[1])) != one.text) or not (over or again)
        )
        noted.add(one.note)
        if stands is None or by_hand or (over and int(over[1]) in good):
            stands, changed, good = one, one.version, {one.version}
        elif again and int(again[1]) == changed:
            stands = one
            good.add(one.version)
    return stands
