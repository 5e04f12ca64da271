"""Blue has thrown away the WAL that green still needed: it is told, and the way out that is named works."""

from dataclasses import replace

import pytest
from moves import caught_up, forward, reverse, take, until

from cutover.bench.rig import rig
from cutover.core.gate import Verdict
from cutover.postgres.invariants import FitsTheWindow
from cutover.postgres.watching import WalKept


@pytest.mark.slow
def test_a_slot_whose_wal_is_gone() -> None:
    with rig(100, 0) as sides:
        there, home = replace(forward(sides.blue, sides.green), empties=True), reverse(sides.blue, sides.green)
        with sides.green.open("test") as green:
            green.run("ALTER SUBSCRIPTION cut_blue_green DISABLE")
        with sides.blue.open("test") as blue:
            blue.run("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
            blue.run("SELECT pg_reload_conf()")

            def lost() -> bool:
                blue.run("INSERT INTO public.loose VALUES (gen_random_uuid())")
                blue.run("SELECT pg_switch_wal()")
                blue.run("CHECKPOINT")
                status = "SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'cut_blue_green'"
                return bool(blue.value(status) == "lost")

            until(lost, 60.0, "the slot's WAL is gone")
            blue.run("ALTER SYSTEM RESET max_slot_wal_keep_size")
            blue.run("SELECT pg_reload_conf()")
        with sides.green.open("test") as green:
            green.run("ALTER SUBSCRIPTION cut_blue_green ENABLE")
        found = WalKept(sides.blue, 1 << 40).look()
        assert found.verdict is Verdict.FAIL and "rollback --everything" in found.hint
        assert found.seen == "slot cut_blue_green on blue has lost its WAL: its subscriber can never catch up"
        assert FitsTheWindow(sides.blue, sides.green, 1 << 40).look().verdict is not Verdict.PASS

        # What `rollback --everything` and the next try do.
        for step in (home.inverse(), there.inverse(), there, home):
            take(step)
        caught_up(sides.blue, sides.green)
        assert WalKept(sides.blue, 1 << 40).look().verdict is Verdict.PASS
