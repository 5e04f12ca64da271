"""The names whose records a plan changes: claimed before its steps rely on anything, and unmarked at its end."""

from collections.abc import Iterable
from typing import Any, TypeGuard

from cutover.aws.record_group import RecordName
from cutover.aws.route53_claim import Claimed, MarkGone, claim
from cutover.aws.session import OBSERVE_SECONDS
from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError, LeaseLost
from cutover.core.plan import Plan
from cutover.core.step import Step
from cutover.plans.permitted import outermost


def names_changed(steps: Iterable[Step[Any]]) -> list[RecordName]:
    """Each name once, whatever its types; in the order of the steps."""
    found: dict[tuple[str, ...], RecordName] = {}
    for step in steps:
        for one in outermost(_is_claimed, step):
            for name in one.records_changed():
                found.setdefault(name.claim_key(0), name)
    return list(found.values())


def claim_names(steps: Iterable[Step[Any]]) -> None:
    """Shows our token at every name; all of it takes at most 5 s.

    Raises LeaseLost when somebody took over, and at the end the first of the errors of names that could not be claimed.
    """
    deadline = Deadline.after(OBSERVE_SECONDS)
    failures: list[CutoverError] = []
    for name in names_changed(steps):
        try:
            claim(name, deadline)
        except LeaseLost:
            raise
        except CutoverError as error:
            failures.append(error)
    if failures:
        raise failures[0]


def marks_gone(plan: Plan) -> list[MarkGone]:
    """The steps that take the marks of a plan's names away."""
    names = names_changed(step for _, step in plan.steps())
    hosts = [one.name for one in names]
    return [
        MarkGone(
            name=f"mark-gone-{one.name}" + (f"-{one.vpc or one.zone}" if hosts.count(one.name) > 1 else ""),
            aws=one.aws,
            zone=one.zone,
            record=one.name,
            record_type=one.type,
            private=one.private,
            vpc=one.vpc,
        )
        for one in names
    ]


def _is_claimed(thing: object) -> TypeGuard[Claimed]:
    # As isinstance with the protocol, which is asked thousands of times and takes long before Python 3.12.
    return hasattr(type(thing), "records_changed")
