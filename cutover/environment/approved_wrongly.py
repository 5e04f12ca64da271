"""Approvals that wait for a phase which there is not, or of one person alone who is to be two."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from cutover.environment.plain_data import Contradiction, at, items
from cutover.environment.shapes import checklist_items
from cutover.environment.shared_wrongly import is_shared

DEFAULT_SHARES = (10.0, 50.0, 100.0)


def approved(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    """Every contradiction under `approvals`."""
    known = phases(data)
    gates = {
        f"{prefix}-{name}": part
        for part, own in (("readiness", "ready"), ("checklist", "checklist"))
        for name in _lines(data.get(part))
        for prefix in (own, "attested")
    }
    for name, entry in items(data.get("approvals")):
        before, roles = at(entry, "before"), at(entry, "roles")
        if isinstance(before, str) and str(before) not in known:
            near = get_close_matches(str(before), known, n=1)
            meant = f" (did you mean {near[0]}?)" if near else ""
            reason = f"no phase {str(before)!r}{meant}; a run can wait before {', '.join(known)}"
            yield Contradiction(("approvals", name, "before"), reason, ("shift",))
        single = isinstance(roles, (list, tuple)) and len(roles) == 1
        if single and str(at(entry, "different_people")) in ("true", "True"):
            yield Contradiction(("approvals", name, "different_people"), "there is only one role")
        if name in gates:
            yield Contradiction(("approvals", name), "is the name of the checklist's gate, too", (gates[name],))


def phases(data: Mapping[str, Any]) -> list[str]:
    """What can be waited before; where nothing is written the shares are the default ones."""
    shares = at(data, "shift", "shares")
    read = [_number(one) for one in shares] if isinstance(shares, (list, tuple)) else list(DEFAULT_SHARES)
    if str(at(data, "shift", "strategy")) == "immediate":
        return ["prepare", "window", "bake", "end"]  # traffic moves inside the window
    window = [] if is_shared(data) else ["window"]
    return ["prepare", *window, *(f"shift-{share:g}" for share in read if share is not None), "bake", "end"]


def _lines(written: object) -> list[str]:
    lines = checklist_items(written)
    return [str(at(line, "name")) for line in lines] if isinstance(lines, (list, tuple)) else []


def _number(value: object) -> float | None:
    try:
        return float(str(value).removesuffix("%"))
    except ValueError:
        return None
