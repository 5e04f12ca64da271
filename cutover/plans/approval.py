"""Gates that people open: go or no-go before a phase, the sign-off at the end, what only a person can say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from shlex import quote
from typing import Any

from cutover.core.gate import Check, Finding, Gate, Policy
from cutover.core.moment import Moment, knew
from cutover.environment import Approval
from cutover.plans.means import Means

APPROVE, REJECT = "approve", "reject"
ATTESTED = "attested-"
LONGEST_WAIT = 7 * 86_400.0
END = "end"


Wish = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Answers:
    """Who has said yes so far, and in which words; what those who said no have said, by role; the roles that said nothing."""

    signed: tuple[Mapping[str, Any], ...]
    refused: Mapping[str, str]
    missing: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Approved(Check):
    """Some things only a person can answer for; who said yes, in which role and with which words, stands in the record.

    Only what was said after the question counts: an approval is of what is there now, and a way back asks anew.
    """

    gate: str
    environment: str
    roles: tuple[tuple[str, str], ...]
    """Each role with what the organisation calls it."""
    different_people: bool = False
    criteria: str = ""
    means: Means = field(repr=False)

    def look(self) -> Finding:
        said = self._said()
        if said.refused:
            return Finding.failed("; ".join(said.refused.values()))
        signed = "; ".join(f"{word['who']} for {word['role']}: {word.get('comment') or 'yes'}" for word in said.signed)
        if said.missing:
            seen = f"waits for {self.titles(said.missing)}" + (f"; signed: {signed}" if signed else "")
            return Finding.not_yet(seen + (f"; to look at: {self.criteria}" if self.criteria else ""), self.command())
        return Finding.passed(f"signed: {signed}", signed=[dict(word) for word in said.signed])

    def answers(self, asked: Moment, wishes: Sequence[Wish]) -> "Answers":
        """What these words come to, where the question was written at `asked`."""
        words: dict[str, Mapping[str, Any]] = {}
        refused: dict[str, str] = {}
        for kind, word in self._counted(asked, wishes):
            who, role = str(word.get("who", "somebody")), str(word.get("role"))
            if kind == REJECT:  # until the same role says yes
                refused[role] = f"{who} says no for {role}: {word.get('comment') or 'no reason given'}"
                words.pop(role, None)
            elif not self.different_people or all(one["who"] != who for name, one in words.items() if name != role):
                words[role] = word
                refused.pop(role, None)
        return Answers(tuple(words.values()), refused, tuple(role for role, _ in self.roles if role not in words))

    def titles(self, roles: Sequence[str]) -> str:
        """The roles with what the organisation calls them."""
        return " and ".join(f"{role} ({title})" for role, title in self.roles if role in roles)

    def _said(self) -> "Answers":
        journal = self.means.journal()
        asked = None if journal is None else journal.position().asked.get(self.gate)
        if journal is None or asked is None:
            return self.answers(Moment(0.0, 0), ())
        return self.answers(asked, journal.wishes())

    def _counted(self, asked: Moment, wishes: Sequence[Wish]) -> Sequence[Wish]:
        roles = {role for role, _ in self.roles}
        words = [one for one in wishes if one[0] in (APPROVE, REJECT) and one[1].get("gate") == self.gate]
        return [(kind, word) for kind, word in words if word.get("role") in roles and knew(word, asked)]

    def command(self) -> str:
        """What the first of the roles types."""
        options = f"--env {quote(self.environment)} --gate {quote(self.gate)} --role {self.roles[0][0]}"
        return f"invoke approve {options} --comment '…'"

    def shell(self) -> str:
        asked = f"# {self.criteria}\n" if self.criteria else ""
        each = f"--env {quote(self.environment)} --gate {quote(self.gate)} --role"
        return asked + "\n".join(f"invoke approve {each} {role} --comment '…'  # {title}" for role, title in self.roles)


def approvals(means: Means, before: str) -> list[Gate]:
    """The gates that phase `before` waits for, in the order of the environment file."""
    wanted = means.environment.approvals.items()
    return [_gate(means, name, words) for name, words in wanted if words.before == before]


def attested(means: Means, line: str, role: str, on_fail: Policy) -> Gate:
    """A line of a checklist that only a person can answer; `on_fail` is what a no starts."""
    name = ATTESTED + line
    return Gate(
        name=name,
        check=Approved(
            gate=name,
            environment=means.environment.name,
            roles=(_titled(means, role),),
            criteria=f"the checklist's line {line}",
            means=means,
        ),
        deadline=LONGEST_WAIT,
        on_fail=on_fail,
        on_timeout=Policy.HOLD,
        detaches=True,
    )


def _gate(means: Means, name: str, words: Approval) -> Gate:
    return Gate(
        name=name,
        check=Approved(
            gate=name,
            environment=means.environment.name,
            roles=tuple(_titled(means, role) for role in words.roles),
            different_people=words.different_people,
            criteria=words.criteria,
            means=means,
        ),
        deadline=words.deadline,
        on_fail=Policy(words.on_reject),
        on_timeout=Policy(words.on_timeout),
        detaches=True,
    )


def _titled(means: Means, role: str) -> tuple[str, str]:
    return role, str(getattr(means.environment.owners, role))
