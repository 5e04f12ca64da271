"""The sessions of one switch: whatever is done before the pause has not to be done inside it."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from cutover.postgres.rowhash import PINNED
from cutover.postgres.session import Database, Session
from cutover.postgres.warming import know


class Hands:
    """The sessions of one switch, all connected before the pause begins."""

    def __init__(self, source: Database, target: Database, stack: ExitStack) -> None:
        def hand(database: Database, purpose: str, settings: Mapping[str, str] | None = None) -> Session:
            return stack.enter_context(database.open(purpose, settings=settings))

        self.fence, self.reap_source = hand(source, "fence"), hand(source, "reap")
        self.open, self.reap_target = hand(target, "open"), hand(target, "reap")
        # These two compare rows, and the text of a value must not depend on either side's own settings.
        self.look, self.arrive = hand(source, "look", PINNED), hand(target, "arrive", PINNED)
        self.decode = hand(source, "decode", PINNED)  # keys are decoded as text, too
        # Not those that look: decoding changes makes a session forget what it knew of the catalog.
        with ThreadPoolExecutor() as pool:
            for learnt in [pool.submit(know, session) for session in (self.fence, self.open)]:
                learnt.result()

    def hurry(self, seconds: float) -> None:
        """From now on writes wait for every answer: none of them may take longer than this."""
        for session in (self.fence, self.reap_source, self.open, self.reap_target, self.look, self.arrive, self.decode):
            session.patience = min(session.patience, seconds)
