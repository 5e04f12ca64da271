"""When green may have begun to be worse: a fault of the third hour must not be outvoted by two healthy hours."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

EVERY = 15.0  # seconds between two possible onsets: the usual distance of two scrapes


@dataclass(frozen=True)
class Onset:
    """A time (seconds since the epoch) from which is counted anew, and the logarithm of its part of the money."""

    at: float
    log_part: float


def onsets(since: float, now: float, every: float = EVERY) -> Iterator[Onset]:
    """The phase's begin with half of the money, and of the other onsets a few, nearer to each other the younger they are.

    The money for onset j (that is `j * every` seconds after the begin) is fixed beforehand: the onsets from 2^k up to 2^(k+1)
    share half of 1 / ((k + 1) (k + 2)) equally, which adds up to a half over any length of time. Winnings that begin later are
    those of a bet that waited, so all of them together are still one bet (a mixture over the change point, as in Shin, Ramdas
    and Rinaldo, "E-detectors", New Engl. J. Stat. Data Sci. 2, 2024, but with a bounded chance of ever being wrong). Those that
    are not looked at count as lost.
    """
    yield Onset(since, math.log(0.5))
    last = int((now - since) // every)
    for age in _ages(last):
        number = last - age
        octave = number.bit_length() - 1
        yield Onset(since + number * every, -math.log(2.0 * (octave + 1) * (octave + 2) * 2**octave))


def _ages(last: int) -> Iterator[int]:
    """1, 2, 3, 4, 6, 8, 12, 16, 24, ... as long as they are younger than the phase."""
    age, half = 1, 1
    while age < last:
        yield age
        if age >= 2 and age + half < last:
            yield age + half
        half, age = age, age * 2
