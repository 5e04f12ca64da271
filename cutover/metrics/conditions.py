"""A condition that an operator can read: judged from measured figures, told in words, written so that it can be read again."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from cutover.core.gate import Finding, Verdict
from cutover.metrics.bounds import LEGACY
from cutover.metrics.clauses import Around, AtLeast, Clause, Growth
from cutover.metrics.figures import BLUE, Asked, Figure, Figures
from cutover.metrics.units import lasting


class Sense(Enum):
    """What it means that a condition is so."""

    ALARM = "alarm"
    """Something is wrong: `error_rate > 5%`."""
    WANTED = "wanted"
    """All is well: `kpi within 5% of baseline`. It is judged by its opposite."""


@dataclass(frozen=True)
class Condition:
    """Clauses that must all be so, at every sample of the last `lasts` seconds (0: the newest one alone).

    FAIL means that something is wrong: an alarm is so, or what is wanted is not, for the whole of that time. PASS is said only
    where every figure was seen. Without data, with too few of `enough`, or with holes it is `insufficient`; where a source does
    not answer, has stopped, or has never had the figure since the run began, `blind`.
    """

    clauses: tuple[Clause, ...]
    lasts: float = 0.0
    enough: AtLeast | None = None

    @property
    def sense(self) -> Sense:
        wanted = any(isinstance(one, Around) and one.wanted for one in self.clauses)
        return Sense.WANTED if wanted else Sense.ALARM

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Every figure that it needs, each once, in the order of the text."""
        counted = (self.enough.figure,) if self.enough else ()
        return tuple(dict.fromkeys((*(one.figure for one in self.clauses), *counted)))

    @property
    def needs_baseline(self) -> tuple[str, ...]:
        """The figures whose values have to be recorded before the cutover."""
        held = (one for one in self.clauses if not isinstance(one, Growth))
        return tuple(dict.fromkeys(one.figure.name for one in held if one.bound.reference == "baseline"))

    def __str__(self) -> str:
        parts = [" and ".join(map(str, self.clauses))]
        parts += [f"for {lasting(self.lasts)}"] if self.lasts else []
        parts += [str(self.enough)] if self.enough else []
        return " ".join(parts)

    def spans(self, now: float) -> tuple[Asked, ...]:
        """Everything that `judge` reads, each once, so that it can all be read at the same time beforehand."""
        return tuple(dict.fromkeys(self._asks(now)))

    def _asks(self, now: float) -> Iterator[Asked]:
        for clause in self.clauses:
            yield from clause.asks(now, self.lasts)
        if self.enough:
            yield from self.enough.asks(now, self.lasts, self.sides)

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides that a verdict rests on; a comparison with a side that nobody uses says nothing."""
        compared = any(not isinstance(one, Growth) and one.bound.reference == LEGACY for one in self.clauses)
        return tuple(dict.fromkeys((*(one.figure.side for one in self.clauses), *((BLUE,) if compared else ()))))

    def judge(self, figures: Figures, now: float) -> Finding:
        """What the figures say at `now` (seconds since the epoch), in one line, with the values in `data`."""
        found = [clause.judge(figures, now, self.lasts) for clause in self.clauses]
        if self.enough and (missing := self.enough.missing(figures, now, self.lasts, self.sides)):
            found.append(missing)
        for verdict in (Verdict.BLIND, Verdict.INSUFFICIENT):
            if any(one.verdict is verdict for one in found):
                return self._joined(verdict, [one for one in found if one.verdict is verdict])
        failed = all(one.verdict is Verdict.FAIL for one in found)
        return self._joined(Verdict.FAIL if failed else Verdict.PASS, found)

    def _joined(self, verdict: Verdict, found: list[Finding]) -> Finding:
        hint = next((one.hint for one in found if one.hint), "")
        data = {"condition": str(self), "clauses": [dict(one.data) for one in found]}
        return Finding(verdict, "; ".join(one.seen for one in found), hint, data)

    def words(self) -> str:
        """What is wrong when it fails, as part of a sentence for runbook and decision tree."""
        said = " and ".join(one.words() for one in self.clauses) + (
            f", for {lasting(self.lasts)}" if self.lasts else ""
        )
        if self.enough:
            said += f"; judged with {self.enough}" + ("" if self.enough.within else f" in {lasting(self.lasts)}")
        return said
