"""Units that figures and bounds are written in: which of them fit together, and how a value reads."""

from dataclasses import dataclass

TIMES = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
SIZES = {
    "B": 1.0,
    "bytes": 1.0,
    "KB": 1e3,
    "kB": 1e3,
    "MB": 1e6,
    "GB": 1e9,
    "TB": 1e12,
    "KiB": 2.0**10,
    "MiB": 2.0**20,
    "GiB": 2.0**30,
}
RATES = {f"/{unit}": 1.0 / TIMES[unit] for unit in ("s", "m", "h", "d")} | {"/min": 1.0 / TIMES["m"]}
PERCENT, COUNT = "%", "count"
_KINDS = {
    "a time": TIMES,
    "a size": SIZES,
    "a rate": RATES,
    "a percentage": {PERCENT: 1.0},
    "a count": {"": 1.0, COUNT: 1.0},
}
LONGEST = 366 * TIMES["d"]


@dataclass(frozen=True)
class Quantity:
    """A number with its unit, as it was written; sizes are decimal (1 MB = 1,000,000 bytes) unless the unit says KiB."""

    value: float
    unit: str = ""

    def __str__(self) -> str:
        return number(self.value) + self.unit

    def in_unit(self, unit: str) -> float:
        """The number in another unit; raises ValueError with the reason where there is none. Nothing is 0 in every unit."""
        if self.unit == unit or self.value == 0:
            return self.value
        mine, theirs = factor(self.unit), factor(unit)
        if not self.unit and theirs is None:
            return self.value  # a unit that nobody else has needs no name
        if mine is None or theirs is None or mine[0] != theirs[0]:
            raise ValueError(f"is in {unit}" if unit else "is a plain number")
        return self.value * (mine[1] / theirs[1])


def factor(unit: str) -> tuple[str, float] | None:
    """What kind of unit it is, and how much of the kind's own one; None for a unit that is like no other."""
    for kind, units in _KINDS.items():
        if unit in units:
            return kind, units[unit]
    return None


def number(value: float) -> str:
    """The shortest text that is read as the same number."""
    return repr(float(value)).removesuffix(".0")


def lasting(seconds: float) -> str:
    """A duration in the largest unit that needs no fraction: 5m, 90s, 0.25s."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % TIMES[unit] == 0:
            return f"{number(seconds / TIMES[unit])}{unit}"
    return f"{number(seconds)}s"


def shown(value: float, unit: str) -> str:
    """A measured value for a person, with four digits that count; bytes in the largest unit that leaves a whole one."""
    if unit in ("B", "bytes"):
        unit, size = next(
            ((word, SIZES[word]) for word in ("GB", "MB", "kB") if abs(value) >= SIZES[word]), (unit, 1.0)
        )
        return f"{value / size:.4g} {unit}"
    digits = f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"
    return digits if unit in ("", COUNT) else f"{digits}{unit}" if factor(unit) else f"{digits} {unit}"
