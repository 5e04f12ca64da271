"""What a plan starts from, and the digest by which a reviewed plan is approved."""

from collections.abc import Mapping

from cutover.core.errors import ApprovalStale, CutoverError
from cutover.core.plain import digest, text
from cutover.core.plan import Plan

SHORTEST_APPROVAL = 12  # characters of the start digest
BLIND = "not observed: "


def observed(plan: Plan) -> dict[str, str]:
    """Each step's state as it is now, `not observed: …` where nothing answers."""
    seen: dict[str, str] = {}
    for _, step in plan.steps():
        try:
            seen[step.name] = text(step.observe())
        except CutoverError as error:
            seen[step.name] = f"{BLIND}{error.message}"
    return seen


def start_digest(plan: Plan, seen: Mapping[str, str] | None = None) -> str | None:
    """The plan and what it starts from: what a reviewed plan is approved by; None when not everything could be observed."""
    seen = observed(plan) if seen is None else seen
    if any(state.startswith(BLIND) for state in seen.values()):
        return None
    return digest({"plan": plan.digest(), "observed": seen})


def is_approved(plan: Plan, approve: str) -> None:
    """Raises ApprovalStale unless `approve` is the start digest of now, or the beginning of it."""
    now = start_digest(plan)
    again = f"invoke plan --env {plan.environment}"
    if now is None:
        raise ApprovalStale(
            "not everything of the plan can be observed now, so nothing can be compared", next_command=again
        )
    if len(approve) < SHORTEST_APPROVAL or not now.startswith(approve):
        raise ApprovalStale(
            f"approved was {approve[:12]}, but plan and observed states now give {now[:12]}; review again",
            next_command=again,
        )
