"""What a world has otherwise than the demo shop's, because it stands for another environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cutover.world.background import Background
from cutover.world.sites import DEFAULT, Site

SHOP, HOOKS = "shop", "hooks"
"""The databases that the shop writes into; further ones stand beside it."""


@dataclass(frozen=True)
class Likeness:
    """The hostnames and what carries them, what works beside the shop, and how its databases are."""

    sites: Sequence[Site] = DEFAULT
    background: Background = field(default_factory=Background)
    logged: bool = False
    """Whether both shops write an access log."""
    apart: float | None = None
    """Seconds between two of the orders that there are already."""
    further: Sequence[str] = ()
    """Databases beside the shop's own, each with its table of webhooks."""
    without_tables: frozenset[str] = frozenset()
    """Of the databases that green has, those in which nothing is."""
    pools: Mapping[str, str] = field(default_factory=dict)
    """Entries of a PgBouncer, each with its database; whoever writes there comes through it."""
