"""`kill -9`: of the program, of both PostgreSQL servers, of the edge."""

from cutover.faults.fault import IN_SHIFT, SHORT, Act, Fault, Scene
from cutover.world import world


def _killed(part: str) -> Act:
    return lambda scene: world.kill(scene.ground.home, part)


def _started(part: str) -> Act:
    return lambda scene: world.up(scene.ground.home)


def _program(scene: Scene) -> None:
    assert scene.running is not None
    scene.ground.kill_program(scene.running)


FAULTS = (
    Fault("kill-program", "the program dies where it stands", _program, of_program=True),
    Fault("kill-blue", "blue's PostgreSQL crashes and is started again", _killed("blue"), _started("blue"), SHORT),
    Fault("kill-green", "green's PostgreSQL crashes and is started again", _killed("green"), _started("green"), SHORT),
    Fault(
        "kill-edge",
        "the load balancer crashes and is started again",
        _killed("edge"),
        _started("edge"),
        SHORT,
        first=IN_SHIFT,
    ),
)
