"""An open defect that the simulator has found, written down as it is: when it is mended this test fails, and is turned round."""

from cutover.core import killpoint
from cutover.simulation.shape import Fault, Schedule, Shape
from cutover.simulation.sides import Violation
from cutover.simulation.simulator import Engine, Simulator


def test_what_moves_twice_is_not_gone_on_with_after_its_way_back_was_typed() -> None:
    """All commands that remained were typed and blue serves, but `rollback` finds `workers` where it ends and not where it began."""
    shape = Shape(shares=(100,), immediate=True, hold=8.0, budget=20.0, compared="prepare", workers=True)
    schedule = Schedule(412, shape, (Fault("somebody changes", "workers", 112),), ("back everything",), "blue")
    simulator = Simulator(schedule, Engine())
    killpoint.install(simulator.world.moment)
    try:
        simulator.go()
    except Violation as error:
        assert "workers-on-undo: seen blue, wanted green" in str(error)
    else:
        raise AssertionError("it ends well now: let this test say so, and let the simulator change workers again")
    finally:
        killpoint.install(None)
