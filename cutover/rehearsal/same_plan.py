"""Whether the twin's plan is the environment's: item by item, and whatever differs has to be a wait that was shortened."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from cutover.core.errors import Refused
from cutover.core.plain import plain
from cutover.core.plan import Plan
from cutover.rehearsal.words import TIME, NotRehearsed, Rewritten

SAME_PHASE = ("name", "owner", "budget", "overrun", "supervised", "handed_on", "taken_on", "on_failure")
SAME_ITEM = ("step", "gate", "kind", "before", "after", "between", "standing", "one_way", "on_fail", "on_timeout")
SAME_GUARD = ("name", "policy", "during", "investigate", "stands", "on_blind", "on_insufficient")
WAITS = ("settle", "deadline", "hold", "hold_back", "lapse")
"""In seconds; in the twin each may be shorter where waits were shortened."""
COMMANDS = ("forward", "back")
BACKED_UP = ("kind", "before", "after", "between")
"""What another kind of backup has of its own."""
BACKUP = re.compile(r"blue-[a-z]+-backup(?:-(.+))?")
PARTS = {"ready": "readiness", "checklist": "checklist"}
"""Where the line of a gate stands, by the beginning of the gate's name."""


def proven_same(real: Plan, twin: Plan, rewritten: Sequence[Rewritten], not_rehearsed: Sequence[NotRehearsed]) -> int:
    """How many phases, items and guards were compared; raises Refused with everything that differs.

    What commands say is compared by their number only: they hold the addresses.
    """
    values = {(_text(one.was), _text(one.now)) for one in rewritten}
    shortened = any(one.why == TIME for one in rewritten)
    replaced = {one.what for one in not_rehearsed}
    mine, other = plain(real.describe()), plain(twin.describe())
    found = [*_parts("phase", SAME_PHASE, mine["phases"], other["phases"], values, shortened, replaced)]
    pairs = [(a or {}, b or {}) for a, b in zip_longest(mine["phases"], other["phases"])]
    count = len(mine["phases"]) + len(mine["guards"])
    for before, after in pairs:
        items, others = before.get("items", []), after.get("items", [])
        count += len(items)
        found += _parts(f"{before.get('name')}: item", SAME_ITEM, items, others, values, shortened, replaced)
    found += _parts("guard", SAME_GUARD, mine["guards"], other["guards"], values, shortened, replaced)
    if found:
        listed = "\n  ".join(found)
        raise Refused(f"the twin's plan is not the one of {real.environment}:\n  {listed}")
    return count


def _parts(
    what: str,
    keys: Sequence[str],
    real: Sequence[Mapping[str, Any]],
    twin: Sequence[Mapping[str, Any]],
    values: set[tuple[str, str]],
    shortened: bool,
    replaced: set[str],
) -> Iterator[str]:
    for one, other in zip_longest(real, twin):
        if one is None or other is None:
            yield f"{what} {_name(one or other)} is in the {'twin' if one is None else 'real plan'} only"
            continue
        for key in keys:
            was, now = one.get(key), other.get(key)
            if was != now and not _explained(key, one, was, now, values, replaced):
                yield f"{what} {_name(one)}: {key} is {_text(was)}, in the twin {_text(now)}"
        for key in WAITS:
            was, now = one.get(key), other.get(key)
            if was != now and not (shortened and was is not None and now is not None and now < was):
                yield f"{what} {_name(one)}: {key} is {_text(was)}, in the twin {_text(now)}"
        for key in COMMANDS:
            if len(one.get(key, ())) != len(other.get(key, ())):
                yield f"{what} {_name(one)}: {key} has {len(one[key])} commands, in the twin {len(other.get(key, ()))}"


def _explained(
    key: str, item: Mapping[str, Any], was: Any, now: Any, values: set[tuple[str, str]], replaced: set[str]
) -> bool:
    """Whether the two values are those of a word that was rewritten, or something else stands for the item in the twin."""
    name = _name(item)
    if key in BACKED_UP and (backup := BACKUP.fullmatch(name)) is not None:
        return (f"databases.{backup[1]}.backup" if backup[1] else "database.backup") in replaced
    if key == "kind":
        part, _, line = name.partition("-")
        return (PARTS.get(part, part) + "." + line) in replaced
    return (_text(was), _text(now)) in values


def _name(item: Mapping[str, Any]) -> str:
    return str(item.get("step") or item.get("gate") or item.get("name"))


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)
