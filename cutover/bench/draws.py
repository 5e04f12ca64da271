"""Random counts for simulations: exact where they are few, and by a normal distribution with its skew corrected where they are many.

The correction is the first of Cornish and Fisher (Rev. Int. Stat. Inst. 5, 1938); with a mean of 15 or more its tails are right to
well below one count.
"""

import math
from random import Random

FEW = 15.0  # up to this mean counts are drawn one by one


def poisson(dice: Random, mean: float) -> int:
    """How many arrive when `mean` are expected."""
    if mean <= 0:
        return 0
    if mean >= FEW:
        spread = math.sqrt(mean)
        return _rounded(dice, mean, spread, 1 / spread)
    count, left = 0, math.exp(-mean)
    chance = dice.random()
    term = left
    while chance > term and left > 1e-300:
        count += 1
        left *= mean / count
        term += left
    return count


def binomial(dice: Random, draws: int, chance: float) -> int:
    """How many of `draws` hit."""
    if draws <= 0 or chance < 1e-15:
        return 0
    if chance > 0.5:
        return draws - binomial(dice, draws, 1 - chance)
    mean = draws * chance
    if mean >= FEW:
        spread = math.sqrt(mean * (1 - chance))
        return min(draws, _rounded(dice, mean, spread, (1 - 2 * chance) / spread))
    count, at, log_miss = 0, 0, math.log1p(-chance)
    while True:
        at += 1 + int(math.log(1 - dice.random()) / log_miss)
        if at > draws:
            return count
        count += 1


def _rounded(dice: Random, mean: float, spread: float, skew: float) -> int:
    z = dice.gauss(0.0, 1.0)
    return max(0, math.floor(mean + spread * (z + (z * z - 1) * skew / 6) + 0.5))


def multinomial(dice: Random, draws: int, chances: tuple[float, ...]) -> list[int]:
    """How many of `draws` fall to each of the chances, which add up to 1."""
    counts, left = [], 1.0
    for chance in chances[:-1]:
        count = binomial(dice, draws, min(1.0, chance / left) if left > 0 else 0.0)
        counts.append(count)
        draws -= count
        left -= chance
    return [*counts, draws]


def beta(dice: Random, mean: float, together: float) -> float:
    """A chance that varies about its mean; `together` is the correlation of two draws with the same chance (0: none)."""
    if mean <= 0 or mean >= 1 or together <= 0:
        return mean
    weight = (1 - together) / together
    return dice.betavariate(mean * weight, (1 - mean) * weight)
