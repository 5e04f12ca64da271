"""Each store of flags keeps the one contract."""

import flag_store_contract

from cutover.routing.store import MemoryStore


def test_memory() -> None:
    store = MemoryStore()
    flag_store_contract.holds(lambda: store)
