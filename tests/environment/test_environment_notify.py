"""Who is told: what may be written, what goes together, and that no run is bound to it."""

from collections.abc import Callable

import pytest
from small import SMALL

from cutover.environment import Environment, parse
from cutover.plans.blue_green import bound_to

CHAT = 'chat: {kind: slack, webhook: "env:HOOK"}'
MAIL = "kind: email, host: smtp.example.com, sender: a@example.com, to: [b@example.com]"


def notify(*lines: str) -> str:
    return "notify:\n" + "".join(f"  {line}\n" for line in lines)


def test_nobody_is_told_without_a_word(loaded: Callable[..., Environment]) -> None:
    assert loaded("").notify.channels == {}


def test_every_kind_is_read(loaded: Callable[..., Environment]) -> None:
    words = notify(
        "channels:",
        f"  {CHAT}",
        '  pager: {kind: pagerduty, key: "file:k", url: "https://events.eu.pagerduty.com/v2/enqueue"}',
        '  own: {kind: webhook, url: "env:U", secret: "env:S"}',
        f'  mail: {{{MAIL}, security: tls, port: 465, user: "env:U", password: "env:P"}}',
        '  topic: {kind: sns, topic: "arn:aws:sns:us-east-1:123456789012:t.fifo"}',
        "routes:",
        "  - {to: [chat], least: detail}",
        "  - {to: [mail], least: none, events: [started, done]}",
        "escalation:",
        "  - {after: 10m, to: [mail]}",
        "updates: [{until: 8h, every: 1h}]",
        'texts: {started: "{environment} has begun, by {who}", users-window: Back soon.}',
        "give_up: 20m",
    )
    found = loaded(words).notify
    assert [one.kind for one in found.channels.values()] == ["slack", "pagerduty", "webhook", "email", "sns"]
    assert found.routes[1].least == "none" and found.escalation[0].after == 600 and found.give_up == 1200


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["channels: {chat: {kind: slak}}"], "notify.channels.chat: kind must be one of slack"),
        (["channels: {chat: {webhook: x}}"], "notify.channels.chat: needs a kind: slack or pagerduty"),
        (['channels: {slack: {kind: slack, webhook: "https://hooks.slack.com/services/T/B/x"}}'],
         "notify.channels.slack.webhook: wants a reference"),
        (["channels:", f"  {CHAT}", "routes: [{to: [chatt]}]"], "routes[0].to[0]: is none of the channels (did you mean chat?)"),
        (["channels:", f"  {CHAT}", "routes: [{to: [chat], events: [begun]}]"], "routes[0].events[0]: is no event"),
        (["channels:", f"  {CHAT}", "routes: [{to: [chat], least: none}]"], "routes[0].least: takes nothing"),
        (["channels:", f"  {CHAT}", "routes: [{to: []}]"], "routes[0].to: needs at least 1"),
        (["channels:", f"  {CHAT}", "escalation: [{after: 5m, to: [chat]}, {after: 5m, to: [chat]}]"],
         "escalation[1].after: must be later than the one before it"),
        (["updates: [{until: 8h, every: 1h}, {until: 4h, every: 1h}]"], "updates[1].until: must be later"),
        ([f'channels: {{mail: {{{MAIL}, user: "env:U"}}}}'], "mail.user: needs `user` and `password`, or neither"),
        ([f'channels: {{mail: {{{MAIL}, security: none, user: "env:U", password: "env:P"}}}}'],
         "mail.security: nobody logs in over an open line"),
        (["channels: {mail: {kind: email, host: h, sender: \"a@b\\nBcc: c@d\", to: [b@c]}}"], "mail.sender: wants an e-mail address"),
        (["texts: {begun: x}"], "texts.begun: is no text"),
        (['texts: {phase: "{pase} of {environment}"}'], "texts.phase: has 1 name in braces that nothing is filled in for"),
        (["chanels: {}"], "notify.chanels: unknown key (did you mean channels?)"),
        (["channels: {chat: {kind: slack, webhok: \"env:H\"}}"], "webhok: unknown key (did you mean webhook?)"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_told(told: Callable[..., list[str]], lines: list[str], problem: str) -> None:
    problems = told(notify(*lines))
    assert any(problem in one for one in problems), problems


def test_a_run_is_not_bound_to_who_is_told(loaded: Callable[..., Environment]) -> None:
    """A webhook that has moved makes no run unresumable."""
    before = parse(SMALL, name="small", file="f")
    after = loaded(notify("channels:", f"  {CHAT}"))
    assert before != after and bound_to(before) == bound_to(after)
