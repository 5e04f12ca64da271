"""Values that are right each for itself and wrong together.

They are looked for in plain data, not in the models: a file with a typing error elsewhere is to hear about them too.
Whatever has the wrong type here is passed over, because the models name it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from cutover.environment.approved_wrongly import approved
from cutover.environment.carried_wrongly import hostnames
from cutover.environment.checked_wrongly import checkpoints
from cutover.environment.compared_wrongly import comparison
from cutover.environment.document import Unquoted
from cutover.environment.ended_wrongly import ending
from cutover.environment.flagged_wrongly import flags
from cutover.environment.listed_wrongly import checklists
from cutover.environment.measured_wrongly import metrics
from cutover.environment.notified_wrongly import notices
from cutover.environment.observed_wrongly import witnesses
from cutover.environment.plain_data import Contradiction, at, items, name_of, seconds_of, sides, ttl_fits, whole_of
from cutover.environment.problem import Loc
from cutover.environment.shared_wrongly import is_shared, shared
from cutover.environment.triggered_wrongly import triggers
from cutover.environment.worked_wrongly import work


def contradictions(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    """Every contradiction in an environment's data, as read from the file or dumped from the model."""
    yield from _protection(data)
    yield from shared(data)
    yield from _databases(data)
    yield from hostnames(data)
    yield from flags(data)
    yield from witnesses(data)
    yield from _maintenance(data)
    yield from _window(data)
    yield from work(data)
    yield from _soaks(data)
    yield from triggers(data)
    yield from comparison(data)
    yield from checkpoints(data)
    yield from checklists(data)
    yield from approved(data)
    yield from ending(data)
    yield from metrics(data)
    yield from notices(data)


