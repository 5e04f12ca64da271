"""What a provider cannot do, found when the file is read and not in the middle of the shift."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cutover.environment.plain_data import Contradiction, at, items, seconds_of, whole_of
from cutover.environment.problem import Loc

LARGEST_STAGING_SHARE = 15.0  # CloudFront API, ContinuousDeploymentSingleWeightConfig: Weight is from 0 to 0.15
USUAL_SHARES = (10, 50, 100)
USUAL_SETTLE = {"cloudformation": 900.0, "cloudfront": 1800.0}
INSYNC_SETTLE = 120.0  # what Route53Share gives a change until all authoritative servers have it

Taken = dict[tuple[str, ...], Loc]


def beyond_the_provider(data: Mapping[str, Any], carrier: object, place: Loc, taken: Taken) -> Iterator[Contradiction]:
    """Every contradiction between a carrier by CloudFormation, CloudFront or Route 53 and the rest of the file."""
    kind = at(carrier, "kind")
    if kind == "cloudformation":
        yield from _parameter(carrier, place)
        yield from _carried_twice(carrier, place, taken, ("stack", "parameter"), "this parameter")
    if kind == "cloudfront":
        yield from _staging_shares(data, place)
        yield from _two_distributions(carrier, place)
        yield from _carried_twice(carrier, place, taken, ("distribution",), "this distribution")
        yield from _carried_twice(carrier, place, taken, ("kept_in",), "this parameter")
    if isinstance(kind, str) and kind in USUAL_SETTLE:
        yield from _slow_in_the_window(data, place, seconds_of(at(carrier, "settle"), USUAL_SETTLE[kind]))
    if kind == "route53":
        yield from _slow_in_the_window(data, place, INSYNC_SETTLE)


def _parameter(carrier: object, place: Loc) -> Iterator[Contradiction]:
    scale, decimals = whole_of(at(carrier, "scale") or 100), whole_of(at(carrier, "decimals") or 0)
    if scale is not None and decimals is not None and decimals <= 4 and 0 < scale * 10**decimals < 100:
        yield Contradiction((*place, "decimals"), "and scale together cannot say single percents", (*place, "scale"))
    for key, _ in items(at(carrier, "parameters")):
        if key == at(carrier, "parameter"):
            reason = "is the parameter that carries the share: its value is given by the share"
            yield Contradiction((*place, "parameters", key), reason, (*place, "parameter"))


def _carried_twice(
    carrier: object, place: Loc, taken: Taken, keys: tuple[str, ...], what: str
) -> Iterator[Contradiction]:
    values = [at(carrier, key) for key in keys]
    if not all(isinstance(value, str) for value in values):
        return
    mine, here = (keys[-1], *map(str, values)), (*place, keys[-1])
    if mine in taken:
        yield Contradiction(here, f"{what} serves another hostname's share already", taken[mine])
    taken.setdefault(mine, here)


def _staging_shares(data: Mapping[str, Any], place: Loc) -> Iterator[Contradiction]:
    if at(data, "shift", "strategy") == "immediate":
        return  # one step to 100, which is the promotion
    shares = at(data, "shift", "shares") or USUAL_SHARES
    above = [f"{share:g}" for share in map(_number, shares if isinstance(shares, (list, tuple)) else ()) if share]
    if above:
        reason = (
            f"cannot be {' and '.join(above)}: hostnames carried by cloudfront get at most {LARGEST_STAGING_SHARE:g} before the "
            "promotion at 100"
        )
        yield Contradiction(("shift", "shares"), reason, (*place, "kind"))


def _number(share: object) -> float:
    """A share that CloudFront cannot carry; 0 for any other, and for what is no number."""
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]+)?", str(share), re.ASCII):
        return 0.0
    return float(str(share)) if LARGEST_STAGING_SHARE < float(str(share)) < 100 else 0.0


def _two_distributions(carrier: object, place: Loc) -> Iterator[Contradiction]:
    primary, staging = at(carrier, "distribution"), at(carrier, "staging")
    if isinstance(primary, str) and str(primary) == str(staging):
        yield Contradiction((*place, "staging"), "is the primary distribution itself", (*place, "distribution"))


def _slow_in_the_window(data: Mapping[str, Any], place: Loc, settle: float | None) -> Iterator[Contradiction]:
    if at(data, "shift", "strategy") != "immediate":
        return
    budget = seconds_of(at(data, "window", "budget"), 60.0)
    if settle is not None and budget is not None and settle >= budget:
        reason = (
            f"takes minutes (settle is {settle:g} s), and shift.strategy: immediate moves traffic while writes are stopped, "
            f"for at most {budget:g} s: use gradual, another provider, or a window.budget that is longer than that"
        )
        yield Contradiction((*place, "kind"), reason, ("shift", "strategy"))
