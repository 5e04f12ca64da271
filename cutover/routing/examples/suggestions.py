"""What the example services do: two implementations, of which the new one breaks at some questions."""

from collections.abc import Sequence

WORDS = ("apple", "apricot", "banana", "blueberry", "cherry", "cranberry")


def by_scan(question: str) -> Sequence[str]:
    """The legacy one."""
    return [word for word in WORDS if word.startswith(question)]


def by_index(question: str) -> Sequence[str]:
    """The candidate; raises LookupError for what nothing begins with."""
    found = {word[: len(question)]: True for word in WORDS}
    if question not in found:
        raise LookupError("no such prefix in the index")
    return [*sorted(word for word in WORDS if word.startswith(question)), "(new)"]
