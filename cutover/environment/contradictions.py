"""Values that are right each for itself and wrong together.

They are looked for in plain data, not in the models: a file with a typing error elsewhere is to hear about them too.
Whatever has the wrong type here is passed over, because the models name it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticCustomError

from cutover.environment.document import Unquoted
from cutover.environment.problem import Loc, dotted
from cutover.environment.reading import seconds
from cutover.environment.shapes import checklist_items


@dataclass(frozen=True)
class Contradiction:
    """What is wrong at `loc`; `other` is the place that it does not fit to."""

    loc: Loc
    reason: str
    other: Loc | None = None


def contradictions(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    """Every contradiction in an environment's data, as read from the file or dumped from the model."""
    yield from _protection(data)
    yield from _databases(data)
    yield from _hostnames(data)
    yield from _maintenance(data)
    yield from _window(data)
    yield from _soaks(data)
    yield from _checklist(data)


def _protection(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    protected = data.get("protected")
    if protected is not True and not (isinstance(protected, Unquoted) and protected == "true"):
        return
    if not _at(data, "aws", "account"):
        yield Contradiction(("protected",), "a protected environment needs aws.account")
    if data.get("world") is not None:
        yield Contradiction(("protected",), "a protected environment is not one with a local world", ("world",))


def _databases(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    single, several = data.get("database"), data.get("databases")
    if single is None and several is None:
        yield Contradiction(("database",), "is missing; several databases stand under `databases`, each with a name")
    if single is not None and several is not None:
        reason = "there is `database` as well: name the only one there, or all of them here"
        yield Contradiction(("databases",), reason, ("database",))
    yield from _sides(data, ("smoke",), "address")
    seen: dict[str, Loc] = {}
    for place in _database_places(data):
        yield from _sides(data, place, "database")
        yield from _sides(data, (*place, "clients"), "address")
        for side in ("blue", "green"):
            ref = _at(data, *place, side)
            if isinstance(ref, str) and str(ref) in seen and seen[str(ref)][:-1] != place:
                yield Contradiction((*place, side), "is another entry's database, too", seen[str(ref)])
            if isinstance(ref, str):
                seen.setdefault(str(ref), (*place, side))
        yield from _client_name(data, (*place, "clients"))
    yield from _ledger(data)


def _client_name(data: Mapping[str, Any], place: tuple[str, ...]) -> Iterator[Contradiction]:
    clients = _at(data, *place)
    record, zone = _name(_at(clients, "record")), _name(_at(clients, "zone"))
    if record and zone and not record.endswith(f".{zone}"):
        yield Contradiction((*place, "zone"), "does not contain the record", (*place, "record"))
    for key, entry in _items(data.get("hostnames")):
        if record and record == _name(_at(entry, "host")):
            reason = "is a hostname of the application; clients of the database need a name of their own"
            yield Contradiction((*place, "record"), reason, ("hostnames", key, "host"))
    for other in _database_places(data):
        if record and (*other, "clients") < place and record == _name(_at(data, *other, "clients", "record")):
            reason = "leads the clients of another database; each needs a name of its own"
            yield Contradiction((*place, "record"), reason, (*other, "clients", "record"))
    for side in ("blue", "green"):
        if record and record == _name(_at(clients, side)):
            yield Contradiction((*place, side), "is the record itself", (*place, "record"))
    yield from _ttl(clients, place)
    ttl, hold = _whole(_at(clients, "ttl", "cutover")), _seconds(_at(clients, "drain", "hold"), 5.0)
    budget = _seconds(_at(data, "window", "budget"), 60.0)
    if ttl is not None and hold is not None and budget is not None and ttl + hold >= budget:
        reason = "with drain.hold must be shorter than window.budget, because it is waited for in the window"
        yield Contradiction((*place, "ttl", "cutover"), reason, ("window", "budget"))


def _database_places(data: Mapping[str, Any]) -> list[tuple[str, ...]]:
    several: list[tuple[str, ...]] = [("databases", name) for name, _ in _items(data.get("databases"))]
    return [("database",), *several] if data.get("database") is not None else several


def _ledger(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    wanted, names = data.get("ledger_database"), [n for n, _ in _items(data.get("databases")) if n.isprintable()]
    if wanted is not None and str(wanted) not in names:
        yield Contradiction(
            ("ledger_database",), f"is none of the databases: {', '.join(names) or 'there is only one'}"
        )
    if wanted is None and len(names) > 1 and data.get("ledger_keys") is not None:
        reason = f"needs `ledger_database`, the one to ask: {', '.join(names)}"
        yield Contradiction(("ledger_keys",), reason, ("databases",))


def _hostnames(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    hosts: dict[str, Loc] = {}
    carried: dict[tuple[str, str], Loc] = {}
    for key, entry in _items(data.get("hostnames")):
        place: Loc = ("hostnames", key)
        host, zone = _name(_at(entry, "host")), _name(_at(entry, "carrier", "zone"))
        if host and host in hosts:
            first = hosts[host]
            reason = "is the same name as another entry's; exactly one provider carries a hostname's share"
            yield Contradiction((*place, "host"), reason, first)
        hosts.setdefault(host, (*place, "host"))
        if host and zone and host != zone and not host.endswith(f".{zone}"):
            yield Contradiction((*place, "carrier", "zone"), "does not contain the host", (*place, "host"))
        yield from _sides(entry, ("carrier",), "target group or record", place)
        yield from _shared_balancer(entry, place, carried)
        yield from _ttl(_at(entry, "carrier"), (*place, "carrier"))


def _shared_balancer(entry: object, place: Loc, carried: dict[tuple[str, str], Loc]) -> Iterator[Contradiction]:
    """Two hostnames behind one listener have one pair of weights: each would undo what the other one did."""
    balancer = _at(entry, "carrier", "load_balancer")
    if not isinstance(balancer, str):
        return
    listener = (str(balancer), str(_at(entry, "carrier", "listener_port") or 80))
    here = (*place, "carrier", "load_balancer")
    if listener in carried:
        yield Contradiction(here, "this listener carries another hostname's share already", carried[listener])
    carried.setdefault(listener, here)


def _ttl(holder: object, place: Loc) -> Iterator[Contradiction]:
    normal, cutover = (_whole(_at(holder, "ttl", key)) for key in ("normal", "cutover"))
    if normal is not None and cutover is not None and cutover > normal:
        here: Loc = (*place, "ttl")
        yield Contradiction((*here, "cutover"), "must not be longer than the normal TTL", (*here, "normal"))


def _maintenance(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    kind, balancers = _at(data, "maintenance", "kind"), _at(data, "maintenance", "load_balancers")
    if kind == "alb" and not balancers:
        yield Contradiction(("maintenance", "load_balancers"), "maintenance by alb needs at least one load balancer")
    if kind in (None, "none") and balancers:
        reason = "load balancers are named, but the kind is none: write `kind: alb`, or remove them"
        yield Contradiction(("maintenance", "load_balancers"), reason)


def _window(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    budget = _seconds(_at(data, "window", "budget"), 60.0)
    for place in _database_places(data):
        dead_man = _seconds(_at(data, *place, "fence", "dead_man"), 10.0)
        if budget is not None and dead_man is not None and dead_man >= budget:
            reason = (
                "must be shorter than window.budget, or a dead tool stops writes for longer than the window may last"
            )
            yield Contradiction((*place, "fence", "dead_man"), reason, ("window", "budget"))
        pause = _seconds(_at(data, *place, "clients", "pause_timeout"), 0.0)
        if budget is not None and pause is not None and pause >= budget:
            reason = "must be shorter than window.budget"
            yield Contradiction((*place, "clients", "pause_timeout"), reason, ("window", "budget"))


def _soaks(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    soaks, shares = _at(data, "shift", "soak"), _at(data, "shift", "shares") or (10, 50, 100)
    if isinstance(soaks, (list, tuple)) and isinstance(shares, (list, tuple)) and len(soaks) != len(shares):
        reason = f"has {len(soaks)} durations for {len(shares)} shares; give one for each, or a single one for all"
        yield Contradiction(("shift", "soak"), reason, ("shift", "shares"))


def _checklist(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    written = data.get("checklist")
    for key, value in _items(written):
        if isinstance(value, Mapping) and "name" in value:
            yield Contradiction(("checklist", key, "name"), "unknown key; the name is the key above it")
    items = checklist_items(written)
    for item in items if isinstance(items, (list, tuple)) else ():
        if not isinstance(item, Mapping) or set(item) - {"name", "smoke", "attest"}:
            continue
        if (item.get("smoke") is None) == (item.get("attest") is None):
            yield Contradiction(("checklist", str(item.get("name"))), "needs either `smoke` or `attest`, and not both")


def _sides(data: object, at: tuple[str, ...], what: str, place: Loc = ()) -> Iterator[Contradiction]:
    blue, green = _at(data, *at, "blue"), _at(data, *at, "green")
    if blue is not None and isinstance(blue, (str, type(green))) and str(blue) == str(green):
        yield Contradiction((*place, *at, "green"), f"is the same {what} as blue's", (*place, *at, "blue"))


def _at(data: object, *path: str) -> Any:
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def _items(data: object) -> list[tuple[str, Any]]:
    return [(str(key), value) for key, value in data.items()] if isinstance(data, Mapping) else []


def _name(value: object) -> str:
    return value.removesuffix(".").lower() if isinstance(value, str) else ""


def _whole(value: object) -> int | None:
    return int(str(value)) if re.fullmatch(r"0|[1-9][0-9]{0,17}", str(value), re.ASCII) else None


def _seconds(value: object, default: float) -> float | None:
    try:
        return default if value is None else seconds(value)
    except PydanticCustomError:
        return None


def with_line(contradiction: Contradiction, line: int) -> str:
    """The reason, with the place and line of what it does not fit to."""
    if contradiction.other is None:
        return contradiction.reason
    return f"{contradiction.reason} ({dotted(contradiction.other)}, line {line})"
