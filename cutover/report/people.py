"""What people had a say in: approvals, holds, words to go on or back, and who was told."""

from collections.abc import Mapping, Sequence
from typing import Any

from cutover.core.back import WORD
from cutover.core.journal import Entry, Position
from cutover.core.plan import Plan
from cutover.plans.approval import APPROVE, REJECT, Approved
from cutover.run_views import RunView

LAST = 253_402_300_800.0  # the year 10000, which no calendar of the pages knows

TURNING = ("rollback", "previous-phase")

Wish = tuple[str, Mapping[str, Any]]


def approvals(plan: Plan, position: Position, entries: Sequence[Entry], wishes: Sequence[Wish]) -> list[dict[str, Any]]:
    """Every gate that people open, with what was asked, when, and what each role said.

    A word counts as recorded where the gate's own entry names it: that one stands in the hash chain, a word alone does not.
    """
    found = []
    for _, item in plan.walk():
        if not isinstance(check := getattr(item, "check", None), Approved):
            continue
        about = [entry for entry in entries if entry.data.get("gate") == item.name]
        asked = [entry.at for entry in about if entry.kind == "waiting" and entry.data.get("asks")]
        ends = [entry for entry in about if entry.kind in ("passed", "failed", "noted")]
        signed = [dict(word) for entry in ends for word in (entry.data.get("data") or {}).get("signed") or ()]
        if item.name in position.asked:
            state = "waits"
        else:
            state = ends[-1].kind if ends else "asked, and never answered" if asked else "not reached"
        found.append(
            {
                "gate": item.name,
                "roles": [{"role": role, "title": title} for role, title in check.roles],
                "criteria": check.criteria,
                "asked": asked[0] if asked else None,
                "state": state,
                "ended": ends[-1].at if ends and state != "waits" else None,
                "words": [_word(kind, word, signed) for kind, word in wishes if _is_of(kind, word, item.name)],
            }
        )
    return found


def _is_of(kind: str, word: Mapping[str, Any], gate: str) -> bool:
    return kind in (APPROVE, REJECT) and word.get("gate") == gate


def _word(kind: str, word: Mapping[str, Any], signed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    said = {key: word.get(key) for key in ("who", "role", "comment")} | {"at": _moment(word)}
    recorded = any(all(one.get(key) == word.get(key) for key in ("who", "role", "at")) for one in signed)
    return {"said": "yes" if kind == APPROVE else "no", **said, "recorded": recorded}


def words(entries: Sequence[Entry], wishes: Sequence[Wish]) -> list[dict[str, Any]]:
    """Holds, words to go on, rollbacks that were asked for, overrides, and who took an incident on; oldest first."""
    found = [
        {"at": _moment(word), "who": word.get("who"), "what": kind, "why": word.get("reason") or ""}
        for kind, word in wishes
        if kind not in (APPROVE, REJECT)
    ]
    for entry in entries:
        data = entry.data
        if entry.kind in ("leg-started", "leg-resumed"):
            what = f"began {data.get('direction')}" if entry.kind == "leg-started" else "went on"
            found.append({"at": entry.at, "who": data.get("who"), "what": what, "why": data.get("reason") or ""})
        elif entry.kind == "override":
            found.append({"at": entry.at, "who": data.get("who"), "what": f"override: {data.get('what')}"} | _why(data))
        elif entry.kind == "standing-ended" and data.get("outcome") == "borne":
            found.append(
                {"at": entry.at, "who": data.get("who"), "what": f"go on with {data.get('guard')}"} | _why(data)
            )
    return sorted(found, key=lambda one: float(one["at"] or 0.0))


def turned(view: RunView, wishes: Sequence[Wish]) -> list[str]:
    """Who asked a walking process for each way back that was taken by such a word."""
    found = []
    for leg in view.position.legs:
        asked = [word for kind, word in wishes if kind in TURNING and (_moment(word) or LAST) <= leg.at]
        if leg.cause == WORD and asked and asked[-1].get("who"):
            found.append(str(asked[-1]["who"]))
    return found


def _moment(word: Mapping[str, Any]) -> float | None:
    """When it was said, by whoever said it; a word is no entry, and nobody has proven it."""
    try:
        at = float(word["at"])
    except (KeyError, TypeError, ValueError):
        return None
    return at if 0 <= at < LAST else None


def _why(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"why": data.get("reason") or ""}


def notices(entries: Sequence[Entry]) -> dict[str, Any]:
    """How many messages arrived by channel, and which were given up and why."""
    arrived: dict[str, int] = {}
    lost: list[dict[str, Any]] = []
    for entry in entries:
        for one in entry.data.get("delivered") or () if entry.kind == "notified" else ():
            arrived[str(one["channel"])] = arrived.get(str(one["channel"]), 0) + 1
        for one in entry.data.get("given_up") or () if entry.kind == "notify-failed" else ():
            lost.append({"at": entry.at, "channel": str(one["channel"]), "error": str(one["error"])})
    return {"delivered": arrived, "given_up": lost}
