"""The TTL of a record in the plan: a step that changes it, and the gate that waits until the old one has run out."""

from collections.abc import Callable, Sequence
from typing import Any

from cutover.aws.record_group import ALIAS_TTL
from cutover.aws.route53 import Route53Ttl
from cutover.core.gate import Gate
from cutover.environment import ClientCname, Route53Carrier, Ttl
from cutover.net.dns import TtlVisible
from cutover.plans.means import Means

Words = Route53Carrier | ClientCname

ALIAS_SLACK = 60.0  # seconds, as `ttl.slack` has it by default
SEEN_WITHIN = 120.0  # seconds until every name server has a change


def ttl_changed(means: Means, name: str, record: str, words: Words, before: int, after: int) -> Route53Ttl:
    """The step; `before` and `after` in seconds."""
    private, vpc = zone_words(words)
    return Route53Ttl(
        name=name,
        before=before,
        after=after,
        aws=means.aws,
        zone=words.zone,
        record=record,
        record_type=words.type,
        private=private,
        vpc=vpc,
    )


def ttl_waited_out(means: Means, name: str, record: str, words: Words, ttl: Ttl, lowered: str) -> Gate:
    """The gate behind the step `lowered`: by its end no cache that keeps to the TTL has an older answer.

    Counted from when the change was in sync: the longest that the name, or a CNAME in front of it, was answered with before.
    """
    above = [one.ttl for one in words.above] if isinstance(words, Route53Carrier) else []
    visible = ttl_visible(means, record, words, ttl.cutover)
    return Gate(
        name=name, check=visible, deadline=SEEN_WITHIN, hold=max([ttl.normal, *above]) + ttl.slack, since=lowered
    )


def old_answers_gone(means: Means, name: str, record: str, words: Route53Carrier, moved: str) -> Gate:
    """The gate behind the step `moved`: by its end no cache that keeps to the TTL leads to the side that was left.

    An alias is answered with 60 s; what else keeps an answer for longer (a connection, a client's own cache) is not asked.
    """
    seconds, slack = (ALIAS_TTL, ALIAS_SLACK) if words.ttl is None else (words.ttl.cutover, words.ttl.slack)
    visible = ttl_visible(means, record, words, seconds)
    return Gate(name=name, check=visible, deadline=SEEN_WITHIN, hold=seconds + slack, since=moved)


def ttl_visible(means: Means, record: str, words: Words, wanted: int) -> TtlVisible:
    """The question whether every server answers with at most `wanted` seconds."""
    return TtlVisible(zone=words.zone, record=record, record_type=words.type, wanted=wanted, **asked(means, words))


def asked(means: Means, words: Words) -> dict[str, Any]:
    """Whom a check asks about a name: the zone's servers, or for a private zone the resolvers of its VPC."""
    private, _ = zone_words(words)
    if not private:
        return {"servers": means.dns_servers()}
    ref = words.resolver if isinstance(words, Route53Carrier) else None
    if ref is None:
        return {"servers": None, "private": True}
    shell = f"${ref.name}" if ref.kind == "env" else str(ref)

    def servers() -> Sequence[str]:
        return [server.strip() for server in ref.resolve(means.values()).split(",")]

    given: Callable[[], Sequence[str]] = servers
    return {"servers": given, "private": True, "servers_shell": shell}


def zone_words(words: Words) -> tuple[bool, str]:
    """Whether the zone is a private one, and of which VPC if that has to be said."""
    return (words.private, words.vpc or "") if isinstance(words, Route53Carrier) else (False, "")
