"""The TTL of a record in the plan: a step that changes it, and the gate that waits until the old one has run out."""

from cutover.aws.route53 import Route53Ttl
from cutover.core.gate import Gate
from cutover.environment import ClientCname, Route53Carrier
from cutover.net.dns import TtlVisible
from cutover.plans.means import Means

SEEN_WITHIN = 120.0  # seconds until every name server has a change


def ttl_changed(
    means: Means, name: str, record: str, words: Route53Carrier | ClientCname, before: int, after: int
) -> Route53Ttl:
    """The step; `before` and `after` in seconds."""
    return Route53Ttl(
        name=name, before=before, after=after, aws=means.aws, zone=words.zone, record=record, record_type=words.type
    )


def ttl_waited_out(means: Means, name: str, record: str, words: Route53Carrier | ClientCname, lowered: str) -> Gate:
    """The gate behind the step `lowered`: by its end no cache that keeps to the TTL has an older answer."""
    visible = TtlVisible(
        zone=words.zone,
        record=record,
        record_type=words.type,
        wanted=words.ttl.cutover,
        servers=means.dns_servers(),
    )
    return Gate(name=name, check=visible, deadline=SEEN_WITHIN, hold=words.ttl.normal + words.ttl.slack, since=lowered)
