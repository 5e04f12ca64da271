"""What the state needs of an object store, and nothing else; wired to S3 by the one who opens an environment."""

from collections.abc import Sequence
from typing import Protocol


class Objects(Protocol):
    """The objects under one prefix; a read sees every write that was answered before it (S3 is strongly consistent).

    A tag changes with every write of an object. Every call raises Unreachable when it cannot say what the outcome is.
    """

    def get(self, key: str) -> tuple[bytes, str] | None:
        """The object's body and tag, None when there is none."""

    def put_new(self, key: str, body: bytes) -> str | None:
        """Writes an object that must not exist, and returns its tag; None, with nothing written, when another one is there.

        An object with this very body is our own, whose answer was lost.
        """

    def replace(self, key: str, body: bytes, tag: str) -> str | None:
        """Writes an object over the one with this tag, and returns the new one; None, with nothing written, when it has another."""

    def list(self, prefix: str) -> Sequence[tuple[str, str]]:
        """Keys and tags of all objects whose key begins with `prefix`, in the order of the keys."""
