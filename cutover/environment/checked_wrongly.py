"""Contradictions between the checkpoints, the figures that they look at, and their rhythms."""

from collections.abc import Iterator, Mapping
from typing import Any

from cutover.environment.figures import NO_BASELINE, empty_before, known_figures
from cutover.environment.plain_data import Contradiction, at, items, seconds_of
from cutover.environment.problem import did_you_mean


def checkpoints(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    """Every contradiction under `checkpoints`."""
    words = data.get("checkpoints")
    if not isinstance(words, Mapping):
        return
    known = known_figures(data)
    for name, _ in items(words.get("figures")):
        if name.isprintable() and name not in known:
            there = ", ".join(known) or "there are none: metrics.figures"
            reason = f"is none of the figures: {there}{did_you_mean(name, known)}"
            yield Contradiction(("checkpoints", "figures", name), reason)
        elif name in empty_before(data):
            yield Contradiction(("checkpoints", "figures", name), NO_BASELINE, ("metrics", "figures", name))
    rhythms = words.get("every")
    for number, one in enumerate(rhythms if isinstance(rhythms, (list, tuple)) else ()):
        since, until = seconds_of(at(one, "from"), 0.0), seconds_of(at(one, "until"), 0.0)
        every = seconds_of(at(one, "every"), 0.0)
        place = ("checkpoints", "every", number)
        if since is not None and until and until <= since:
            yield Contradiction((*place, "until"), "must be later than its begin", (*place, "from"))
        elif every and every < 60:
            yield Contradiction((*place, "every"), "must be a minute at least: a checkpoint asks every database")
    if words.get("at") in ([], ()) and rhythms in ([], ()):
        yield Contradiction(("checkpoints",), "has no moment: name some under `at` or `every`, or leave it out")
