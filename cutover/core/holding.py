"""Whether what was done still stands, where the journal has nothing left to do."""

from cutover.core.errors import Unexpected
from cutover.core.plain import text
from cutover.core.plan import Plan


def still_holds(plan: Plan, back: str) -> None:
    """Looks whether the writing side and the traffic are where the plan has led them; `back` is the command that goes back.

    Raises Unexpected where somebody has moved them since. Going back by the plan accepts what is back already.
    """
    last = {step.resource: step for _, step in plan.steps() if step.commit_point or step.lane == "traffic"}
    for step in last.values():
        seen = step.observe()
        if seen != step.after:
            raise Unexpected(
                f"the cutover was done, but {step.resource} is now {text(seen)}, wanted {text(step.after)}; "
                f"somebody changed it since. Nothing was touched. Look: {step.check_shell()}",
                next_command=back,
            )
