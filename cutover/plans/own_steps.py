"""The user's own steps in the plan, each at the place that it names."""

from cutover.core.gate import Check
from cutover.core.plan import Item
from cutover.environment import OwnStep as Words
from cutover.machine.own_command import OwnStep, Variable
from cutover.machine.own_read import OwnCommandsRead
from cutover.plans.checklist import own_lines
from cutover.plans.means import Means


def own_steps(means: Means, phase: str) -> list[Item]:
    """The steps of one place, in the order of the environment file."""
    return [_step(means, name, words) for name, words in means.environment.steps.items() if words.phase == phase]


def own_checks(means: Means) -> list[tuple[str, Check]]:
    """What can be asked of them before the cutover."""
    steps = tuple(_step(means, name, words) for name, words in means.environment.steps.items())
    written = own_lines(means)
    found: list[tuple[str, Check]] = [("own-steps", OwnCommandsRead(steps=steps))] if steps else []
    return [*found, ("own-lines", OwnCommandsRead(lines=written))] if written else found


def _step(means: Means, name: str, words: Words) -> OwnStep:
    return OwnStep(
        name=f"own-{name}",
        before=words.before,
        after=words.after,
        between=frozenset(words.between),
        there=words.after,
        observed_by=words.observe,
        to=words.to,
        back=words.back,
        reason=words.why,
        settle=words.timeout,
        variables=tuple(
            Variable(variable, means.value_of(ref), means.shell_of(ref)) for variable, ref in words.variables.items()
        ),
        dry=means.read_only and not words.observe_is_safe,
    )
