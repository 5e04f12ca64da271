"""The commands that a way back leaves to a person: when they were typed, the next `rollback` finds nothing left to do."""

from cutover.core import killpoint
from cutover.simulation.shape import Fault, Schedule, Shape
from cutover.simulation.simulator import Engine, Simulator


def test_what_moves_twice_is_gone_on_with_after_its_way_back_was_typed() -> None:
    """`workers` goes from green to nobody to blue; typed, it stands where no single step of that way begins."""
    shape = Shape(shares=(100,), immediate=True, hold=8.0, budget=20.0, compared="prepare", workers=True)
    schedule = Schedule(412, shape, (Fault("somebody changes", "workers", 112),), ("back everything",), "blue")
    simulator = Simulator(schedule, Engine())
    killpoint.install(simulator.world.moment)
    try:
        simulator.go()
    finally:
        killpoint.install(None)
