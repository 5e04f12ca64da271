"""From a share to a provider's integer weights, and back: whole percents as they are, finer ones as near as the scale allows."""

from collections.abc import Iterable
from math import gcd

from cutover.core.share import Share

ALB_LARGEST = 999  # Elastic Load Balancing API, TargetGroupTuple: 0 to 999
ROUTE53_LARGEST = 255  # Route 53 API, ResourceRecordSet Weight: 0 to 255
HUNDREDTHS = 10_000


def weights_for(share: Share, largest: int) -> tuple[int, int]:
    """Weights (blue, green), each at most `largest`; never 0 for a side that has a share.

    A whole percent is 100-p : p; a finer share is exact where its shortest fraction fits, else the nearest over `largest`.
    """
    green = int(share.percent * 100)
    blue = HUNDREDTHS - green
    if green % 100 == 0:
        return blue // 100, green // 100
    common = gcd(blue, green)
    if max(blue, green) // common <= largest:
        return blue // common, green // common
    return share.weights(largest)


def share_of(weights: tuple[int, int], wanted: Iterable[object], largest: int) -> Share:
    """The share that weights mean; one of `wanted` when the weights are those that it is written as. Raises ValueError for 0:0."""
    for share in wanted:
        if isinstance(share, Share) and weights_for(share, largest) == weights:
            return share
    return Share.of_weights(*weights)


def remark(share: Share, largest: int) -> str:
    """What a person should know about a share that has no exact weights; empty when it has."""
    written = Share.of_weights(*weights_for(share, largest))
    return (
        "" if written == share else f"{share} is written as {written}, the nearest that weights up to {largest} allow"
    )
