"""What the pages say to people: who is told what, what the triggers say, and which command answers a line."""

import re

from runbook_toy import book

from cutover.environment import Notify
from cutover.environment.notify import EmailChannel, LevelWords, PagerDutyChannel, RhythmWords, RouteWords, SlackChannel
from cutover.environment.reference import Ref
from cutover.metrics.action import parse_action
from cutover.metrics.figures import Known
from cutover.metrics.parsing import parse
from cutover.metrics.rule import Rule
from cutover.runbook import render
from cutover.runbook.told import rhythm, told

KNOWN = {"error_rate": Known("%", "both"), "p95": Known("ms", "both"), "orders": Known("", "green")}
RULES = (
    Rule("errors", parse("error_rate > 5% for 5m", KNOWN), parse_action("investigate for 15m then rollback")),
    Rule("slow", parse("p95 > legacy + 100ms", KNOWN), parse_action("previous-phase")),
    Rule("rows", parse("orders > 0", KNOWN), parse_action("freeze")),
    Rule("few", parse("orders > 3", KNOWN), parse_action("notify")),
)
SECRET = Ref("env", "X")


def page(name: str, **changes: object) -> str:
    return render(book(**changes))[name]


def test_who_is_told_stands_on_both_ways() -> None:
    words = Notify(
        channels={
            "chat": SlackChannel(webhook=SECRET),
            "pager": PagerDutyChannel(key=SECRET),
            "post": EmailChannel(host="mail.example.com", sender="a@example.com", to=("b@example.com",)),
        },
        routes=(
            RouteWords(to=("chat",), least="info"),
            RouteWords(to=("pager",), least="critical"),
            RouteWords(to=("post",), least="none", events=("announced", "done")),
        ),
        escalation=(LevelWords(after=600.0, to=("post", "pager")),),
        updates=(RhythmWords(until=28_800.0, every=3600.0), RhythmWords(until=86_400.0, every=14_400.0)),
    )
    for name in ("CUTOVER-RUNBOOK.md", "ROLLBACK-RUNBOOK.md"):
        shown = page(name, told=told(words), rhythm=rhythm(words.updates))
        assert "| what is information, or more urgent | chat (slack) |" in shown
        assert "| what is critical | pager (pagerduty) |" in shown
        assert "| the events announced, done | post (email) |" in shown
        assert "| what is critical, and nobody has taken on for 10 min | post (email), pager (pagerduty) |" in shown
        assert "every 1 h until 8 h after the switch, then every 4 h until 24 h after the switch" in shown
        assert "`invoke acknowledge --env toy`" in shown
    every = told(Notify(channels=words.channels))
    assert every == (("what is information, or more urgent", "chat (slack), pager (pagerduty), post (email)"),)


def test_where_nobody_is_told_that_is_said() -> None:
    assert told(Notify()) == ()
    assert "Nobody: the environment names no channels" in page("ROLLBACK-RUNBOOK.md")


def test_the_decision_tree_has_the_triggers_own_words() -> None:
    plain, shown = page("ROLLBACK-RUNBOOK.md"), page("ROLLBACK-RUNBOOK.md", rules=RULES)
    assert "invoke triggers" not in plain
    back = "`invoke rollback --env toy --reason 'WHY'`"
    text = shown.replace("\\", "")
    for rule in RULES:
        assert f"*{rule.condition.words()}* → **rollback**: {rule.action.words()}" in text
        # The same in the drawing, where Mermaid's own entities stand for what it would act on.
        assert f'|"{rule.condition.words().replace("%", "#37;")}"|' in shown
    assert f"go back to blue (`trigger-errors`): {back}." in shown
    assert "(`trigger-slow`): `invoke rollback --env toy --to PHASE --reason 'WHY'`." in shown
    assert "(`trigger-rows`): `invoke hold --env toy --reason 'WHY'`." in shown
    assert re.search(r"\*nothing of this\* → \*\*Is green failing users", shown)


def test_a_line_that_a_command_answers_is_a_block_to_be_pasted() -> None:
    lines = (("tests", "(set -e\nmake test\n)", ""), ("one", "true", ""), ("queue", "said by a person", "shop"))
    shown = page("POST-CUTOVER-CHECKLIST.md", checklist=lines)
    assert "- [ ] **tests**\n\n```bash\n(set -e\nmake test\n)\n```\n\n- [ ] **one**\n\n```bash\ntrue\n```\n" in shown
    assert "\n- [ ] **queue**: said by a person (shop)\n" in shown
