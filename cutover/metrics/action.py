"""What a trigger starts: a policy at once, or time to investigate and then a policy."""

from dataclasses import dataclass

from cutover.core.gate import Policy
from cutover.metrics.tokens import ConditionError, nearest, tokens
from cutover.metrics.units import LONGEST, TIMES, lasting

INVESTIGATE = "investigate"
POLICIES = (Policy.NOTIFY, Policy.HOLD, Policy.PREVIOUS_PHASE, Policy.ROLLBACK, Policy.FREEZE)
_BY_WORD = {policy.value: policy for policy in POLICIES}
_WORDS = {
    Policy.NOTIFY: "tell people, and go on",
    Policy.HOLD: "hold where it stands, until a person decides",
    Policy.PREVIOUS_PHASE: "go back to the phase before",
    Policy.ROLLBACK: "go back to blue",
    Policy.FREEZE: "change nothing any more, and call a person",
}


@dataclass(frozen=True)
class Action:
    """`first` at once; where `after` seconds are given, `then` follows unless the condition has ended by then."""

    first: Policy
    after: float | None = None
    then: Policy | None = None

    def __str__(self) -> str:
        if self.then is None or self.after is None:
            return self.first.value
        return f"{INVESTIGATE} for {lasting(self.after)} then {self.then.value}"

    def words(self) -> str:
        """The action as part of a sentence."""
        if self.then is None or self.after is None:
            return _WORDS[self.first]
        return f"hold and investigate; unless it is mended within {lasting(self.after)}, {_WORDS[self.then]}"


def parse_action(text: str) -> Action:
    """`rollback`, or `investigate for 15m then rollback`, which holds meanwhile; raises ConditionError."""
    found = tokens(text)
    if found[0].text != INVESTIGATE:
        policy = _policy(text, 0, (INVESTIGATE,))
        if found[1].kind != "end":
            raise ConditionError(text, found[1].column, f"nothing follows {policy.value}")
        return Action(policy)
    if [token.text for token in found[1:2]] != ["for"]:
        raise ConditionError(text, found[1].column, "`for` is wanted here: investigate for 15m then rollback")
    amount, unit = found[2], found[min(3, len(found) - 1)]
    seconds = amount.value * TIMES.get(unit.text, 0.0)
    if amount.kind != "number" or not 0 < seconds <= LONGEST:
        raise ConditionError(text, amount.column, "a duration above 0 is wanted here, such as 15m, at most 366d")
    if found[4].text != "then":
        raise ConditionError(text, found[4].column, f"`then` is wanted here, not {found[4]}")
    policy = _policy(text, 5)
    if found[6].kind != "end":
        raise ConditionError(text, found[6].column, f"nothing follows {policy.value}")
    return Action(Policy.HOLD, seconds, policy)


def _policy(text: str, place: int, others: tuple[str, ...] = ()) -> Policy:
    token = tokens(text)[place]
    if token.text not in _BY_WORD:
        known = (*_BY_WORD, *others)
        near = nearest(token.text, known) if token.kind == "word" else ""
        raise ConditionError(text, token.column, f"one of {', '.join(known)} is wanted here{near}")
    return _BY_WORD[token.text]
