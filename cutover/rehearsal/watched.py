"""What watches green besides triggers, as it is in the twin: the comparison with blue, and checkpoints."""

from cutover.rehearsal import shop_has
from cutover.rehearsal.shop_has import NotThere
from cutover.rehearsal.spans import Shorter
from cutover.rehearsal.words import SIZE, TIME, Words

WORTH = 40.0
"""In points of errors: the least difference that the twin's few customers show within its soaks."""
APART = 10.0
"""In seconds after the switch, and between one checkpoint and the next."""
COUNTERS = ("requests", "errors", "latencies")


def comparison(words: Words, *, watched: bool) -> None:
    """With as few requests as the twin has, only a great difference is found; who counts must be there."""
    found = words.at("comparison")
    if found is None:
        return
    kind = words.at("metrics", "sources", found["source"], "kind")
    if kind == "prometheus" and not watched:
        words.no_twin.append("comparison: there is no Prometheus on this machine")
    for counter in COUNTERS:
        text = found.get(counter)
        for one in text.values() if isinstance(text, dict) else [text] if text else []:
            try:
                if kind == "prometheus":
                    shop_has.promql(one, Shorter())
                elif kind == "json-lines" and counter != "latencies":
                    shop_has.log(one)
            except NotThere as error:
                words.no_twin.append(f"comparison.{counter}: the twin's shop has nothing of the kind ({error})")
    if found["worth"] < WORTH:
        words.put(("comparison", "worth"), WORTH, SIZE)
        words.leave_out(
            "comparison: small differences",
            f"the twin has few customers, in whom a difference of {WORTH:g} points is found in time",
        )


def checkpoints(words: Words) -> None:
    """As many at set times as there are, soon after the switch; rhythms fill days."""
    found = words.at("checkpoints")
    if found is None:
        return
    soon = [min(moment, APART * number) for number, moment in enumerate(found["at"], 1)]
    words.put(("checkpoints", "at"), soon, TIME)
    if found["every"]:
        words.put(("checkpoints", "every"), [], TIME)
        words.leave_out("checkpoints.every", "a rhythm of checkpoints fills days; those at set times are done")
