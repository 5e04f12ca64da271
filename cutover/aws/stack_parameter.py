"""From a share to the text of a numeric stack parameter, and back: the nearest that its decimals allow."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from cutover.core.share import Share


@dataclass(frozen=True)
class StackParameter:
    """A parameter that says green's share: `scale` means everything, and it has so many `decimals`."""

    name: str
    scale: int = 100
    decimals: int = 0

    def text(self, share: Share) -> str:
        """The value to give; never 0 or `scale` for a share that is neither 0 nor 100."""
        _, units = share.weights(self.scale * 10**self.decimals)
        return f"{Decimal(units).scaleb(-self.decimals).normalize():f}"

    def share(self, value: str, wanted: Iterable[object]) -> Share | str:
        """The share that a value means, one of `wanted` when it is written so; a text for what is no share."""
        try:
            number = Decimal(value)
        except InvalidOperation:
            return f"{self.name} is {value!r}, which is no number"
        if not number.is_finite() or not 0 <= number <= self.scale:
            return f"{self.name} is {value}, which is not from 0 to {self.scale}"
        for one in wanted:
            if isinstance(one, Share) and Decimal(self.text(one)) == number:
                return one
        percent = (number * 100 / self.scale).quantize(Decimal("0.01"))
        if 0 < number < self.scale:
            percent = min(max(percent, Decimal("0.01")), Decimal("99.99"))
        return Share(percent)

    def remark(self, share: Share) -> str:
        """What a person should know about a share that this parameter cannot say exactly; empty when it can."""
        written = self.share(self.text(share), ())
        return "" if written == share else f"{share} is written as {written}, the nearest that {self.name} allows"
