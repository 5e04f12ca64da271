"""The share: percent of requests on green."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal


@dataclass(frozen=True, order=True)
class Share:
    """Percent of requests on green, 0 to 100 in steps of 0.01; raises ValueError outside."""

    percent: Decimal

    def __post_init__(self) -> None:
        exact = Decimal(str(self.percent)).quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)
        if exact != Decimal(str(self.percent)) or not 0 <= exact <= 100:
            raise ValueError(f"{self.percent} is not a share: 0 to 100 in steps of 0.01")
        object.__setattr__(self, "percent", exact)

    @classmethod
    def of(cls, percent: float | str | Decimal) -> "Share":
        return cls(Decimal(str(percent)))

    @classmethod
    def of_weights(cls, blue: int, green: int) -> "Share":
        """The share that two weights mean, to the nearest 0.01 and never 0 or 100 unless exactly so; raises ValueError for 0:0."""
        if blue + green <= 0:
            raise ValueError("two weights of 0 carry no share")
        percent = (Decimal(100) * green / (blue + green)).quantize(Decimal("0.01"))
        if green and blue:
            percent = min(max(percent, Decimal("0.01")), Decimal("99.99"))
        return cls(percent)

    def weights(self, total: int) -> tuple[int, int]:
        """Weights (blue, green) whose sum is `total`; only 0 and 100 become 0 and `total`."""
        green = int((self.percent * total / 100).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
        if 0 < self.percent < 100:
            green = min(max(green, 1), total - 1)
        return total - green, green

    def __str__(self) -> str:
        return f"{self.percent.normalize():f} %"
