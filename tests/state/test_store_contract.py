"""Every kind of state keeps the contract of store_contract.py."""

import pytest
import store_contract
from places import Kept

WHOLE = (
    store_contract.entries_come_back_as_they_were_written,
    store_contract.a_changed_or_missing_entry_is_found,
    store_contract.who_looks_again_and_again_gets_what_is_new,
    store_contract.an_audit_reads_what_entries_refuse,
    store_contract.an_audit_of_nothing_is_whole,
    store_contract.an_audit_finds_a_tail_that_was_cut_off,
    store_contract.wishes_need_no_lease,
    store_contract.the_second_one_is_told_who_where_since_when_what_for_and_what_to_type,
    store_contract.a_takeover_needs_the_id_of_the_very_lease,
    store_contract.an_old_token_writes_nothing,
    store_contract.a_dead_holder_is_free_on_this_host_only,
    store_contract.racing_takeovers_leave_one_writer,
    store_contract.a_clock_that_is_wrong_harms_nobody,
)


@pytest.mark.parametrize("what", WHOLE, ids=lambda what: what.__name__)
def test_it_holds(kept: Kept, what: store_contract.Rule) -> None:
    what(kept)


def test_a_tail_that_was_cut_off_is_found_where_the_head_is_anchored(kept: Kept) -> None:
    if kept.anchored:
        store_contract.a_tail_that_was_cut_off_is_found(kept)


@pytest.mark.parametrize("after_a_dead_one", [False, True], ids=["free", "a dead holder's"])
def test_of_twenty_racing_operators_one_gets_it(kept: Kept, after_a_dead_one: bool) -> None:
    store_contract.of_many_racing_operators_one_gets_it(kept, after_a_dead_one=after_a_dead_one)


def test_a_stopped_holder_wakes_up_to_nothing(kept: Kept) -> None:
    store_contract.a_holder_that_was_stopped_wakes_up_to_nothing(kept, "before late:s")


def test_a_holder_stopped_right_before_its_insert_writes_nothing(postgres: Kept) -> None:
    store_contract.a_holder_that_was_stopped_wakes_up_to_nothing(postgres, "before insert of entry")
