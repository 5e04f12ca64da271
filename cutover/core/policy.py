"""What an error on the way forward starts: by the guard, the gate, the phase or its budget that it came from."""

from cutover.core.back import RETRYABLE
from cutover.core.errors import BudgetOverrun, CutoverError, GateFailed
from cutover.core.gate import Gate, Policy
from cutover.core.guarding import GuardTripped
from cutover.core.plan import Plan


def policy_of(plan: Plan, phase: str, error: CutoverError) -> Policy:
    """The policy for `error` in the phase of that name (empty before the first)."""
    if isinstance(error, GuardTripped):
        return error.policy
    if isinstance(error, BudgetOverrun):
        return plan.phase(phase).overrun
    if isinstance(error, GateFailed):
        gates = (item for _, item in plan.walk() if isinstance(item, Gate) and item.name == error.gate)
        return next((started_by(gate, error) for gate in gates), Policy.STOP)
    if isinstance(error, RETRYABLE) and phase:
        return plan.phase(phase).on_failure
    return Policy.STOP


def started_by(gate: Gate, error: GateFailed) -> Policy:
    """What the gate's failure, or the end of its time, starts."""
    return gate.on_timeout or gate.on_fail if error.timed_out else gate.on_fail
