"""Operators: a second one at the same time, one whose program is stopped and wakes up, Ctrl-C at any moment."""

import os
import signal

from cutover.faults.fault import PAST_DEADLINES, Act, Fault, Scene


def _signalled(number: signal.Signals) -> Act:
    def act(scene: Scene) -> None:
        if scene.running is not None and not scene.running.over:
            os.kill(scene.running.pid, number)

    return act


def _second(scene: Scene) -> None:
    """He is told who is at it, and changes nothing."""
    scene.ground.run("rollback", "--env", scene.environment, "--yes", "--reason", "a second operator").ended(4)


FAULTS = (
    Fault("second-operator", "somebody else asks for the way back meanwhile", _second, of_program=True),
    Fault(
        "operator-stopped", "the program is stopped (SIGSTOP) and goes on later", _signalled(signal.SIGSTOP),
        _signalled(signal.SIGCONT), PAST_DEADLINES, of_program=True,
    ),
    Fault("ctrl-c", "an operator's Ctrl-C", _signalled(signal.SIGINT), of_program=True),
    Fault("terminated", "the program is told to end (SIGTERM)", _signalled(signal.SIGTERM), of_program=True),
)  # fmt: skip
