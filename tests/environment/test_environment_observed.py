"""The witnesses of a share: what may be written, and what goes with which carrier."""

from collections.abc import Callable

import pytest

from cutover.environment import Environment, Evidence, Observed

GREEN = "      green: shop-green\n"
TTL = "      ttl: {normal: 300, cutover: 60}\n"
PRIVATE = "      private: true\n      resolver: 10.0.0.2:53\n"
TAG = "header: X-Version, blue: v1, green: v2"


def test_nothing_is_asked_of_anybody_without_a_word(loaded: Callable[..., Environment]) -> None:
    found = loaded("")
    assert found.hostnames["shop"].observed == Observed()
    assert found.shift.evidence == Evidence()


def test_witnesses_are_read(loaded: Callable[..., Environment]) -> None:
    words = f"    observed: {{dns: true, tag: {{{TAG}, port: srv, path: /health}}, logs: {{bucket: my-logs, blue: b, green: g}}}}\n"
    observed = loaded(TTL, TTL + words).hostnames["api"].observed
    assert observed.dns
    assert observed.tag is not None
    assert (observed.tag.port, observed.tag.scheme) == ("srv", "https")
    assert observed.logs is not None
    assert (observed.logs.blue, observed.logs.late) == ("b", 360.0)
    assert loaded(TTL, f"{TTL}    observed: {{tag: {{{TAG}, port: 8443}}}}\n").hostnames["api"].observed.tag


@pytest.mark.parametrize(
    ("after", "observed", "problem"),
    [
        (GREEN, "dns: true", "observed.dns: the name servers say nothing about a share that no record carries"),
        (TTL, "requests: true", "observed.requests: counts target groups, and the carrier has none"),
        (GREEN, "tag: {blue: v1, green: v2}", "observed.tag: needs either `header` or `field`, and not both"),
        (GREEN, f"tag: {{{TAG}, field: app.version}}", "observed.tag: needs either `header` or `field`"),
        (GREEN, "tag: {header: X-V, blue: v1, green: v1}", "observed.tag.green: is the same value as blue's"),
        (GREEN, f"tag: {{{TAG}, port: srv}}", "observed.tag.port: srv needs `dns.servers`"),
        (GREEN, f"tag: {{{TAG}, port: 0}}", "observed.tag.port: must be from 1 to 65535"),
        (GREEN, f"tag: {{{TAG}, path: health}}", "observed.tag.path: wants a path such as /health"),
        (TTL + PRIVATE, "dns: true", "observed.dns: the name servers of a private zone cannot be asked"),
        (TTL + PRIVATE, f"tag: {{{TAG}}}", "observed.tag: the name servers of a private zone cannot be asked"),
        (TTL, "logs: {bucket: my-logs}", "observed.logs: needs `blue` and `green`"),
        (GREEN, "logs: {bucket: my-logs, format: cloudfront}", "observed.logs: needs `blue` and `green`"),
        (GREEN, "logs: {bucket: my-logs, blue: b}", "observed.logs: needs `blue` and `green`"),
        (GREEN, "logs: {bucket: my-logs, blue: b, green: b}", "observed.logs.green: is the same value as blue's"),
        (GREEN, "logs: {bucket: My_Logs}", "observed.logs.bucket: wants the name of an S3 bucket"),
        (GREEN, "tags: {}", "observed.tags: unknown key"),
    ],
)
def test_what_does_not_go_together_is_told(
    told: Callable[..., list[str]], after: str, observed: str, problem: str
) -> None:
    problems = told(after.removesuffix(PRIVATE), f"{after}    observed: {{{observed}}}\n")
    assert len(problems) == 1, problems
    assert problem in problems[0], problems


@pytest.mark.parametrize(
    ("evidence", "problem"),
    [
        ("alpha: 0", "shift.evidence.alpha: must be more than 0 and at most 0.05"),
        ("alpha: 0.5", "shift.evidence.alpha: must be more than 0 and at most 0.05"),
        ("requests: 10", "shift.evidence.requests: must be from 30 to 100000"),
        ("seconds: 0", "shift.evidence.seconds: must be longer than 0"),
        ("precision: 200%", "shift.evidence.precision: wants a percentage"),
        ("precision: 0%", "shift.evidence.precision"),
    ],
)
def test_evidence_that_proves_nothing_is_refused(told: Callable[..., list[str]], evidence: str, problem: str) -> None:
    problems = told(f"shift: {{evidence: {{{evidence}}}}}\n")
    assert len(problems) == 1, problems
    assert problem in problems[0], problems
