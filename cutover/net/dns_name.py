"""Where authoritative name servers say that a name leads."""

from collections.abc import Sequence
from dataclasses import dataclass

from cutover.core.gate import Finding
from cutover.net.dns import NOT_EVERYWHERE, Answer, AtNameServers


@dataclass(frozen=True, kw_only=True)
class NameLeads(AtNameServers):
    """What counts for clients is what the zone's servers answer, each of them; an accepted change is not there yet."""

    wanted: str
    """The name that the CNAME `record` has to lead to."""

    def asked(self) -> str:
        return "CNAME"

    def judged(self, answers: Sequence[Answer]) -> Finding:
        odd = [self._told(answer) for answer in answers if not self._suits(answer)]
        if odd:
            return Finding.not_yet(
                f"{self.record} does not lead to {self.wanted} everywhere: {'; '.join(odd)}", NOT_EVERYWHERE
            )
        return Finding.passed(f"{self.record} leads to {self.wanted} at {len(answers)} name servers")

    def _suits(self, answer: Answer) -> bool:
        return [_plain(value) for value in answer.values] == [_plain(self.wanted)]

    def _told(self, answer: Answer) -> str:
        return f"{answer.server}: {answer.reason or ', '.join(map(_plain, answer.values))}"

    def bad_shell(self) -> str:
        return f'tolower($5) != "{_plain(self.wanted)}."'


def _plain(name: str) -> str:
    return name.lower().rstrip(".")
