"""The pair of the tests themselves: what one test leaves fails no other."""

from moves import caught_up, caught_up_both, prepare
from pairs import Pair, made_again

from cutover.postgres.sides import BEFORE, read_sides


def test_a_pair_that_a_test_has_spoiled_is_made_again(prepared: Pair) -> None:
    prepared.sql("blue", "ALTER TABLE public.queue ADD COLUMN later int")
    prepared.sql("blue", "INSERT INTO public.queue VALUES (-9, 'wider', 1)")  # green's apply worker fails from here on
    prepared.sql("blue", "BEGIN; INSERT INTO public.queue VALUES (-10, 'x', 1); PREPARE TRANSACTION 'left behind'")
    made_again(prepared)
    prepare(prepared.blue, prepared.green)
    assert read_sides(prepared.blue, prepared.green) == BEFORE
    caught_up_both(prepared.blue, prepared.green)
    caught_up(prepared.green, prepared.blue)
    for side in ("blue", "green"):
        assert prepared.sql(side, "SELECT count(*), min(id) FROM public.queue") == [(5, 1)]
