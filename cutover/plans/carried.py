"""A hostname in the plan: what its share is carried by, and what that provider needs before, during and after the move."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cutover.aws.record_group import RecordName
from cutover.core.gate import Check
from cutover.core.plan import Item
from cutover.core.share import Share
from cutover.core.step import Step
from cutover.core.witness import Witness
from cutover.plans.means import Means

Named = list[tuple[str, Check]]


@dataclass(frozen=True)
class Carried(ABC):
    """One hostname; a provider says what it needs by overriding, and needs nothing else."""

    means: Means
    name: str
    """What the environment calls the hostname."""
    host: str

    @abstractmethod
    def share(self, before: Share, after: Share) -> Step[Any]:
        """The step that moves the share of this hostname; called `self.step_name(after)`."""

    def preflight(self) -> Named:
        """Checks with their names, asked before anything is touched."""
        return []

    def ttl_lowered(self) -> list[Item]:
        """Taken first of all, because time has to pass before traffic moves."""
        return []

    def attached(self) -> list[Item]:
        """Taken while blue serves as ever, so that green can be probed and take its first share."""
        return []

    def healthy(self) -> Named:
        """Green can take (more) traffic; asked before each increase."""
        return []

    def waited_out(self) -> list[Item]:
        """What must have passed before the window may open."""
        return []

    def arrived(self, after: Share) -> Named:
        """The share has effect where it is read; asked after each move, and not on the way back, which must not wait."""
        return []

    def serving(self) -> Named:
        """Green serves well, watched through each soak."""
        return []

    def drained(self) -> list[Item]:
        """Taken at 100 %, before the bake: the proof that blue gets no request any more."""
        return []

    def zone(self) -> str | None:
        """The zone whose name servers decide where this name leads, where that moves."""
        return None

    def name_draws(self) -> Witness | None:
        """Draws at the name servers, where records carry the share."""
        return None

    def groups(self) -> tuple[str, str] | None:
        """Blue's and green's target group, where the share is theirs."""
        return None

    def remembered(self) -> float:
        """Seconds for which answers from before the cutover may live, where records move."""
        return 0.0

    def follows(self) -> float:
        """Seconds until visitors have taken up a change that is in force."""
        return 0.0

    def request_counts(self) -> Witness | None:
        """What counts the requests of both sides."""
        return None

    def restored(self) -> list[Item]:
        """Taken after the bake: what was changed for the time of the cutover only."""
        return []

    def left(self) -> Named:
        """Blue gets no visitors any more; asked before its end."""
        return []

    def retired(self) -> list[Item]:
        """Takes blue out of what carries the share, for good."""
        return []

    def names(self) -> list[RecordName]:
        """Records of this name that lead visitors somewhere, wherever their zone can be seen."""
        return []

    def serving_groups(self) -> list[str]:
        """Target groups that serve when all traffic is on green."""
        return []

    def balancers(self) -> list[tuple[str, int]]:
        """Load balancers with the port of their listener, whose state is kept in the record of blue."""
        return []

    def records(self) -> list[tuple[str, str, str]]:
        """Record sets by zone, name and type, kept in the record of blue."""
        return []

    def documents(self) -> list[tuple[str, Callable[[], Any]]]:
        """Whatever else the record of blue keeps, by name."""
        return []

    def planned(self) -> tuple[Share, ...]:
        """Every share that this hostname takes, blue's first."""
        shift = self.means.environment.shift
        shares = shift.shares if shift.strategy == "gradual" else (100.0,)
        return Share.of(0), *map(Share.of, shares)

    def step_name(self, after: Share) -> str:
        return f"traffic-{self.name}-{after.percent.normalize():f}"
