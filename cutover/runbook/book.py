"""What the runbooks are rendered from."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cutover.core.errors import ConfigurationRefused
from cutover.core.plan import Plan
from cutover.metrics.rule import Rule

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class Book:
    """One environment's plan and what people need beside it; raises ConfigurationRefused for a bad variable's name.

    `owners` maps decision, database, traffic and application to what the organisation calls the role. `variables` are
    NAME → what it is; `prepare_shell` are the lines that set them. A checklist line is (name, how it is checked,
    owner): `how` is a command where the owner is empty, else a sentence. The spans and `dead_man` are words for a
    person, e.g. `24 h`. `retention` is how long blue is kept after `finish`. `rules` are the triggers in the order of the environment
    file; `told` is what people hear of and by which channels, `rhythm` when they hear how it stands.
    `rehearsed_within` is how young the rehearsal has to be that the tool wants, empty where it wants none.
    """

    environment: str
    description: str
    plan: Plan
    finish: Plan | None
    owners: Mapping[str, str]
    variables: Mapping[str, str]
    prepare_shell: str
    checklist: Sequence[tuple[str, str, str]]
    rollback_window: str
    waiting_period: str
    window_budget: str
    decommission: Plan | None = None
    retention: str = "30 days"
    protected: bool
    dead_man: str = ""
    rules: Sequence[Rule] = ()
    told: Sequence[tuple[str, str]] = ()
    rhythm: str = ""
    rehearsed_within: str = ""

    def __post_init__(self) -> None:
        if wrong := [name for name in self.variables if not _VARIABLE.fullmatch(name)]:
            raise ConfigurationRefused([f"{name!r} is not the name of an environment variable" for name in wrong])

    def role(self, key: str) -> str:
        """What the organisation calls the role `key`; the key itself when it has no other name."""
        return self.owners.get(key) or key