def _protection(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    protected = data.get("protected")
    if protected is not True and not (isinstance(protected, Unquoted) and protected == "true"):
        return
    if not at(data, "aws", "account"):
        yield Contradiction(("protected",), "a protected environment needs aws.account")
    if data.get("world") is not None:
        yield Contradiction(("protected",), "a protected environment is not one with a local world", ("world",))


def _databases(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    single, several = data.get("database"), data.get("databases")
    if single is None and several is None and not is_shared(data):
        reason = (
            "is missing; several databases stand under `databases`, each with a name; where both sides work on the same "
            "ones, and only traffic moves, write `shared_database: true`"
        )
        yield Contradiction(("database",), reason)
    if single is not None and several is not None:
        reason = "there is `database` as well: name the only one there, or all of them here"
        yield Contradiction(("databases",), reason, ("database",))
    yield from sides(data, ("smoke",), "address")
    seen: dict[str, Loc] = {}
    for place in _database_places(data):
        yield from sides(data, place, "database")
        yield from sides(data, (*place, "clients"), "address")
        for side in ("blue", "green"):
            ref = at(data, *place, side)
            if isinstance(ref, str) and str(ref) in seen and seen[str(ref)][:-1] != place:
                yield Contradiction((*place, side), "is another entry's database, too", seen[str(ref)])
            if isinstance(ref, str):
                seen.setdefault(str(ref), (*place, side))
        yield from _client_name(data, (*place, "clients"))
    state = data.get("state")
    if isinstance(state, str) and str(state) in seen:
        reason = "is a database that is cut over, whose writes the window stops; keep the state elsewhere"
        yield Contradiction(("state",), reason, seen[str(state)])
    yield from _ledger(data)


def _client_name(data: Mapping[str, Any], place: tuple[str, ...]) -> Iterator[Contradiction]:
    clients = at(data, *place)
    record, zone = name_of(at(clients, "record")), name_of(at(clients, "zone"))
    if record and zone and not record.endswith(f".{zone}"):
        yield Contradiction((*place, "zone"), "does not contain the record", (*place, "record"))
    for key, entry in items(data.get("hostnames")):
        if record and record == name_of(at(entry, "host")):
            reason = "is a hostname of the application; clients of the database need a name of their own"
            yield Contradiction((*place, "record"), reason, ("hostnames", key, "host"))
    for other in _database_places(data):
        if record and (*other, "clients") < place and record == name_of(at(data, *other, "clients", "record")):
            reason = "leads the clients of another database; each needs a name of its own"
            yield Contradiction((*place, "record"), reason, (*other, "clients", "record"))
    for side in ("blue", "green"):
        if record and record == name_of(at(clients, side)):
            yield Contradiction((*place, side), "is the record itself", (*place, "record"))
    yield from ttl_fits(clients, place)
    ttl, hold = whole_of(at(clients, "ttl", "cutover")), seconds_of(at(clients, "drain", "hold"), 5.0)
    budget = seconds_of(at(data, "window", "budget"), 60.0)
    if ttl is not None and hold is not None and budget is not None and ttl + hold >= budget:
        reason = "with drain.hold must be shorter than window.budget, because it is waited for in the window"
        yield Contradiction((*place, "ttl", "cutover"), reason, ("window", "budget"))


def _database_places(data: Mapping[str, Any]) -> list[tuple[str, ...]]:
    several: list[tuple[str, ...]] = [("databases", name) for name, _ in items(data.get("databases"))]
    return [("database",), *several] if data.get("database") is not None else several


def _ledger(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    wanted, names = data.get("ledger_database"), [n for n, _ in items(data.get("databases")) if n.isprintable()]
    if wanted is not None and str(wanted) not in names:
        yield Contradiction(
            ("ledger_database",), f"is none of the databases: {', '.join(names) or 'there is only one'}"
        )
    if wanted is None and len(names) > 1 and data.get("ledger_keys") is not None:
        reason = f"needs `ledger_database`, the one to ask: {', '.join(names)}"
        yield Contradiction(("ledger_keys",), reason, ("databases",))


def _maintenance(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    kind, balancers = at(data, "maintenance", "kind"), at(data, "maintenance", "load_balancers")
    if kind == "alb" and not balancers:
        yield Contradiction(("maintenance", "load_balancers"), "maintenance by alb needs at least one load balancer")
    if kind in (None, "none") and balancers:
        reason = "load balancers are named, but the kind is none: write `kind: alb`, or remove them"
        yield Contradiction(("maintenance", "load_balancers"), reason)
    only = at(data, "maintenance", "hosts")
    if not isinstance(only, (list, tuple)) or not only:
        return
    named = {name_of(one) for one in only}
    for key, entry in items(data.get("hostnames")):
        if (host := name_of(at(entry, "host"))) and host not in named:
            yield Contradiction(("maintenance", "hosts"), "leaves out a hostname", ("hostnames", key, "host"))


def _window(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    budget = seconds_of(at(data, "window", "budget"), 60.0)
    for place in _database_places(data):
        dead_man = seconds_of(at(data, *place, "fence", "dead_man"), 10.0)
        if budget is not None and dead_man is not None and dead_man >= budget:
            reason = (
                "must be shorter than window.budget, or a dead tool stops writes for longer than the window may last"
            )
            yield Contradiction((*place, "fence", "dead_man"), reason, ("window", "budget"))
        pause = seconds_of(at(data, *place, "clients", "pause_timeout"), 0.0)
        if budget is not None and pause is not None and pause >= budget:
            reason = "must be shorter than window.budget"
            yield Contradiction((*place, "clients", "pause_timeout"), reason, ("window", "budget"))


def _soaks(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    soaks, shares = at(data, "shift", "soak"), at(data, "shift", "shares") or (10, 50, 100)
    if isinstance(soaks, (list, tuple)) and isinstance(shares, (list, tuple)) and len(soaks) != len(shares):
        reason = f"has {len(soaks)} durations for {len(shares)} shares; give one for each, or a single one for all"
        yield Contradiction(("shift", "soak"), reason, ("shift", "shares"))
