"""Snapshots as routers make them, for tests of what reads them."""

from collections.abc import Sequence
from decimal import Decimal

from cutover.routing.histogram import Histogram, bin_of
from cutover.routing.snapshot import Side, Snapshot


def side(times: Sequence[float] = (), **counts: int) -> Side:
    bins: dict[int, int] = {}
    for one in times:
        bins[bin_of(one)] = bins.get(bin_of(one), 0) + 1
    return Side(requests=len(times), response_time=Histogram(bins, sum(times)), **counts)


def snapshot(
    flag: str = "search", legacy: Side | None = None, candidate: Side | None = None, share: str = "25", **counts: int
) -> Snapshot:
    return Snapshot(
        flag=flag,
        share=Decimal(share),
        began_at=1000.0,
        taken_at=1060.0,
        legacy=legacy or Side(),
        candidate=candidate or Side(),
        **counts,
    )
