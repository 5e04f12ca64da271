"""The twin of each database: its addresses, its backup, how its clients come, and whether green has tables already."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from cutover.rehearsal.words import ADDRESS, OUTSIDE, Place, Words
from cutover.world.databases import POOL_ADMIN, further
from cutover.world.likeness import HOOKS, SHOP

POOL_PLACE = "/in-the-twin/pgbouncer.ini"
"""Where PgBouncer's file is, as long as the twin's world is not up."""
VARIABLES = {SHOP: "SHOP", HOOKS: "HOOKS"}
"""How the variables with a database's addresses begin."""


@dataclass
class Databases:
    """Which of the world's databases there are for the environment's."""

    beside: dict[str, str] = field(default_factory=dict)
    """All but the shop's: how the variables with the addresses begin, and what the environment calls it."""
    hooks: bool = False
    further: list[str] = field(default_factory=list)
    without_tables: set[str] = field(default_factory=set)
    pools: dict[str, str] = field(default_factory=dict)


def databases(words: Words) -> Databases:
    """Rewrites their words; what has no counterpart is noted in `words.no_twin`."""
    found = Databases()
    for place, there in _stand_in_for(words, found):
        word = VARIABLES.get(there) or further(there)
        if there != SHOP:
            found.beside[word] = _called(place)
            told = "its twin has one table, of the demo shop's webhooks, into which rows are written all the time"
            words.leave_out(_called(place), told)
        _addresses(words, place, word)
        _backup(words, place)
        _clients(words, place, there, found)
        if words.at(*place, "schema") == "copied":
            found.without_tables.add(there)
    return found


def _stand_in_for(words: Words, found: Databases) -> Iterator[tuple[Place, str]]:
    """The one that the ledger is about is the shop's; the next one is where it keeps its webhooks."""
    if words.at("database"):
        yield ("database",), SHOP
        return
    names = list(words.at("databases") or ())
    first = words.at("ledger_database") or (names[0] if names else None)
    for name in sorted(names, key=lambda one: one != first):
        place: Place = ("databases", name)
        if name == first:
            yield place, SHOP
        elif not found.hooks:
            found.hooks = True
            yield place, HOOKS
        else:
            found.further.append(f"third_{len(found.further) + 1}")
            yield place, found.further[-1]


def _called(place: Place) -> str:
    return ".".join(map(str, place))


def _addresses(words: Words, place: Place, word: str) -> None:
    for side in ("blue", "green"):
        words.put((*place, side), f"env:{word}_{side.upper()}_DSN", ADDRESS)
    for way in ("blue_from_green", "green_from_blue"):
        words.put((*place, way), None, ADDRESS)


def _backup(words: Words, place: Place) -> None:
    backup = words.at(*place, "backup")
    if backup["kind"] == "rds-snapshot":
        words.put((*place, "backup"), {"kind": "dump", "before": backup["before"]}, OUTSIDE)
        what = "there is no RDS in the twin: a dump by pg_dump stands for the snapshot"
        words.leave_out(f"{_called(place)}.backup", what)
    elif backup.get("folder") is not None:
        words.put((*place, "backup", "folder"), None, ADDRESS)


def _clients(words: Words, place: Place, there: str, found: Databases) -> None:
    clients = words.at(*place, "clients")
    match clients["kind"]:
        case "multi-host":
            return
        case "pgbouncer" if clients["database"] not in found.pools:
            found.pools[clients["database"]] = there
            told = "one PgBouncer, in pool_mode transaction, stands for all that there are"
            words.leave_out(f"{_called(place)}.clients", told)
            words.put((*place, "clients", "admin"), f"env:{POOL_ADMIN}", ADDRESS)
            words.put((*place, "clients", "file"), POOL_PLACE, ADDRESS)
            for side in ("blue", "green"):
                words.put((*place, "clients", side), f"env:SHOP_POOL_{side.upper()}", ADDRESS)
        case "pgbouncer":
            words.no_twin.append(f"{_called(place)}.clients: several PgBouncers with one entry's name")
        case kind:
            words.no_twin.append(f"{_called(place)}.clients: kind {kind}")
