"""How the chance of a false rollback is divided over all that is tested in one cutover."""

from dataclasses import dataclass

FALSE_ROLLBACKS = 0.01  # of healthy cutovers, all tests and phases together
FIRST = 0.8  # of a phase's part, for the first time that it is gone through


@dataclass(frozen=True)
class Family:
    """At most `alpha` of all healthy cutovers are taken back by any of `tests` tests in any of `phases` phases.

    Each has an equal part (Bonferroni): nothing is assumed about how tests hang together, and no test that was quiet lends its
    part to another, so a plan that goes on for longer than foreseen keeps its bound only if its phases were counted.
    """

    tests: int
    phases: int
    alpha: float = FALSE_ROLLBACKS

    def __post_init__(self) -> None:
        if self.tests < 1 or self.phases < 1 or not 0 < self.alpha < 1:
            raise ValueError(f"a family has at least one test in one phase, and an alpha between 0 and 1: {self}")

    @property
    def each(self) -> float:
        """The alpha of one test in one phase."""
        return self.alpha / (self.tests * self.phases)


def part_of_pass(number: int) -> float:
    """What part of a phase's alpha its pass of that number has, counted from 1: a share that was taken back may be taken again.

    The first has four fifths, and each further one half of what is left, so that all of them together never have more than
    the whole, however often it is tried (alpha spending; the passes need not be known beforehand, as in Foster and Stine,
    "Alpha-investing", J. R. Statist. Soc. B 70, 2008, but nothing is ever earned back).
    """
    if number < 1:
        raise ValueError(f"passes are counted from 1: {number}")
    return FIRST if number == 1 else (1 - FIRST) * 0.5 ** (number - 1)
