"""Slack, PagerDuty and webhooks against real servers that answer well, badly, late or never; no secret is ever told."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from notify.conftest import a_message
from notify.web import OK, Answer, Raw, Web, closing, hanging, trickling, trickling_body

from cutover.core.clock import Deadline
from cutover.notify import posting
from cutover.notify.message import ACKNOWLEDGE, RESOLVE, TRIGGER, Channel, NotDelivered, Severity
from cutover.notify.pagerduty import PagerDuty
from cutover.notify.posting import post
from cutover.notify.slack import Slack, escaped
from cutover.notify.webhook import Webhook

SECRET = "T0TOPSECRET"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


def soon(seconds: float = 5.0) -> Deadline:
    return Deadline.after(seconds)


def refused(channel: Channel, seconds: float = 5.0, **more: Any) -> NotDelivered:
    with pytest.raises(NotDelivered) as raised:
        channel.deliver(a_message(**more), soon(seconds))
    assert SECRET not in str(raised.value) and raised.value.__cause__ is None
    return raised.value


def test_slack_shows_what_somebody_else_wrote_as_text(web: Callable[..., Web]) -> None:
    server = web()
    Slack(lambda: server.url).deliver(
        a_message(title="<!channel> & <https://evil|click>", body=("a > b", "<@U123>")), soon()
    )
    document = json.loads(server.got[0].body)
    shown = document["blocks"][0]["text"]["text"]
    assert "<" not in shown and "<" not in document["text"]
    assert "&lt;!channel&gt; &amp; &lt;https://evil|click&gt;" in shown and "(toy/r1/7)" in shown
    assert "Next: invoke status --env toy" in shown


def test_slack_cuts_what_is_too_long_and_no_entity_in_two(web: Callable[..., Web]) -> None:
    server = web()
    for pad in range(6):
        Slack(lambda: server.url).deliver(a_message(title="t" * pad, body=("&" * 5000,)), soon())
        text = json.loads(server.got[-1].body)["blocks"][0]["text"]["text"]
        assert len(text) <= 3000 and text.endswith("&amp; …")


def test_pagerduty_opens_acknowledges_and_resolves_under_one_key(web: Callable[..., Web]) -> None:
    server = web((202, {}, b"{}"))
    pager = PagerDuty(lambda: "R0UT1NG", server.url)
    assert not pager.takes(a_message())
    incident = {"incident": "toy/r1/5", "severity": Severity.CRITICAL}
    for action in (TRIGGER, ACKNOWLEDGE, RESOLVE):
        message = a_message(action=action, **incident)
        assert pager.takes(message)
        pager.deliver(message, soon())
    first, second, third = (json.loads(got.body) for got in server.got)
    assert [first["event_action"], second["event_action"], third["event_action"]] == [TRIGGER, ACKNOWLEDGE, RESOLVE]
    assert {d["dedup_key"] for d in (first, second, third)} == {"toy/r1/5"}
    assert first["payload"]["severity"] == "critical" and first["payload"]["source"] == "toy"
    assert first["payload"]["custom_details"]["next"] == "invoke status --env toy"
    assert "payload" not in third and first["routing_key"] == "R0UT1NG"


def test_a_webhook_is_signed_over_time_and_body(web: Callable[..., Web]) -> None:
    server = web()
    Webhook(lambda: server.url, lambda: "k3y").deliver(a_message(), soon())
    got = server.got[0]
    said = dict(part.split("=", 1) for part in got.headers["Cutover-Signature"].split(","))
    wanted = hmac.new(b"k3y", said["t"].encode() + b"." + got.body, hashlib.sha256).hexdigest()
    assert said["v1"] == wanted and abs(int(said["t"]) - time.time()) < 100
    assert got.headers["Idempotency-Key"] == "toy/r1/7"
    document = json.loads(got.body)
    assert (document["schema"], document["severity"], document["key"]) == ("cutover.notice/1", "info", "toy/r1/7")
    assert b"k3y" not in got.body and "Cutover-Signature" not in _unsigned(web)


def _unsigned(web: Callable[..., Web]) -> Any:
    server = web()
    Webhook(lambda: server.url).deliver(a_message(), soon())
    return server.got[0].headers


@pytest.mark.parametrize(
    ("answer", "again", "pause", "told"),
    [
        ((500, {}, b"oops"), True, 0.0, "answered 500: oops"),
        ((503, {}, b""), True, 0.0, "answered 503"),
        ((429, {"Retry-After": "7"}, b""), True, 7.0, "answered 429"),
        ((429, {"Retry-After": "99999"}, b""), True, posting.LONGEST_PAUSE, "answered 429"),
        ((429, {"Retry-After": "soon"}, b""), True, 0.0, "answered 429"),
        ((404, {}, b"no_service"), False, 0.0, "answered 404: no_service"),
        ((403, {}, f"no /hook/{SECRET} \x1b[31m here".encode()), False, 0.0, "answered 403: no /…/… [31m here"),
        ((302, {"Location": "http://127.0.0.1:1/elsewhere"}, b""), False, 0.0, "answered 302"),
    ],
)
def test_what_is_refused_is_told_and_whether_to_try_again(
    web: Callable[..., Web], answer: Answer, again: bool, pause: float, told: str
) -> None:
    server = web(answer)
    error = refused(Slack(lambda: server.url))
    assert (error.again, error.pause, error.message) == (again, pause, told)
    assert len(server.got) == 1


def test_retry_after_may_be_a_date(web: Callable[..., Web]) -> None:
    server = web((503, {"Retry-After": formatdate(time.time() + 100, usegmt=True)}, b""))
    assert 50 < refused(Slack(lambda: server.url)).pause <= 100


@pytest.mark.parametrize("behave", [hanging, trickling, trickling_body])
def test_the_time_truly_ends(raw: Callable[..., Raw], behave: Any) -> None:
    server = raw(behave)
    began = time.monotonic()
    error = refused(Webhook(lambda: server.url), seconds=0.6)
    assert error.again and "no whole answer within" in error.message
    assert time.monotonic() - began < 20  # the servers would go on for a minute


def test_a_closed_connection_and_no_server_are_told_without_the_address(raw: Callable[..., Raw]) -> None:
    server = raw(closing)
    assert refused(Slack(lambda: server.url)).message == "no connection, or it was closed before the answer"
    server.close()
    error = refused(Slack(lambda: server.url))
    assert error.again and "no connection" in error.message


@pytest.mark.parametrize(
    "url",
    [
        f"http://example.com/{SECRET}",
        f"ftp://127.0.0.1/{SECRET}",
        f"{SECRET}",
        f"https://[::1/{SECRET}",
        f"https:///{SECRET}",
    ],
)
def test_an_address_that_is_not_safe_is_not_asked(url: str) -> None:
    error = refused(Slack(lambda: url))
    assert not error.again and "address" in error.message


def test_no_time_is_no_try(web: Callable[..., Web]) -> None:
    server = web()
    assert "no time left" in refused(Slack(lambda: server.url), seconds=0).message
    assert server.got == []


def test_no_password_of_a_netrc_goes_along(
    web: Callable[..., Web], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server = web(OK)
    assert post(server.url, b"{}", {}, soon()) == "ok"
    assert "Authorization" not in server.got[0].headers


def test_a_proxy_is_asked_and_ended_in_time_too(raw: Callable[..., Raw], monkeypatch: pytest.MonkeyPatch) -> None:
    server = raw(trickling)
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{server.port}")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(NotDelivered):
        post(f"https://hooks.example.com/{SECRET}", b"{}", {}, soon(0.6))
    assert server.taken == 1


def test_nothing_shows_the_secret() -> None:
    for channel in (Slack(lambda: SECRET), PagerDuty(lambda: SECRET), Webhook(lambda: SECRET, lambda: SECRET)):
        assert SECRET not in repr(channel)
    assert escaped("<&>") == "&lt;&amp;&gt;"
