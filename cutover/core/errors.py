"""What can go wrong, as a tree; each error carries the exit code that the command line ends with.

CutoverError                    1
├── ConfigurationRefused        3   the environment file is wrong; every problem is listed
├── LeaseHeld                   4   somebody else is working on this environment
├── LeaseLost                   4   somebody took the lease over while we worked
├── Refused                     5   stopped before anything was switched
│   ├── PlanChanged             5   the plan is not the one that the open run was started with
│   └── ApprovalStale           5   what was approved is not what is there now
├── Unexpected                  1   a resource is in a state that is neither ours nor the start
├── StepFailed                  1   a command failed and reading back shows that it did not take effect
├── NotConverged                1   the commands ran, and the wanted state was not seen in time
├── Unreachable                 1   a resource did not answer in time
├── GateFailed                  1   a check failed, or was not satisfied in time
├── PointOfNoReturn             5   the way back was removed on purpose
├── RolledBack                  6   the cutover was taken back; blue serves
├── RollbackIncomplete          7   the way back stopped half-way; a person is needed
├── Waiting                     8   a gate, soak or hold; resume later
└── Interrupted           130/143   Ctrl-C or SIGTERM, at a journal boundary
"""

from collections.abc import Sequence


class CutoverError(Exception):
    """Any foreseeable failure; `next_command` is what the operator types next."""

    exit_code = 1
    shows_within = 1.0
    """Seconds within which reading back shows whether a command that ended with this took effect."""

    def __init__(self, message: str, *, next_command: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_command = next_command


class ConfigurationRefused(CutoverError):
    """The configuration has `problems`, all of them, each as `file:line: path: reason`."""

    exit_code = 3

    def __init__(self, problems: Sequence[str], *, next_command: str = "") -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems), next_command=next_command)


class LeaseHeld(CutoverError):
    """Another operator holds the lease; the message says who, where, since when and for what."""

    exit_code = 4


class LeaseLost(CutoverError):
    """Our fencing token is old: somebody took over, and nothing of ours is written any more."""

    exit_code = 4


class Refused(CutoverError):
    """Stopped before anything was switched; blue serves as before."""

    exit_code = 5


class PlanChanged(Refused):
    """The open run belongs to another plan digest than the one that the configuration gives now."""


class ApprovalStale(Refused):
    """The start digest that was approved is not the one observed now."""


class PointOfNoReturn(Refused):
    """A step that was taken on purpose removed the way back."""


class Unexpected(CutoverError):
    """A resource shows a state that the plan does not know at this position; nothing was touched."""


class StepFailed(CutoverError):
    """A command raised, and `observe` shows that the step is not done."""


class NotConverged(CutoverError):
    """The commands ran without error and the wanted state did not appear within `settle` seconds."""


class Unreachable(CutoverError):
    """A resource did not answer before its deadline, so its state is not known."""


class GateFailed(CutoverError):
    """The check of `gate` failed (latched for this pass) or, `timed_out`, was not satisfied before its deadline."""

    def __init__(self, gate: str, message: str, *, timed_out: bool = False) -> None:
        super().__init__(f"{gate}: {message}")
        self.gate, self.timed_out = gate, timed_out


class BudgetOverrun(CutoverError):
    """A phase took longer than its time budget."""


class RolledBack(CutoverError):
    """A cutover ended by going back; blue serves and nothing was lost."""

    exit_code = 6


class RollbackIncomplete(CutoverError):
    """The way back stopped half-way; the message lists the commands that remain."""

    exit_code = 7


class Waiting(CutoverError):
    """A hold or a gate wants time or a person; the run can be resumed."""

    exit_code = 8


class Interrupted(CutoverError):
    """The operator interrupted; `exit_code` is 128 + the signal's number."""

    def __init__(self, message: str, *, signal_number: int, next_command: str = "") -> None:
        super().__init__(message, next_command=next_command)
        self.exit_code = 128 + signal_number
