"""The twin of an environment: the same words, but for its addresses, for what only the outside knows, and for plain waits."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutover.core.errors import Refused
from cutover.core.plain import span
from cutover.environment import Environment, rules
from cutover.environment.figures import known_figures
from cutover.metrics.rule import Rule
from cutover.rehearsal.databases import POOL_PLACE, databases
from cutover.rehearsal.figures import stand_ins
from cutover.rehearsal.hostnames import TTL, sites
from cutover.rehearsal.spans import Shorter, longest_look, shorten
from cutover.rehearsal.steered import FILES, Steered
from cutover.rehearsal.watched import checkpoints, comparison
from cutover.rehearsal.words import ADDRESS, OUTSIDE, SIZE, NotRehearsed, Rewritten, Words
from cutover.rehearsal.work import work
from cutover.world.customers import ORDERED
from cutover.world.databases import POOL_FILE
from cutover.world.likeness import Likeness

LONGEST_SOAK = 60.0
SOAK, TTL_LOWERED, SLACK = 2.0, 1, 1.0
"""In seconds: how long a soak or the bake is at most, the records' lowered TTL and what resolvers add to it."""
DRAINED, LATE, SETTLE = 2.0, 1.0, 1.0
"""Of blue's silence before it counts as drained, and of figures and traffic that come late."""
DRAWS = 60
FEW = 0.5
"""Of the requests that the smallest share brings so many are enough for a verdict, because they come unevenly."""
ACCOUNT, REGION = "123456789012", "us-east-1"
"""The AWS account of the local world."""
INSIDE = ("env:SHOP_BLUE_URL", "env:SHOP_GREEN_URL")


@dataclass(frozen=True)
class Twin:
    """The twin's environment, the text of its file, what its world has otherwise, and how it differs."""

    environment: Environment
    text: str
    likeness: Likeness
    beside: Mapping[str, str]
    """Its databases without the shop's own: how their variables begin, and what the environment calls them."""
    rewritten: tuple[Rewritten, ...]
    not_rehearsed: tuple[NotRehearsed, ...]

    files: Mapping[str, str]
    """Of flags: the text of each, by its name."""

    def placed(self, variables: Mapping[str, str], files: Path) -> str:
        """The text of the environment's file in the world that has these variables, with the files of flags in this folder."""
        return self.text.replace(POOL_PLACE, variables.get(POOL_FILE, POOL_PLACE)).replace(FILES, str(files))


def twin_of(environment: Environment, *, rows: int, rate: int, watched: bool) -> Twin:
    """The twin, in a world of so many rows and requests per second; with `watched` a Prometheus scrapes both of its shops.

    Raises Refused with all that has no twin.
    """
    words = Words.of(environment)
    _refused(words)
    steered = Steered()
    served = tuple(sites(words, steered))
    background, its_databases = work(words, steered), databases(words)
    found = _rules(environment)
    few = FEW * rate * environment.shift.shares[0] / 100
    shorter = Shorter.so_that_fit(found, few) if longest_look(found) > LONGEST_SOAK else Shorter()
    stand_ins(words, environment, found, shorter, watched=watched)
    comparison(words, watched=watched)
    if words.no_twin:
        listed = "\n  ".join(words.no_twin)
        raise Refused(
            f"{environment.name} cannot be rehearsed whole; there is no twin yet of:\n  {listed}",
            next_command=f"where a rehearsal is required: invoke cutover --env {environment.name} --without-rehearsal '…'",
        )
    words.put(("protected",), False, OUTSIDE)
    parts = {name: True for name, so in {"watched": watched, "hooks": its_databases.hooks}.items() if so}
    words.put(("world",), {"rows": rows, "rate": rate, **parts}, ADDRESS)
    _addresses(words)
    _people_and_channels(words)
    _times(words, _soak(words, shorter))
    checkpoints(words)
    words.leave_out("TLS at the listeners", "the twin's load balancers speak HTTP on the same listener ports")
    likeness = Likeness(
        served,
        background,
        logged=True,
        # Orders of before as often as they come now: what is counted over minutes is steady from the beginning.
        apart=1 / (rate * ORDERED),
        further=tuple(its_databases.further),
        without_tables=frozenset(its_databases.without_tables),
        pools=its_databases.pools,
    )
    return Twin(
        words.environment(),
        words.text(),
        likeness,
        its_databases.beside,
        tuple(words.rewritten),
        tuple(words.not_rehearsed),
        steered.texts,
    )


