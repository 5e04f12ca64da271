"""What a time costs, as an estimate from what was used in it and the prices that the environment gives."""

from collections.abc import Mapping
from dataclasses import dataclass

from cutover.core.series import Reading

HOUR, MILLION = 3600.0, 1_000_000


@dataclass(frozen=True)
class Spending:
    """`amount` over `seconds`, by part; where `unknown` names parts that could not be read, it is the least that it may be."""

    amount: float
    seconds: float
    parts: Mapping[str, float]
    unknown: Mapping[str, str]

    @property
    def an_hour(self) -> float:
        return self.amount * HOUR / self.seconds


def estimated(seconds: float, hourly: Mapping[str, float], used: Mapping[str, tuple[Reading, float]]) -> Spending:
    """`hourly` are prices of what runs all the time; `used` are rates (a second) with the price of a million.

    The mean of the samples stands for the whole time. A rate with a gap is no zero: its part is unknown.
    """
    parts = {name: price * seconds / HOUR for name, price in hourly.items()}
    unknown: dict[str, str] = {}
    for name, (reading, price) in used.items():
        if reading.gap is not None or not reading.samples:
            unknown[name] = f"{reading.gap.value if reading.gap else 'no data'}: {reading.seen}"
            continue
        mean = sum(sample.value for sample in reading.samples) / len(reading.samples)
        parts[name] = mean * seconds / MILLION * price
    return Spending(sum(parts.values()), seconds, parts, unknown)
