"""Changes since a recorded validation, as tests make them, and how they are followed."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from pairs import Pair

from cutover.core.clock import Deadline
from cutover.postgres.changes import LARGE, Changes
from cutover.postgres.rowhash import PINNED
from cutover.postgres.session import Session


class Died(BaseException):
    """As by SIGKILL: nothing of ours cleans up behind it."""


SOUND = """TRUNCATE public.tricky; INSERT INTO public.tricky SELECT i, 'text ' || i, i / 3.0, i * 1.5,
  jsonb_build_object('a', i, 'b', 2), timestamptz '2026-01-01' + i * interval '1 second', i,
  tstzrange('2026-01-01', NULL) FROM generate_series(1, 60) i"""
AGAIN = ("TRUNCATE public.notes; INSERT INTO public.notes SELECT 'note ' || i % 7, 0.0 FROM generate_series(1, 40) i",
         SOUND, "UPDATE shop.order_lines SET quantity = CASE line_no WHEN 1 THEN 4 ELSE 1 END WHERE order_id = 2", "DELETE FROM public.queue WHERE id > 5",
         "UPDATE public.\"Weird Name\" SET \"quote\"\"d\" = 'it''s \"quoted\" \\ 1' WHERE \"Id\" = 1")  # fmt: skip
SLOTS = "SELECT slot_name FROM pg_replication_slots WHERE slot_name ~ 'changes'"
NOTED = "(SELECT ctid FROM public.notes WHERE body = 'note 4' LIMIT 1)"
NOTE = "(SELECT ctid FROM public.notes WHERE body = 'fresh' LIMIT 1)"

# Each: what changes on blue, how green then goes wrong, and what is named.
CHANGES = {
    "a row": ("UPDATE public.tricky SET t = 'new' WHERE id IN (12, 13)",
              "UPDATE public.tricky SET t = 'bad' WHERE id = 13", r"public\.tricky 13"),
    "an insert": ("INSERT INTO public.tricky (id) VALUES (900)",
                  "DELETE FROM public.tricky WHERE id = 900", r"public\.tricky 900"),
    "a lost delete": ("DELETE FROM public.tricky WHERE id = 14",
                      "INSERT INTO public.tricky (id) VALUES (14)", r"public\.tricky 14"),
    "a key that changed": ("UPDATE public.queue SET id = 77 WHERE id = 5",
                           "INSERT INTO public.queue VALUES (5, 'even')", r"public\.queue 5"),
    "without a key": ("INSERT INTO public.notes VALUES ('fresh', 1), ('fresh', 1)",
                      f"UPDATE public.notes SET v = 2 WHERE ctid = {NOTE}", r"public\.notes: a row without key"),
    "without a key, to null": (f"UPDATE public.notes SET body = NULL WHERE ctid = {NOTED}",
                               "DELETE FROM public.notes WHERE body IS NULL", r"public\.notes: a row without key"),
    "without a key, a lost delete": (f"DELETE FROM public.notes WHERE ctid = {NOTED}",
                                     "INSERT INTO public.notes VALUES ('note 4', 0)", r"public\.notes"),
    "without a key, a long one": ("INSERT INTO public.notes VALUES (repeat('long ', 200), 1)",
                                  "DELETE FROM public.notes WHERE body LIKE 'long %'", r"public\.notes"),
    "composite key": ("UPDATE shop.order_lines SET quantity = 5 WHERE order_id = 2",
                      "UPDATE shop.order_lines SET quantity = 6 WHERE order_id = 2 AND line_no = 1",
                      r"shop\.order_lines 2, 1"),
    "odd names": ("UPDATE public.\"Weird Name\" SET \"quote\"\"d\" = '%s' WHERE \"Id\" = 1",
                  "UPDATE public.\"Weird Name\" SET \"quote\"\"d\" = '%' WHERE \"Id\" = 1", r'public\."Weird Name" 1'),
    "truncated": ("TRUNCATE public.tricky", "INSERT INTO public.tricky (id) VALUES (3)", r"public\.tricky"),
}  # fmt: skip
WINDOW = pytest.mark.parametrize("change, damage, named", CHANGES.values(), ids=CHANGES.keys())


@contextmanager
def sessions(pair: Pair) -> Iterator[tuple[Session, Session]]:
    with ExitStack() as stack:
        ours, theirs = (
            stack.enter_context(pair.side(side).open("test", settings=PINNED)) for side in ("blue", "green")
        )
        yield ours, theirs


def recorded(ours: Session, theirs: Session, large: int = LARGE) -> Changes:
    changes = Changes.recorded_on(ours, theirs, large=large)
    assert changes is not None
    return changes


@contextmanager
def following(pair: Pair, large: int = LARGE) -> Iterator[tuple[Changes, list[str]]]:
    """Changes from here on; what the comparison inside the fence then says is in the list at the end."""
    with sessions(pair) as (ours, theirs):
        changes = recorded(ours, theirs, large)
        assert changes.settle(Deadline.after(60.0)).why == ""
        told: list[str] = []
        yield changes, told
        told += changes.differing()