def _refused(words: Words) -> None:
    """Everything that would be a part of the plan, and has no counterpart in the world."""
    if found := words.at("flags"):
        words.no_twin.append(f"flags: {', '.join(found)}")
    if words.at("shared_database"):
        words.no_twin.append("shared_database: the twin has a database on each side")
    elif not words.at("database") and not words.at("databases"):
        words.no_twin.append("an environment without a database")


def _addresses(words: Words) -> None:
    words.put(("aws", "profile"), None, ADDRESS)
    words.put(("aws", "region"), REGION, ADDRESS)
    if words.at("aws", "account") is not None:
        words.put(("aws", "account"), ACCOUNT, ADDRESS)
    words.put(("state",), "sqlite", ADDRESS)
    words.put(("dns", "servers"), "env:SHOP_DNS_SERVERS", ADDRESS)
    words.put(("dns", "resolvers"), None, ADDRESS)
    for side, address in zip(("blue", "green"), INSIDE, strict=True):
        if words.at("smoke", side) is not None:
            words.put(("smoke", side), address, ADDRESS)
    if words.at("ledger") is not None:
        words.put(("ledger",), "env:SHOP_LEDGER", ADDRESS)
    for name, one in words.at("hostnames").items():
        if one["carrier"].get("healthy_at_least", 1) > 1:
            words.put(("hostnames", name, "carrier", "healthy_at_least"), 1, SIZE)
        _witnesses(words, name, one["observed"])


def _witnesses(words: Words, name: str, observed: Mapping[str, Any]) -> None:
    place = ("hostnames", name, "observed")
    if "tag" in observed:
        tag = {
            "header": "x-shop-version",
            "blue": "v1",
            "green": "v2",
            "path": "/health",
            "scheme": "http",
            "port": "srv",
        }
        words.put((*place, "tag"), tag, ADDRESS)
    if "logs" in observed:
        words.put((*place, "logs"), None, OUTSIDE)
        words.leave_out(f"hostnames.{name}.observed.logs", "the twin's load balancers write no access logs to S3")


def _rules(environment: Environment) -> tuple[Rule, ...]:
    return rules(environment.triggers, known_figures(environment.model_dump())) if environment.triggers else ()


def _soak(words: Words, shorter: Shorter) -> float:
    """How long a soak lasts in the twin: so long that each trigger can be judged in it, after what it looks back over was shortened.

    Raises Refused where that is too long all the same.
    """
    shorten(words, _rules(words.environment()), shorter)
    soak = max(SOAK, longest_look(_rules(words.environment())))
    if soak > LONGEST_SOAK:
        raise Refused(
            f"triggers: some look back over {span(soak)}, and the twin's soaks last {span(LONGEST_SOAK)} at most"
        )
    return soak


def _times(words: Words, soak: float) -> None:
    """Waits in which nothing but time goes by; limits, budgets and deadlines stay as they are."""
    soaks = words.at("shift", "soak")
    for number in range(len(soaks)) if isinstance(soaks, list) else ():
        words.at_most(("shift", "soak", number), soak)
    words.at_most(("shift", "soak"), soak)
    words.at_most(("bake", "soak"), soak)
    for name, one in words.at("hostnames").items():
        place = ("hostnames", name, "carrier")
        if one["carrier"].get("ttl"):
            words.at_most((*place, "ttl", "normal"), TTL)
            words.at_most((*place, "ttl", "cutover"), TTL_LOWERED)
            words.at_most((*place, "ttl", "slack"), SLACK)
        if one["carrier"].get("drain"):
            words.at_most((*place, "drain", "window"), DRAINED)
            words.at_most((*place, "drain", "late"), LATE)
    words.at_most(("shift", "evidence", "seconds"), SETTLE)
    words.at_most(("shift", "evidence", "settle"), SETTLE)
    if any(observed for one in words.at("hostnames").values() for observed in one["observed"].values()):
        words.at_most(("shift", "evidence", "requests"), DRAWS)


def _people_and_channels(words: Words) -> None:
    if words.at("notify", "channels"):
        words.put(("notify",), None, OUTSIDE)
        words.leave_out("notify", "nobody is told of a rehearsal")
    if words.at("incidents", "logs"):
        words.put(("incidents", "logs"), None, OUTSIDE)
        words.leave_out("incidents.logs", "the logs of the real applications are not on this machine")
    words.put(("rehearsed_on",), None, OUTSIDE)
    for name, trigger in (words.at("triggers") or {}).items():
        if trigger.get("channels"):
            words.put(("triggers", name, "channels"), [], OUTSIDE)
    if words.at("rehearsal", "required"):
        words.put(("rehearsal", "required"), False, OUTSIDE)
    if words.at("metrics", "grafana") is not None:
        words.put(("metrics", "grafana"), None, OUTSIDE)
