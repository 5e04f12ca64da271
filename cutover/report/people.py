"""What people had a say in: approvals, holds, words to go on or back, and who was told."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cutover.core.back import WORD
from cutover.core.journal import Entry, Position
from cutover.core.leg import BACK
from cutover.core.moment import Moment, knew
from cutover.core.plan import Plan
from cutover.plans.approval import APPROVE, REJECT, Approved
from cutover.run_views import RunView

LAST = 253_402_300_800.0  # the year 10000, which no calendar of the pages knows

TURNING = ("rollback", "previous-phase")

Wish = tuple[str, Mapping[str, Any]]


@dataclass
class _Asking:
    """One asking of a gate: a word counts for it from when it was asked until its end."""

    gate: str
    asked: Moment | None
    ended: Moment | None = None
    state: str = "waits"
    signed: list[Mapping[str, Any]] = field(default_factory=list)

    def heard(self, word: Mapping[str, Any]) -> bool:
        if _moment(word) is None:
            return self.recorded(word)
        in_time = self.asked is None or knew(word, self.asked)
        return (in_time and not (self.ended is not None and knew(word, self.ended))) or self.recorded(word)

    def recorded(self, word: Mapping[str, Any]) -> bool:
        """Whether the gate's own entry names the word."""
        return any(all(one.get(key) == word.get(key) for key in ("who", "role", "at")) for one in self.signed)


def approvals(plan: Plan, position: Position, entries: Sequence[Entry], wishes: Sequence[Wish]) -> list[dict[str, Any]]:
    """Every gate that people open, as often as it was asked: what, when, and what each role said.

    A word counts as recorded where the gate's own entry names it: that one stands in the hash chain, a word alone does not.
    A gate that the plan of now does not have any more has no roles here.
    """
    checks: dict[str, Approved] = {}
    for _, item in plan.walk():
        if isinstance(check := getattr(item, "check", None), Approved):
            checks[item.name] = check
    found = []
    askings = list(_askings(checks.keys(), position, entries))
    known = dict.fromkeys([*checks, *(one.gate for one in askings)])
    for gate in known:
        wanted = checks.get(gate)
        for one in [one for one in askings if one.gate == gate] or [_Asking(gate, None, state="not reached")]:
            mine = [(kind, word) for kind, word in wishes if _is_of(kind, word, gate) and one.heard(word)]
            found.append(
                {
                    "gate": gate,
                    "roles": [{"role": role, "title": title} for role, title in wanted.roles] if wanted else [],
                    "criteria": wanted.criteria if wanted else "",
                    "asked": one.asked.at if one.asked else None,
                    "state": one.state,
                    "ended": one.ended.at if one.ended else None,
                    "words": [_word(kind, word, one.recorded(word)) for kind, word in mine],
                }
            )
    return found


def _askings(known: Collection[str], position: Position, entries: Sequence[Entry]) -> Iterator[_Asking]:
    """Of the gates that are known, and of those which asked people; a way back ends what is not answered."""
    open_: dict[str, _Asking] = {}
    for entry in entries:
        gate = str(entry.data.get("gate") or "")
        if entry.kind == "waiting" and entry.data.get("asks"):
            open_.setdefault(gate, _Asking(gate, _of(entry)))
        elif entry.kind in ("passed", "failed", "noted") and (gate in open_ or gate in known):
            one = open_.pop(gate, _Asking(gate, None))
            one.ended, one.state = _of(entry), entry.kind
            one.signed += [dict(word) for word in (entry.data.get("data") or {}).get("signed") or ()]
            yield one
        elif entry.kind == "leg-started" and entry.data.get("direction") == BACK:
            yield from _given_up(open_, _of(entry))
            open_ = {}
    yield from (one for gate, one in open_.items() if gate in position.asked)
    yield from _given_up({gate: one for gate, one in open_.items() if gate not in position.asked}, None)


def _given_up(open_: Mapping[str, _Asking], at: Moment | None) -> Iterator[_Asking]:
    for one in open_.values():
        one.ended, one.state = at, "asked, and never answered"
        yield one


def _of(entry: Entry) -> Moment:
    return Moment(entry.at, entry.seq)


def _is_of(kind: str, word: Mapping[str, Any], gate: str) -> bool:
    return kind in (APPROVE, REJECT) and word.get("gate") == gate


def _word(kind: str, word: Mapping[str, Any], recorded: bool) -> dict[str, Any]:
    said = {key: word.get(key) for key in ("who", "role", "comment")} | {"at": _moment(word)}
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
