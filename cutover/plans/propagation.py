"""How far a shift has got in the name system: who answers what, which side that is, and whose old answer is still to be expected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover.core.errors import CutoverError
from cutover.core.journal import Position
from cutover.core.plain import text
from cutover.core.plan import Plan
from cutover.core.share import Share
from cutover.net.drawn_names import NameServerDraws, plain_name, servers_of
from cutover.net.propagation import AUTHORITATIVE, RESOLVER, Said, answers, own_resolvers
from cutover.plans.carried import Carried
from cutover.plans.carried_route53 import CarriedByRoute53


@dataclass(frozen=True)
class Moves:
    """What the journal knows of one hostname: the share that was asked for, and when what was in force everywhere (seconds
    since 1970, None where nothing is known)."""

    asked: str
    moved: float | None = None
    lowered: float | None = None
    """When the TTL had been lowered from `before` seconds."""
    before: float = 0.0


def propagation(carried: Sequence[Carried], plan: Plan, position: Position | None, now: float) -> list[dict[str, Any]]:
    """One entry for each hostname, as `invoke propagation --json` prints it."""
    return [_hostname(one, moves_of(one, plan, position), now) for one in carried]


def moves_of(one: Carried, plan: Plan, position: Position | None) -> Moves:
    """Whatever was asked for last, by an intent that is open or by the newest step that stands."""
    steps = {step.name: step for _, step in plan.steps() if step.name.startswith(f"traffic-{one.name}-")}
    if position is None:
        return Moves("0 %")
    standing = [name for name in position.done if name in steps]
    asked = text(steps[standing[-1]].after) if standing else "0 %"
    if position.intent in steps:
        asked = text(steps[position.intent].after)
    marks = position.converged_at
    moved = [at for name, at in marks.items() if name.removesuffix("-undo") in steps]
    lowered = marks.get(f"ttl-lowered-{one.name}")
    return Moves(asked, max(moved, default=None), lowered, one.remembered())


def _hostname(one: Carried, moves: Moves, now: float) -> dict[str, Any]:
    effective = _effective(one)
    draws = one.name_draws()
    kind = draws.record_type if isinstance(draws, NameServerDraws) else "A"
    sides, trouble = _sides(draws)
    if isinstance(one, CarriedByRoute53) and one.words.private:
        trouble = "its records are in a private zone, whose name servers cannot be asked from here"
    try:
        servers = (
            servers_of(one.zone() or one.host, one.means.dns_servers()) if draws or one.means.dns_servers() else ()
        )
    except CutoverError as error:
        servers, trouble = (), error.message
    said = answers(one.host, kind, servers, _resolvers(one))
    # What the name servers give is the TTL of now; resolvers may have less of it left, and never more.
    valid = max((each.ttl for each in said if each.role == AUTHORITATIVE and each.ttl is not None), default=None)
    return {
        "hostname": one.name,
        "host": one.host,
        "type": kind,
        "asked": moves.asked,
        "effective": effective,
        "trouble": trouble,
        "answers": [_line(each, sides, valid, moves, effective, now) for each in said],
    }


def _effective(one: Carried) -> str:
    try:
        return text(one.share(Share.of(0), Share.of(100)).observe())
    except CutoverError as error:
        return f"not seen: {error.message}"


def _sides(draws: object) -> tuple[Mapping[str, str], str]:
    if not isinstance(draws, NameServerDraws):
        return {}, ""
    try:
        return draws.sides_by_answer(), ""
    except CutoverError as error:
        return {}, error.message


def _resolvers(one: Carried) -> Sequence[str]:
    """Those that the environment names; else this machine's own, unless the name servers are special ones, too."""
    named = one.means.dns_resolvers()
    if named is not None:
        return named()
    return own_resolvers() if one.means.dns_servers() is None else ()


def _line(
    said: Said, sides: Mapping[str, str], valid: int | None, moves: Moves, effective: str, now: float
) -> dict[str, Any]:
    found = {sides.get(plain_name(value), "") for value in said.values}
    side = found.pop() if len(found) == 1 else ""
    return {
        "server": said.server,
        "role": said.role,
        "values": list(said.values),
        "side": side,
        "ttl_left": said.ttl,
        "reason": said.reason,
        "straggler": straggler(said, side, valid, moves, effective, now),
    }


def straggler(
    said: Said, side: str, valid: int | None, moves: Moves, effective: str, now: float
) -> dict[str, Any] | None:
    """What is to be said about a resolver whose answer is older than the records of now; None for all others.

    Behind `expected` answers a cache that keeps to the TTL can stand, `until` then they are gone. What lives longer was
    kept by a least TTL or served although it had expired (RFC 8767), often under a new TTL: no wait ends that for sure.
    """
    if said.role != RESOLVER or said.ttl is None or valid is None:
        return None
    end = now + said.ttl
    lowered = moves.lowered + moves.before if moves.lowered is not None else None
    if said.ttl > valid and not (lowered is not None and end <= lowered + 1):
        why = f"gives {said.ttl} s where the record has {valid} s: it keeps answers for longer than they are valid"
        return {"expected": False, "until": end, "why": why}
    gone = {"100 %": "blue", "0 %": "green"}.get(effective)
    if side and side == gone:
        last = max((at for at in (_plus(moves.moved, valid), lowered) if at is not None), default=None)
        if last is None or end <= last + 1:
            return {"expected": True, "until": end, "why": f"answers {side} out of its cache"}
        why = f"answers {side} although its TTL has run out: a least TTL, or served expired under a new one"
        return {"expected": False, "until": end, "why": why}
    return None


def _plus(at: float | None, seconds: float) -> float | None:
    return None if at is None else at + seconds
